"""HDFS as origin: reads, listings and writes through Larder are what HDFS itself has, and nothing stray is left there."""

import os
import re
import threading

import duckdb
import pyarrow.dataset
import pyarrow.fs
import pytest
import requests
from botocore.exceptions import ClientError

from harness import tables
from harness.hdfs import BLOCK_BYTES, Hdfs
from harness.larder import READER, READER_SECRET, Larder
from harness.origin import REGION
from harness.process import wait_until
from test_reads import error_of

# The first run fetches Hadoop's jars.
pytestmark = pytest.mark.timeout(600)

HOT, COLD = "tpch/lineitem/l_year=1997/", "tpch/lineitem/l_year=1993/"
PART = 5 << 20
BIG = os.urandom(40 * BLOCK_BYTES + 12_345)
ODD_NAMES = ["a b.bin", "50%.bin", "a%20b.bin", "k=v/ü日本.bin", "plus+and&.bin", "#hash?.bin", "'quote\".bin", "_x/.hidden"]


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory, table_files):
    cluster = Hdfs(tmp_path_factory.mktemp("hdfs"))
    cluster.fs("-mkdir", "-p", "/wh/writes", "/wh/list", "/scratch")
    cluster.fs("-put", str(table_files / "tpch"), "/wh/tpch")
    yield cluster
    cluster.stop()


def bucket(hdfs, name: str, folder: str, **more) -> dict:
    return {"name": name, "origin": f"{hdfs.url}{folder}", "consistency": "strict", "catalog": "hive"} | more


@pytest.fixture(scope="module")
def larder(hdfs, tmp_path_factory):
    """A daemon whose whitelist holds one partition: all else is read directly."""
    buckets = [
        bucket(hdfs, "warehouse", "/wh"),
        bucket(hdfs, "minute", "/wh", consistency={"revalidate": "60s"}),
        bucket(hdfs, "fixed", "/wh", consistency="immutable"),
    ]
    larder = Larder(tmp_path_factory.mktemp("larder"), buckets, nightly={"schedule": ""}).start()
    larder.command("whitelist", "pin", "hive.tpch.lineitem/l_year=1997")
    larder.command("nightly")
    larder.wait_for_whitelist(1)
    larder.wait_for_preload()
    yield larder
    assert larder.stop() == 0, larder.process.output()


@pytest.fixture(scope="module")
def s3(larder):
    return larder.client()


def got(client, key: str, bucket: str = "warehouse", **more) -> bytes:
    return client.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def keys(client, prefix: str = "", bucket: str = "warehouse", **more) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **more)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def served(larder) -> dict:
    return {
        f"{tier}, {route}": larder.metric("larder_get_bytes_total", tier=tier, route=route)
        for tier, route in [("memory", "cached"), ("ssd", "cached"), ("origin", "cached"), ("origin", "direct")]
    }


def test_every_table_file_is_the_same_byte_for_byte(s3, table_files):
    files = {str(f.relative_to(table_files)): f.read_bytes() for f in table_files.rglob("*.parquet")}
    assert sorted(keys(s3, "tpch/")) == sorted(files)
    assert {key: got(s3, key) for key in files} == files


@pytest.mark.parametrize(("prefix", "route"), [(HOT, "cached"), (COLD, "direct")])
def test_the_whitelist_says_the_route(larder, s3, table_files, prefix, route):
    (file,) = (table_files / prefix).glob("*.parquet")
    before = served(larder)
    body = got(s3, f"{prefix}{file.name}")
    grown = {name: value - before[name] for name, value in served(larder).items() if value > before[name]}
    assert body == file.read_bytes()
    assert sum(grown.values()) == len(body)
    assert all(name.endswith(route) for name in grown), grown
    assert (route == "direct") == ("origin, direct" in grown)


