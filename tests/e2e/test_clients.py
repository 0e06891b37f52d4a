"""Real clients read TPC-H tables through Larder, cold and warm, and get what they get from the origin itself.

Each client gets a daemon of its own, so that its first read is cold. Cold, warm and direct are compared whole: bytes
where the client deals in bytes, rows where it deals in rows. The relay's count shows that the warm read was warm.
"""

import csv
import io
import os
import subprocess

import pyarrow.dataset
import pyarrow.fs
import pytest

from harness import tables
from harness.larder import READER, READER_SECRET, Larder, binary, s3_bucket
from harness.origin import KEY, REGION, SECRET, Origin, s3_client

# An immutable bucket needs no word from the origin once it is warm, so a warm read must move no byte at all.
# Listings are not cached by default; a client that lists moves those bytes and no more.
LISTING_BYTES = 200_000


@pytest.fixture
def larder(start_larder, origin) -> Larder:
    return start_larder([s3_bucket(origin, consistency="immutable")]).start()


@pytest.fixture
def read_three_times(larder: Larder, origin: Origin):
    """Runs `read(endpoint, bucket, prefix, key, secret)` directly, cold and warm, and returns the three answers."""

    def run(read, *, warm_bytes: int):
        direct = read(origin.direct, "raw", "hive/", KEY, SECRET)
        cold = read(larder.endpoint, "warehouse", "", READER, READER_SECRET)
        before, larder_before = origin.bytes_out, larder.stat()
        warm = read(larder.endpoint, "warehouse", "", READER, READER_SECRET)
        assert origin.bytes_out - before <= warm_bytes, "the warm read went to the origin"
        after = larder.stat()
        assert after["bytes_origin"] == larder_before["bytes_origin"]
        assert after["bytes_memory"] + after["bytes_ssd"] > larder_before["bytes_memory"] + larder_before["bytes_ssd"]
        return direct, cold, warm

    return run


def test_boto3_gets_every_object_byte_for_byte(read_three_times):
    def read(endpoint, bucket, prefix, key, secret):
        client = s3_client(endpoint, key, secret)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}tpch/")
        keys = [entry["Key"] for page in pages for entry in page["Contents"]]
        return {k.removeprefix(prefix): client.get_object(Bucket=bucket, Key=k)["Body"].read() for k in keys}

    direct, cold, warm = read_three_times(read, warm_bytes=LISTING_BYTES)
    assert len(direct) >= 20 and sum(map(len, direct.values())) > 5_000_000
    assert cold == direct
    assert warm == direct


def test_the_aws_cli_copies_the_tables_byte_for_byte(read_three_times, tmp_path):
    def read(endpoint, bucket, prefix, key, secret):
        folder = tmp_path / f"copy-{len(list(tmp_path.glob('copy-*')))}"
        # In parts of 1 MiB, so that the large files are read by several ranged GETs at once.
        config = tmp_path / "aws-config"
        config.write_text("[default]\ns3 =\n  multipart_threshold = 1MB\n  multipart_chunksize = 1MB\n")
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": str(config),
        }
        command = ["aws", "--endpoint-url", endpoint, "s3", "cp", "--recursive", "--quiet"]
        subprocess.run([*command, f"s3://{bucket}/{prefix}tpch/", folder], env=environment, check=True, timeout=120)
        return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}

    direct, cold, warm = read_three_times(read, warm_bytes=LISTING_BYTES)
    assert len(direct) >= 20
    assert cold == direct
    assert warm == direct


