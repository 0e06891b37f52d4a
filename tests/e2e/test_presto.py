"""PrestoDB over S3, routed by the metastore proxy: what Larder lists is read through it, all else where it was."""

import json

import pytest

from harness.larder import s3_bucket
from harness.metastore import client
from harness.origin import Origin
from harness.presto import PrestoError, PrestoOverS3
from harness.route import Counted
from harness.tables import QUERIES, TWO_TABLES

# The first test may have to fetch Presto, and what the metastore reads S3 with.
pytestmark = pytest.mark.timeout(1800)

HOT = "hive.tpch.lineitem/l_year=1997"


def revenue(year: int) -> str:
    return f"SELECT count(*), sum(l_extendedprice * (1 - l_discount)) FROM lineitem WHERE l_year = {year}"


@pytest.fixture(scope="module")
def lake(tmp_path_factory, table_files):
    """An S3 server with a host name for each bucket; `raw` holds the tables under `hive/`."""
    server = Origin(tmp_path_factory.mktemp("lake") / "origin", domain=PrestoOverS3.DOMAIN)
    server.client().create_bucket(Bucket="raw")
    server.upload("raw", "hive/", table_files)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def presto(tmp_path_factory, lake, table_files):
    """Presto over those tables. Which Larder it meets is the test's to say."""
    server = PrestoOverS3(tmp_path_factory.mktemp("presto"), lake)
    try:
        server.add_tables(table_files)
        yield server
    finally:
        server.stop()


@pytest.fixture
def larder(start_larder, lake, presto, request):
    """A daemon that the catalog `hive` meets; a night of its own never disturbs it. A test may say its `consistency`."""
    bucket = s3_bucket(lake, consistency=getattr(request, "param", {"revalidate": "1h"}), catalog="hive")
    return start_larder([bucket], nightly={"schedule": "", "budget": "2MiB"}, **presto.larder_settings()).start()


def same_rows(presto, statement: str):
    rows = presto.rows(statement)
    assert rows == presto.rows(statement, "direct") and rows
    return rows


def test_rows_are_the_same_before_and_after_the_preload(presto, lake, larder):
    for statement in QUERIES.values():
        same_rows(presto, statement)
    assert larder.metric("larder_get_bytes_total") == 0, "without a whitelist Presto is told of no cache"
    larder.pin(HOT, "hive.tpch.customer")
    for statement in QUERIES.values():
        same_rows(presto, statement)
    assert larder.metric("larder_get_bytes_total") > 0


def test_whitelisted_partitions_are_larders_and_others_it_never_sees(presto, lake, larder):
    larder.pin(HOT)
    counted, objects_read = Counted(presto, lake, larder), lake.requests("GetObject")
    rows = presto.rows(revenue(1997))
    assert counted.tiers == counted.sent > 0 and counted.engine == 0
    assert lake.requests("GetObject") == objects_read, "of the first query the storage sees a listing"
    counted = Counted(presto, lake, larder)
    assert presto.rows(revenue(1997)) == rows == presto.rows(revenue(1997), "direct")
    assert counted.tiers == counted.sent > 0 and counted.larder == 0
    counted = Counted(presto, lake, larder)
    same_rows(presto, revenue(1993))
    assert counted.engine > 0 and counted.sent == counted.larder == 0
    for year, place in [(1997, "s3a://warehouse/"), (1993, "s3a://raw/hive/")]:
        paths = presto.rows(f'SELECT DISTINCT "$path" FROM lineitem WHERE l_year = {year}')
        assert all(path.startswith(f"{place}tpch/lineitem/l_year={year}/") for (path,) in paths) and paths


def test_the_loop_from_the_query_log_to_the_route_and_back(presto, lake, larder, tmp_path):
    """What Presto tells of its queries is taken in, a night runs, the next query touches no origin; then it leaves."""
    for _ in range(3):
        presto.rows(revenue(1997))
    log = tmp_path / "queries.jsonl"
    log.write_text("\n".join(presto.query_infos()))
    (file,) = json.loads(larder.command("ingest", "presto", log, "--json").stdout)
    assert file["report"]["broken"] == 0 and file["report"]["events"] >= 3, file
    assert HOT in [item["item"] for item in larder.night()["items"]]
    read = {item["item"]: item["requests"] for item in larder.get("tables/hive.tpch.lineitem/partitions")}
    assert read[HOT] == max(read.values()) > 0, read
    assert larder.metric("larder_get_bytes_total") == 0, "only the query log told of these reads"
    counted, objects_read = Counted(presto, lake, larder), lake.requests("GetObject")
    rows = presto.rows(revenue(1997))
    assert counted.tiers == counted.sent > 0 and counted.engine == 0 and lake.requests("GetObject") == objects_read

    larder.command("whitelist", "deny", HOT)
    larder.night()
    counted = Counted(presto, lake, larder)
    assert presto.rows(revenue(1997)) == rows
    assert counted.engine > 0 and counted.sent == counted.larder == 0


def locations(presto, schema: str, table: str) -> list[str]:
    """What the metastore holds, without the proxy."""
    with client(presto.metastore.port) as own:
        return [part.sd.location for part in [own.get_table(schema, table), *own.get_partitions(schema, table, -1)]]


def objects(lake, prefix: str) -> list[str]:
    listed = lake.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}").get("Contents", [])
    return [entry["Key"] for entry in listed if entry["Size"] > 0]