def test_a_preloaded_partition_is_read_from_the_tiers(larder, s3, table_files):
    (file,) = (table_files / HOT).glob("*.parquet")
    before = served(larder)
    assert got(s3, f"{HOT}{file.name}", "warehouse") == file.read_bytes()
    grown = {name: value - before[name] for name, value in served(larder).items()}
    assert grown["memory, cached"] + grown["ssd, cached"] == file.stat().st_size
    assert grown["origin, cached"] == 0


def duckdb_rows(endpoint: str, query: str):
    connection = tables.connect("httpfs")
    host = endpoint.removeprefix("http://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{READER}', SECRET '{READER_SECRET}', ENDPOINT '{host}', URL_STYLE 'path', "
        f"USE_SSL false, REGION '{REGION}')"
    )
    for table in tables.TABLES:
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('s3://warehouse/tpch/{table}/**/*.parquet')")
    return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", tables.QUERIES)
def test_duckdb_gets_the_same_rows(larder, table_files, name):
    local = duckdb.connect()
    for table in tables.TABLES:
        local.execute(f"CREATE VIEW {table} AS FROM read_parquet('{table_files}/tpch/{table}/**/*.parquet')")
    assert duckdb_rows(larder.endpoint, tables.QUERIES[name]) == local.execute(tables.QUERIES[name]).fetchall()


def test_pyarrow_gets_the_same_rows(larder, table_files):
    host = larder.endpoint.removeprefix("http://")
    s3 = pyarrow.fs.S3FileSystem(
        access_key=READER, secret_key=READER_SECRET, endpoint_override=host, scheme="http", region=REGION
    )
    through = pyarrow.dataset.dataset("warehouse/tpch/orders", filesystem=s3, partitioning="hive").to_table()
    local = pyarrow.dataset.dataset(table_files / "tpch/orders", partitioning="hive").to_table()
    order = [("o_orderkey", "ascending")]
    assert through.sort_by(order) == local.sort_by(order)


@pytest.fixture(scope="module")
def big(hdfs):
    """A file of many blocks, whose last is short."""
    hdfs.put("/wh/big/one.bin", BIG)
    hdfs.put("/wh/big/empty.bin", b"")
    return "big/one.bin"


RANGES = {
    "bytes=0-0": BIG[:1],
    f"bytes={BLOCK_BYTES - 10}-{BLOCK_BYTES + 9}": BIG[BLOCK_BYTES - 10 : BLOCK_BYTES + 10],
    f"bytes={3 * BLOCK_BYTES}-{5 * BLOCK_BYTES - 1}": BIG[3 * BLOCK_BYTES : 5 * BLOCK_BYTES],
    f"bytes={40 * BLOCK_BYTES}-": BIG[40 * BLOCK_BYTES :],
    "bytes=-7": BIG[-7:],
    f"bytes={len(BIG) - 5}-{len(BIG) + 1000}": BIG[-5:],
}


@pytest.mark.parametrize("text", RANGES)
@pytest.mark.parametrize("bucket", ["warehouse", "fixed"])
def test_ranges_are_cut_at_the_ends_of_the_file(s3, big, bucket, text):
    assert got(s3, big, bucket, Range=text) == RANGES[text]


def test_a_range_behind_the_end_is_refused(s3, big):
    assert error_of(s3.get_object, Bucket="warehouse", Key=big, Range=f"bytes={len(BIG)}-") == (416, "InvalidRange")
    assert got(s3, "big/empty.bin") == b""
    assert error_of(s3.get_object, Bucket="warehouse", Key="big/empty.bin", Range="bytes=0-0") == (416, "InvalidRange")