def test_pyarrow_scans_the_tables_row_for_row(read_three_times):
    def read(endpoint, bucket, prefix, key, secret):
        filesystem = pyarrow.fs.S3FileSystem(
            access_key=key, secret_key=secret, endpoint_override=endpoint, region=REGION, scheme="http"
        )
        answer = {}
        for table in tables.TABLES:
            dataset = pyarrow.dataset.dataset(
                f"{bucket}/{prefix}tpch/{table}", filesystem=filesystem, format="parquet", partitioning="hive"
            )
            order = [(name, "ascending") for name in dataset.schema.names[:4]]
            answer[table] = dataset.to_table().sort_by(order)
        # A projection with a filter reads footers and single column chunks.
        lineitem = pyarrow.dataset.dataset(
            f"{bucket}/{prefix}tpch/lineitem", filesystem=filesystem, format="parquet", partitioning="hive"
        )
        some = lineitem.to_table(columns=["l_orderkey", "l_tax"], filter=pyarrow.dataset.field("l_year") == 1997)
        answer["projection"] = some.sort_by([("l_orderkey", "ascending"), ("l_tax", "ascending")])
        return answer

    direct, cold, warm = read_three_times(read, warm_bytes=LISTING_BYTES)
    assert direct["lineitem"].num_rows == 299_814
    for table in direct:
        assert cold[table].equals(direct[table]), table
        assert warm[table].equals(direct[table]), table


@pytest.mark.parametrize("style", ["path", "vhost"])
def test_duckdb_answers_tpch_queries_row_for_row(read_three_times, larder, style):
    larder.stop()
    larder.settings["s3"]["domain"] = "localhost"
    larder.start()

    def read(endpoint, bucket, prefix, key, secret):
        connection = tables.connect("httpfs")
        through_larder = endpoint == larder.endpoint
        # `warehouse.localhost` resolves to loopback: virtual-host style without a name server.
        address = endpoint.removeprefix("http://")
        url_style = style if through_larder else "path"
        if url_style == "vhost":
            address = address.replace("127.0.0.1", "localhost")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', ENDPOINT '{address}', REGION '{REGION}', "
            f"URL_STYLE '{url_style}', USE_SSL false)"
        )
        for table in tables.TABLES:
            depth = "*/*" if table in tables.PARTITIONED_BY else "*"
            files = f"s3://{bucket}/{prefix}tpch/{table}/{depth}.parquet"
            connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{files}', hive_partitioning = true)")
        answer = {name: connection.execute(statement).fetchall() for name, statement in tables.QUERIES.items()}
        everything = "SELECT count(*), sum(hash(lineitem)) FROM lineitem"
        answer["every row"] = connection.execute(everything).fetchall()
        return answer

    direct, cold, warm = read_three_times(read, warm_bytes=LISTING_BYTES)
    assert direct["every row"][0][0] == 299_814
    assert cold == direct
    assert warm == direct


def test_datafusion_answers_tpch_queries_row_for_row(read_three_times):
    def read(endpoint, bucket, prefix, key, secret):
        environment = os.environ | {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION}
        command = [binary("datafusion-client"), "--endpoint", endpoint, "--tables", f"s3://{bucket}/{prefix}tpch/"]
        for table in tables.TABLES:
            column = tables.PARTITIONED_BY.get(table, ("",))[0]
            command += ["--table", f"{table}:{column}" if column else table]
        answer = {}
        for name, statement in tables.QUERIES.items():
            done = subprocess.run(
                [*command, statement], env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stderr
            answer[name] = list(csv.reader(io.StringIO(done.stdout)))
        return answer

    direct, cold, warm = read_three_times(read, warm_bytes=LISTING_BYTES)
    assert len(direct["q01"]) == 5 and len(direct["q03"]) == 11
    assert cold == direct
    assert warm == direct


def test_a_small_range_of_a_large_object_does_not_read_the_whole_object(larder, origin):
    client = larder.client(READER, READER_SECRET)
    size = 48 << 20
    body = os.urandom(size)
    origin.client().put_object(Bucket="raw", Key="hive/large/one.bin", Body=body)
    before = origin.bytes_out
    answer = client.get_object(Bucket="warehouse", Key="large/one.bin", Range=f"bytes={size // 2}-{size // 2 + 99}")
    assert answer["Body"].read() == body[size // 2 : size // 2 + 100]
    assert origin.bytes_out - before < 9 << 20, "one fill is at most 8 MiB"