@pytest.mark.parametrize("larder", ["strict"], indirect=True)
def test_writes_to_whitelisted_tables_are_at_the_storage_and_read_fresh(presto, lake, larder):
    def rows() -> dict:
        statement = "SELECT k, count(*), max(name) FROM {}.w.t GROUP BY k ORDER BY k"
        found = presto.rows(statement.format("hive"))
        assert found == presto.rows(statement.format("direct")), "the storage has what Presto reads through Larder"
        return {key: (count, name) for key, count, name in found}

    presto.rows("CREATE SCHEMA hive.w WITH (location = 's3a://raw/hive/w')")
    create = "CREATE TABLE hive.w.t WITH (partitioned_by = ARRAY['k']) AS SELECT n_name AS name, n_regionkey AS k FROM nation"
    presto.rows(create)
    larder.pin("hive.w.t/k=1", "hive.w.t/k=3")
    counted = Counted(presto, lake, larder)
    assert rows()[1] == (5, "UNITED STATES") and counted.sent > 0
    presto.rows("INSERT INTO hive.w.t VALUES ('ZAMUNDA', 1)")
    assert rows()[1] == (6, "ZAMUNDA")
    presto.rows("INSERT INTO hive.w.t VALUES ('GENOVIA', 2)")
    assert rows()[2] == (6, "VIETNAM"), "a partition that is not listed"
    presto.rows("INSERT INTO hive.w.t VALUES ('WAKANDA', 9)")
    assert rows()[9] == (1, "WAKANDA"), "a partition that no whitelist has seen"
    presto.rows("INSERT INTO hive.w.t VALUES ('ELBONIA', 1)", insert_existing_partitions_behavior="OVERWRITE")
    assert rows()[1] == (1, "ELBONIA") and len(objects(lake, "w/t/k=1/")) == 1
    assert locations(presto, "w", "t") == ["s3a://raw/hive/w/t"] + [f"s3a://raw/hive/w/t/k={k}" for k in (0, 1, 2, 3, 4, 9)]
    presto.rows("DELETE FROM hive.w.t WHERE k = 3")
    assert 3 not in rows()
    presto.rows("DROP TABLE hive.w.t")
    assert objects(lake, "w/") == []
    presto.rows(create)
    assert rows()[1] == (5, "UNITED STATES")
    presto.rows("DROP TABLE hive.w.t")


def test_larder_killed_between_queries_leaves_presto_with_the_storage(presto, lake, larder):
    larder.pin(HOT)
    rows = same_rows(presto, revenue(1997))
    larder.kill()
    before = presto.storage.bytes_out
    assert presto.rows(revenue(1997)) == rows
    assert presto.storage.bytes_out > before
    larder.start()
    counted = Counted(presto, lake, larder)
    assert presto.rows(revenue(1997)) == rows
    assert counted.tiers == counted.sent > 0 and counted.engine == 0


@pytest.mark.parametrize("comes_back", [True, False])
def test_larder_killed_in_the_middle_of_a_query(presto, lake, larder, comes_back):
    larder.pin(HOT, "hive.tpch.customer")
    expected = same_rows(presto, TWO_TABLES)
    held = lake.relay.holding("GET /raw/hive/tpch/customer/")
    with larder.killed_during(lambda: presto.rows(TWO_TABLES), "warehouse", "tpch/customer/", held) as query:
        if comes_back:
            larder.start()
            assert query.result(120) == expected, "Presto tries again until Larder is there"
        else:
            with pytest.raises(PrestoError, match="HIVE_FILESYSTEM_ERROR: Error reading from s3a://warehouse/"):
                query.result(120)
    before = presto.storage.bytes_out
    assert presto.rows(TWO_TABLES) == expected
    assert (presto.storage.bytes_out > before) == (not comes_back)


def test_tables_in_folders_are_read_through_larder_where_they_are_whitelisted(start_larder, presto, tmp_path):
    """As on HDFS: locations that are none of S3's, so that the catalog's S3 server is Larder."""
    folder = tmp_path / "lake" / "local"
    folder.mkdir(parents=True)
    bucket = {"name": "folders", "origin": f"file://{folder.parent}", "catalog": "folders", "consistency": "strict"}
    larder = start_larder([bucket], nightly={"schedule": ""}, **presto.larder_settings()).start()
    presto.rows(f"CREATE SCHEMA folders.local WITH (location = 'file:{folder}')")
    nation = "SELECT n_name AS name, n_regionkey AS k FROM hive.tpch.nation"
    presto.rows(f"CREATE TABLE folders.local.t WITH (partitioned_by = ARRAY['k']) AS {nation}")
    larder.pin("folders.local.t/k=1")

    def count(key: int) -> tuple[int, bool]:
        """How many rows there are, and whether Larder sent something of them."""
        before = larder.metric("larder_get_bytes_total")
        ((rows,),) = presto.rows(f"SELECT count(name) FROM folders.local.t WHERE k = {key}")
        return rows, larder.metric("larder_get_bytes_total") > before

    assert (count(1), count(2)) == ((5, True), (5, False))
    presto.rows("INSERT INTO folders.local.t VALUES ('GENOVIA', 2)")
    assert count(2) == (6, False)
    insert = "INSERT INTO folders.local.t VALUES ('ZAMUNDA', 1)"
    with pytest.raises(PrestoError, match="Wrong FS"):
        presto.rows(insert, "folders")
    with pytest.raises(PrestoError, match="target directory already exists"):
        presto.rows(insert, "folders", insert_existing_partitions_behavior="OVERWRITE")
    assert count(1) == (5, True), "nothing was changed"
    presto.rows(insert, "folders", temporary_staging_directory_enabled="false")
    assert count(1) == (6, True)
    assert len([path for path in (folder / "t" / "k=1").iterdir() if not path.name.startswith(".")]) == 2
    assert set(locations(presto, "local", "t")) == {f"file:{folder}/t", *[f"file:{folder}/t/k={key}" for key in range(5)]}
