"""What `larder whitelist snippet` prints, pasted into a real engine."""

import pytest

from harness import origin as origin_module
from harness import tables
from harness.larder import WRITER, WRITER_SECRET, s3_bucket
from harness.origin import Relay

COUNT = "SELECT count(*), sum(l_extendedprice) FROM 's3://raw/hive/tpch/lineitem/l_year={}/*.parquet'"


@pytest.fixture
def larder(start_larder, origin):
    larder = start_larder([s3_bucket(origin, "raw", "s3://raw", catalog="hive")], nightly={"schedule": ""}).start()
    larder.command("whitelist", "pin", "hive.tpch.lineitem/l_year=1997")
    larder.command("nightly")
    larder.wait_for_whitelist(1)
    larder.wait_for_preload()
    return larder


@pytest.fixture
def storage(origin):
    """The way to the storage without Larder, counted."""
    relay = Relay(origin.port)
    yield relay
    relay.close()


def test_duckdb_reads_what_is_whitelisted_through_larder_and_all_else_from_the_storage(larder, origin, storage):
    duckdb = tables.connect("httpfs")
    # It would answer the second read of a file from its own memory.
    duckdb.execute("SET enable_external_file_cache = false")
    duckdb.execute(
        f"CREATE SECRET storage (TYPE s3, SCOPE 's3://', ENDPOINT '127.0.0.1:{storage.port}', URL_STYLE 'path', "
        f"USE_SSL false, REGION '{origin_module.REGION}', KEY_ID '{origin_module.KEY}', SECRET '{origin_module.SECRET}')"
    )
    expected = {year: duckdb.execute(COUNT.format(year)).fetchall() for year in (1993, 1997)}
    snippet = larder.command("whitelist", "snippet", "duckdb").stdout
    assert f"<the secret of {WRITER}>" in snippet and WRITER_SECRET not in snippet
    duckdb.execute(snippet.replace(f"<the secret of {WRITER}>", WRITER_SECRET))

    through, around = larder.metric("larder_get_bytes_total"), storage.bytes_out
    asked = origin.requests("GetObject")
    assert duckdb.execute(COUNT.format(1997)).fetchall() == expected[1997]
    assert larder.metric("larder_get_bytes_total") > through and storage.bytes_out == around
    assert origin.requests("GetObject") == asked, "it was preloaded"

    through = larder.metric("larder_get_bytes_total")
    assert duckdb.execute(COUNT.format(1993)).fetchall() == expected[1993]
    assert larder.metric("larder_get_bytes_total") == through and storage.bytes_out > around
