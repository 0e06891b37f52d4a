"""What `larder whitelist snippet` prints, pasted into a real engine."""

import duckdb
import pytest

from harness import origin as origin_module
from harness import tables
from harness.larder import WRITER, WRITER_SECRET, s3_bucket
from harness.origin import Relay
from harness.spark import pasted

HOT, NEXT, COLD = 1997, 1996, 1993
# What DuckDB says of an address at which nobody listens any more.
REFUSED = "Could not connect to server"
COUNT = "SELECT count(*), sum(l_extendedprice) FROM '{}/tpch/lineitem/l_year={}/*.parquet'"


def rows(session, year: int | str, at: str = "s3://raw/hive") -> list[tuple]:
    return session.execute(COUNT.format(at, year)).fetchall()


def two_years(session, at: str = "s3://raw/hive") -> list[tuple]:
    """One query over two whitelisted years: files are read in this order, by two threads."""
    files = [f"{at}/tpch/lineitem/l_year={year}/*.parquet" for year in (HOT, NEXT)]
    return session.execute(f"SELECT count(*), sum(l_extendedprice) FROM read_parquet({files})").fetchall()


@pytest.fixture
def larder(start_larder, origin):
    larder = start_larder([s3_bucket(origin, "raw", "s3://raw", catalog="hive")], nightly={"schedule": ""}).start()
    larder.pin(*[f"hive.tpch.lineitem/l_year={year}" for year in (HOT, NEXT)])
    return larder


@pytest.fixture
def storage(origin):
    """The way to the storage without Larder, counted."""
    relay = Relay(origin.port)
    yield relay
    relay.close()


@pytest.fixture
def session(larder, storage):
    """DuckDB that knows the storage, and what Larder says to paste."""
    session = tables.connect("httpfs")
    # It would answer the second read of a file from its own memory.
    session.execute("SET enable_external_file_cache = false")
    session.execute(
        f"CREATE SECRET storage (TYPE s3, SCOPE 's3://', ENDPOINT '127.0.0.1:{storage.port}', URL_STYLE 'path', "
        f"USE_SSL false, REGION '{origin_module.REGION}', KEY_ID '{origin_module.KEY}', SECRET '{origin_module.SECRET}')"
    )
    snippet = larder.command("whitelist", "snippet", "duckdb").stdout
    assert f"<the secret of {WRITER}>" in snippet and WRITER_SECRET not in snippet
    session.execute(snippet.replace(f"<the secret of {WRITER}>", WRITER_SECRET))
    return session


def test_duckdb_reads_what_is_whitelisted_through_larder_and_all_else_from_the_storage(
    larder, origin, storage, session, table_files
):
    through, around = larder.metric("larder_get_bytes_total"), storage.bytes_out
    asked = origin.requests("GetObject")
    assert rows(session, HOT) == rows(tables.connect(), HOT, table_files)
    assert larder.metric("larder_get_bytes_total") > through and storage.bytes_out == around
    assert origin.requests("GetObject") == asked, "it was preloaded"
    (secret,) = session.execute(f"SELECT name FROM which_secret('s3://raw/hive/tpch/lineitem/l_year={HOT}/x', 's3')").fetchone()
    assert secret.startswith("larder_")

    through = larder.metric("larder_get_bytes_total")
    assert rows(session, COLD) == rows(tables.connect(), COLD, table_files)
    assert larder.metric("larder_get_bytes_total") == through and storage.bytes_out > around

    # Listed at the storage, since the pattern begins above the whitelisted folder; each file is read where it belongs.
    around = storage.bytes_out
    assert rows(session, "*") == rows(tables.connect(), "*", table_files)
    assert larder.metric("larder_get_bytes_total") > through and storage.bytes_out > around


def test_duckdb_writes_below_a_whitelisted_folder_through_larder(larder, origin, storage, session):
    key = f"hive/tpch/lineitem/l_year={HOT}/written.parquet"
    ((before, _),) = rows(session, HOT)
    around = storage.bytes_out
    try:
        session.execute(f"COPY (FROM 's3://raw/hive/tpch/lineitem/l_year={HOT}/*.parquet' LIMIT 7) TO 's3://raw/{key}'")
        ((after, _),) = rows(session, HOT)
        assert after == before + 7
        assert storage.bytes_out == around
        assert origin.client().head_object(Bucket="raw", Key=key)["ContentLength"] > 0
    finally:
        origin.client().delete_object(Bucket="raw", Key=key)


def without_larders_secrets(session):
    """The way back to the storage that docs/duckdb.md has."""
    drop = "SELECT 'DROP SECRET ' || name || ';' FROM duckdb_secrets() WHERE starts_with(name, 'larder_')"
    for (statement,) in session.execute(drop).fetchall():
        session.execute(statement)


def test_duckdb_without_larder_reads_all_else_and_without_its_secrets_everything(larder, storage, session, table_files):
    larder.kill()
    with pytest.raises(duckdb.IOException, match=REFUSED):
        rows(session, HOT)
    assert rows(session, COLD) == rows(tables.connect(), COLD, table_files)
    larder.start()
    around = storage.bytes_out
    assert rows(session, HOT) == rows(tables.connect(), HOT, table_files)
    assert larder.metric("larder_get_bytes_total") > 0 and storage.bytes_out == around
    larder.kill()
    without_larders_secrets(session)
    assert rows(session, HOT) == rows(tables.connect(), HOT, table_files)
    assert storage.bytes_out > around


@pytest.mark.parametrize("comes_back", [True, False])
def test_larder_killed_in_the_middle_of_a_query(larder, origin, storage, session, table_files, comes_back):
    if comes_back:
        # As many tries as Larder may need to be there again.
        session.execute("SET http_retries = 60; SET http_retry_wait_ms = 1000; SET http_retry_backoff = 1")
    held = origin.relay.holding(f"GET /raw/hive/[^ ]*{NEXT}")
    with larder.killed_during(lambda: two_years(session), "raw", f"hive/tpch/lineitem/l_year={NEXT}/", held) as query:
        if comes_back:
            larder.start()
            assert query.result(120) == two_years(tables.connect(), table_files)
            assert larder.metric("larder_get_bytes_total") > 0
            return
        with pytest.raises(duckdb.IOException, match=REFUSED):
            query.result(120)
    around = storage.bytes_out
    without_larders_secrets(session)
    assert two_years(session) == two_years(tables.connect(), table_files)
    assert storage.bytes_out > around


def test_spark_is_given_the_lines_that_its_page_has(start_larder, origin):
    larder = start_larder([s3_bucket(origin)])
    printed = larder.command("whitelist", "snippet", "spark").stdout.replace(f"<the secret of {WRITER}>", WRITER_SECRET)
    lines = [line.split() for line in printed.splitlines() if line.startswith("spark.hadoop.fs.s3a.bucket.warehouse.")]
    own = {name.removeprefix("spark.hadoop."): value for name, value in lines}
    page = pasted(larder.endpoint, WRITER, WRITER_SECRET)
    assert own and {name: page.get(name) for name in own} == own