def test_head_and_conditions_go_by_size_and_time(s3, hdfs, big):
    head = s3.head_object(Bucket="warehouse", Key=big)
    told = int(hdfs.fs("-stat", "%Y", "/wh/big/one.bin"))
    assert head["ContentLength"] == len(BIG)
    assert head["LastModified"].timestamp() == told // 1000
    assert head["ETag"] == f'"{told:x}-{len(BIG):x}"'
    assert s3.list_objects_v2(Bucket="warehouse", Prefix=big)["Contents"][0]["ETag"] == head["ETag"]
    assert got(s3, big, IfMatch=head["ETag"], Range="bytes=0-9") == BIG[:10]
    wrong = {"Bucket": "warehouse", "Key": big}
    assert error_of(s3.get_object, **wrong, IfMatch='"0-0"') == (412, "PreconditionFailed")
    assert error_of(s3.get_object, **wrong, IfNoneMatch=head["ETag"])[0] == 304


@pytest.mark.parametrize("key", ["no/such", "big", "tpch/lineitem", "big/one.bin/below", "with:colon"])
def test_what_is_no_file_is_not_found(s3, big, key):
    assert error_of(s3.get_object, Bucket="warehouse", Key=key) == (404, "NoSuchKey")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_pass_letter_by_letter(s3, hdfs, name):
    body = name.encode()
    s3.put_object(Bucket="warehouse", Key=f"odd/{name}", Body=body)
    assert f"/wh/odd/{name}" in hdfs.files("/wh/odd")
    assert got(s3, f"odd/{name}") == body
    assert f"odd/{name}" in keys(s3, "odd/")
    s3.delete_object(Bucket="warehouse", Key=f"odd/{name}")
    assert f"/wh/odd/{name}" not in hdfs.files("/wh/odd")


@pytest.fixture(scope="module")
def listed(hdfs, tmp_path_factory):
    """250 files in one folder and a tree beside it, whose order is another at S3 than in HDFS."""
    local = tmp_path_factory.mktemp("list") / "tree"
    names = [f"many/{i:03}.bin" for i in range(250)]
    names += ["a/1", "a/b/2", "a-b", "a.c", "dt=2026-01-01/x", "dt=2026-01-02/y", "dt=2027-01-01/z"]
    for name in names:
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(b"x")
    hdfs.fs("-put", str(local), "/wh/list/tree")
    hdfs.fs("-mkdir", "/wh/list/tree/nothing")
    return sorted(f"list/tree/{name}" for name in names)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_pages_are_in_order_and_meet(s3, listed, size):
    assert keys(s3, "list/tree/many/" if size < 7 else "list/tree/", PaginationConfig={"PageSize": size}) == [
        key for key in listed if size >= 7 or "/many/" in key
    ]


def test_a_delimiter_shows_one_folder(s3, listed):
    def page(prefix, **more):
        answer = s3.list_objects_v2(Bucket="warehouse", Prefix=prefix, Delimiter="/", **more)
        found = [entry["Key"] for entry in answer.get("Contents", [])]
        return found, [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]

    tree = "list/tree/"
    folders = [f"{tree}{name}/" for name in ("a", "dt=2026-01-01", "dt=2026-01-02", "dt=2027-01-01", "many", "nothing")]
    assert page(tree) == ([f"{tree}a-b", f"{tree}a.c"], folders)
    assert page(f"{tree}dt=2026-") == ([], folders[1:3])
    assert page(f"{tree}dt=2026-01-01") == ([], folders[1:2])
    assert page(f"{tree}a") == ([f"{tree}a-b", f"{tree}a.c"], folders[:1])
    assert page(f"{tree}a/") == ([f"{tree}a/1"], [f"{tree}a/b/"])
    assert page("no/such/") == ([], [])
    assert page(f"{tree}a-b/") == ([], []), "a file is no folder"
    assert page(tree, StartAfter=f"{tree}dt=2026-01-01/x") == ([], folders[1:])


def test_a_prefix_need_not_end_at_a_folder(s3, listed):
    assert keys(s3, "list/tree/dt=2026-0") == [key for key in listed if "dt=2026-0" in key]
    assert keys(s3, "list/tree/many/24") == [key for key in listed if "/24" in key]
    after = "list/tree/many/240.bin"
    assert keys(s3, "list/tree/", StartAfter=after) == [key for key in listed if key > after]
    assert keys(s3, "list/none") == []


def test_another_delimiter_rolls_up_too(s3, listed):
    answer = s3.list_objects_v2(Bucket="warehouse", Prefix="list/tree/dt", Delimiter="=")
    assert [entry["Prefix"] for entry in answer["CommonPrefixes"]] == ["list/tree/dt="]


@pytest.mark.parametrize("size", [0, 1, 70_000, 3 * BLOCK_BYTES, 20_000_000])
def test_a_put_reaches_hdfs_whole(s3, hdfs, size):
    body, key = os.urandom(size), f"writes/put/{size}.bin"
    answer = s3.put_object(Bucket="warehouse", Key=key, Body=body)
    assert hdfs.get(f"/wh/{key}") == body
    assert answer["ETag"] == s3.head_object(Bucket="warehouse", Key=key)["ETag"]
    assert got(s3, key) == body
    assert hdfs.files("/wh/writes/put") >= {f"/wh/{key}"} and no_drafts(hdfs, "/wh/writes/put")


def no_drafts(hdfs, folder: str) -> bool:
    return not any(".larder-" in path for path in hdfs.files(folder))


def test_an_overwrite_through_larder_is_seen_at_once(s3, hdfs):
    for round_ in range(4):
        body = bytes([round_]) * 2_000_000
        for bucket in ("warehouse", "fixed"):
            s3.put_object(Bucket=bucket, Key=f"writes/over-{bucket}", Body=body)
            assert got(s3, f"writes/over-{bucket}", bucket) == body
    assert hdfs.get("/wh/writes/over-fixed") == body


def upload(s3, key: str, parts: list[bytes]) -> dict:
    upload = s3.create_multipart_upload(Bucket="warehouse", Key=key)["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket="warehouse", Key=key, UploadId=upload, PartNumber=number, Body=part)
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    return {"Bucket": "warehouse", "Key": key, "UploadId": upload, "MultipartUpload": {"Parts": done}}


def test_a_multipart_upload_becomes_one_file(s3, hdfs):
    parts = [os.urandom(PART), os.urandom(PART + 1), os.urandom(10)]
    complete = upload(s3, "writes/multi/file.bin", parts)
    assert keys(s3, "writes/multi/") == [], "nothing is there before it is complete"
    s3.complete_multipart_upload(**complete)
    assert hdfs.get("/wh/writes/multi/file.bin") == b"".join(parts)
    assert hdfs.files("/wh/writes/multi") == {"/wh/writes/multi/file.bin"}


def test_an_aborted_upload_leaves_nothing(s3, hdfs):
    complete = upload(s3, "writes/aborted/file.bin", [b"x" * PART])
    complete.pop("MultipartUpload")
    s3.abort_multipart_upload(**complete)
    assert keys(s3, "writes/aborted/") == []
    assert not any("aborted" in path for path in hdfs.files("/wh/writes"))


def test_copies_are_whole_also_onto_themselves(s3, hdfs, big):
    source = {"Bucket": "warehouse", "Key": big}
    s3.copy_object(Bucket="warehouse", Key="writes/copy/other.bin", CopySource=source)
    s3.copy_object(Bucket="fixed", Key="writes/copy/fixed.bin", CopySource=source)
    assert hdfs.get("/wh/writes/copy/other.bin") == BIG
    assert hdfs.get("/wh/writes/copy/fixed.bin") == BIG
    itself = {"Bucket": "warehouse", "Key": "writes/copy/other.bin"}
    s3.copy_object(**itself, CopySource=itself, MetadataDirective="REPLACE", ContentType="text/plain")
    s3.copy_object(**itself, CopySource={"Bucket": "minute", "Key": itself["Key"]})
    assert hdfs.get("/wh/writes/copy/other.bin") == BIG
    assert got(s3, "writes/copy/other.bin") == BIG
    assert hdfs.files("/wh/writes/copy") == {"/wh/writes/copy/other.bin", "/wh/writes/copy/fixed.bin"}


def test_a_delete_takes_the_file_only(s3, hdfs):
    for name in ("d/file", "d/other", "e/file"):
        s3.put_object(Bucket="warehouse", Key=f"writes/{name}", Body=b"x")
    for key in ("writes/d/file", "writes/d/file", "writes/d", "writes/e/file", "writes/e"):
        s3.delete_object(Bucket="warehouse", Key=key)
    assert hdfs.files("/wh/writes/d") == {"/wh/writes/d/other"}
    assert hdfs.files("/wh/writes/e") == set(), "the folder stays"
    assert error_of(s3.get_object, Bucket="warehouse", Key="writes/d/file") == (404, "NoSuchKey")


def test_many_that_create_one_object_are_told_who_did(s3, larder, hdfs):
    outcomes = []

    def create(i):
        client = larder.client()
        try:
            client.put_object(Bucket="warehouse", Key="writes/once/f", Body=bytes([i]) * 100, IfNoneMatch="*")
            outcomes.append(i)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"

    threads = [threading.Thread(target=create, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = outcomes
    assert hdfs.get("/wh/writes/once/f") == bytes([winner]) * 100
    assert hdfs.files("/wh/writes/once") == {"/wh/writes/once/f"}


@pytest.mark.parametrize(
    ("key", "more", "expected"),
    [
        ("writes/if-match", {"IfMatch": "*"}, (501, "NotImplemented")),
        ("writes/with:colon", {}, (501, "NotImplemented")),
        ("writes/described", {"Metadata": {"a": "b"}}, (501, "NotImplemented")),
        ("big/one.bin/below", {}, (503, "ServiceUnavailable")),
    ],
)
def test_a_write_that_hdfs_cannot_take_is_refused_and_leaves_nothing(s3, hdfs, big, key, more, expected):
    s3.put_object(Bucket="warehouse", Key="writes/if-match", Body=b"first")
    before = hdfs.files("/wh")
    assert error_of(s3.put_object, Bucket="warehouse", Key=key, Body=b"x", **more) == expected
    assert hdfs.files("/wh") == before
    assert got(s3, "writes/if-match") == b"first"


def test_a_body_that_breaks_off_leaves_nothing(larder, s3, hdfs):
    def broken():
        yield b"x" * (20 << 20)
        raise ConnectionAbortedError

    url = s3.generate_presigned_url("put_object", Params={"Bucket": "warehouse", "Key": "writes/broken/f"})
    with pytest.raises((ConnectionError, requests.RequestException)):
        requests.put(url, data=broken(), timeout=60)
    wait_until(lambda: no_drafts(hdfs, "/wh"), what="the end of what broke off")
    assert error_of(s3.head_object, Bucket="warehouse", Key="writes/broken/f")[0] == 404


def test_drafts_of_others_are_not_listed(s3, hdfs):
    name = ".larder-0123456789abcdef0123456789abcdef.tmp"
    hdfs.put(f"/wh/writes/drafts/{name}", b"x")
    hdfs.put("/wh/writes/drafts/file", b"x")
    assert keys(s3, "writes/drafts/") == ["writes/drafts/file"]


def test_a_file_that_somebody_writes_is_tolerated(s3, hdfs):
    hdfs.shell.run("hold", "/wh/writes/held/f", 1000)
    try:
        assert keys(s3, "writes/held/") == ["writes/held/f"]
        size = s3.head_object(Bucket="warehouse", Key="writes/held/f")["ContentLength"]
        try:
            assert got(s3, "writes/held/f") == bytes(size)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable"
    finally:
        hdfs.shell.run("release", "/wh/writes/held/f")
    assert got(s3, "writes/held/f") == bytes(1000)


def test_an_overwrite_at_hdfs_is_seen_by_the_rule(s3, hdfs):
    hdfs.put("/wh/writes/rule", b"old " * 1000)
    for bucket in ("warehouse", "minute", "fixed"):
        assert got(s3, "writes/rule", bucket) == b"old " * 1000
    hdfs.put("/wh/writes/rule", b"new " * 900)
    assert got(s3, "writes/rule", "warehouse") == b"new " * 900, "strict"


def test_no_answer_mixes_two_versions(larder, s3, hdfs):
    """Files of one byte's repetition, replaced while they are read, in parts and as a whole, directly and cached."""
    size = 12 * BLOCK_BYTES
    for key in ("writes/mix", f"{HOT}mix"):
        hdfs.put(f"/wh/{key}", b"\0" * size)
    stop, seen, problems = threading.Event(), set(), []

    def read(key):
        client = larder.client()
        while not stop.is_set():
            try:
                body = got(client, key)
            except Exception:  # noqa: BLE001 - an answer that breaks off, or asks to come again, mixes nothing
                continue
            if len(body) != size or body != body[:1] * size:
                problems.append((key, len(body), sorted(set(body))))
            seen.add((key, body[0]))

    readers = [threading.Thread(target=read, args=(key,)) for key in ("writes/mix", f"{HOT}mix") for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(1, 7):
        for key in ("writes/mix", f"{HOT}mix"):
            wanted = (key, version - 1)
            wait_until(lambda: wanted in seen, 60, f"a whole read of {wanted}")  # noqa: B023
            hdfs.put(f"/wh/{key}", bytes([version]) * size)
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_permissions_of_hdfs_hold(hdfs, start_larder):
    hdfs.put("/private/f", b"secret")
    hdfs.fs("-chmod", "700", "/private")
    stranger = bucket(hdfs, "private", "/private", options={"user": "stranger"})
    owner = bucket(hdfs, "owned", "/private")
    larder = start_larder([owner, stranger]).spawn()
    wait_until(lambda: "AccessControlException" in ready(larder), what="the refusal in /readyz")
    assert error_of(larder.client().get_object, Bucket="private", Key="f") == (503, "ServiceUnavailable")
    assert got(larder.client(), "f", "owned") == b"secret"


def ready(larder) -> str:
    return requests.get(f"{larder.admin}/readyz", timeout=30).text


def test_a_bucket_whose_folder_is_absent_is_not_ready(hdfs, start_larder):
    larder = start_larder([bucket(hdfs, "absent", "/no/such")]).spawn()
    wait_until(lambda: "there is no folder /no/such" in ready(larder), what="the absent folder in /readyz")
    assert larder.client().list_objects_v2(Bucket="absent").get("Contents", []) == []
    hdfs.fs("-mkdir", "-p", "/no/such")
    wait_until(lambda: "no/such" not in ready(larder), what="readiness")


WRONG = {
    "an unknown option": ({"dfs.blocksise": "1"}, "", "option `dfs.blocksise` is not known for hdfs origins"),
    "a name service without NameNodes": ({}, "hdfs://lake/wh", "`dfs.ha.namenodes.lake`"),
    "a NameNode without an address": ({"dfs.ha.namenodes.lake": "a"}, "hdfs://lake/wh", "dfs.namenode.rpc-address.lake.a"),
    "a keytab that is absent": ({"principal": "a@B", "keytab": "/no/such.keytab"}, "", "/no/such.keytab"),
    "no host": ({}, "hdfs:///wh", "no NameNode"),
    "a redirect": ({}, "redirect", "presigned"),
}


@pytest.mark.parametrize("name", WRONG)
def test_check_config_names_what_is_wrong(hdfs, start_larder, name):
    options, url, expected = WRONG[name]
    settings = bucket(hdfs, "lake", "/wh", options=options)
    settings |= {"redirect": ["*"]} if url == "redirect" else {"origin": url} if url else {}
    done = start_larder([settings]).command("check-config", check=False)
    assert done.returncode == 1
    assert expected in done.stdout + done.stderr
    assert re.search(r"line \d+", done.stdout + done.stderr)
