"""Spark SQL through the metastore proxy, tables at S3: the rows are the same, the bytes of whitelisted partitions come from
Larder and others never reach it, and what is written stays the origin's."""

from types import SimpleNamespace

import pytest

from harness.larder import WRITER, WRITER_SECRET, Larder, s3_bucket
from harness.metastore import Metastore, client
from harness.origin import Origin
from harness.process import free_port
from harness.spark import Spark, s3a, s3a_jars

# A metastore, two sessions of Spark one after the other, and 700 MB of jars at the first run.
pytestmark = pytest.mark.timeout(1800)

HOT, COLD = "2026-11-02", "2026-11-01"
TABLES = [
    "CREATE DATABASE db LOCATION 's3a://raw/hive/db'",
    "CREATE TABLE db.sales (id BIGINT, amount DOUBLE, dt STRING) USING parquet PARTITIONED BY (dt) "
    "LOCATION 's3a://raw/hive/db/sales'",
    f"INSERT INTO db.sales SELECT id, id * 0.5, '{COLD}' FROM range(1000)",
    f"INSERT INTO db.sales SELECT id, id * 1.5, '{HOT}' FROM range(2000)",
    "CREATE TABLE db.names (id BIGINT, name STRING) STORED AS PARQUET LOCATION 's3a://raw/hive/db/names'",
    "INSERT INTO db.names SELECT id, concat('name ', id) FROM range(50)",
]
QUERIES = {
    "all": "SELECT dt, count(*), sum(id), sum(amount) FROM db.sales GROUP BY dt ORDER BY dt",
    "hot": f"SELECT count(*), sum(id) FROM db.sales WHERE dt = '{HOT}'",
    "cold": f"SELECT count(*), sum(id) FROM db.sales WHERE dt = '{COLD}'",
    "join": "SELECT n.name, count(*) FROM db.sales s JOIN db.names n ON s.id = n.id GROUP BY n.name ORDER BY n.name",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Tables that Spark made itself without Larder, what it answers so, then a session through the proxy."""
    folder = tmp_path_factory.mktemp("spark")
    origin = Origin(folder / "origin")
    origin.client().create_bucket(Bucket="raw")
    metastore = Metastore(folder / "metastore", s3a(origin), s3a_jars())
    session = Spark(folder / "direct", metastore.port, s3a(origin))
    for statement in TABLES:
        session.sql(statement)
    direct = {name: session.sql(query) for name, query in QUERIES.items()}
    session.stop()
    larder = Larder(
        folder / "larder",
        [s3_bucket(origin, catalog="hive")],
        nightly={"schedule": ""},
        metastore={"listen": f"127.0.0.1:{free_port()}", "upstream": [metastore.url]},
    ).start()
    for item in [f"hive.db.sales/dt={HOT}", "hive.db.names"]:
        larder.command("whitelist", "pin", item)
    larder.command("nightly")
    larder.wait_for_whitelist(1)
    larder.wait_for_preload()
    port = int(larder.settings["metastore"]["listen"].rsplit(":")[1])
    spark = Spark(folder / "through", port, s3a(origin) | snippet(larder))
    yield SimpleNamespace(origin=origin, metastore=metastore, larder=larder, spark=spark, direct=direct)
    spark.stop()
    assert larder.stop() == 0, larder.process.output()
    metastore.stop()
    origin.stop()


def snippet(larder) -> dict:
    """Hadoop's configuration of the buckets that are Larder's, as Larder prints it."""
    text = larder.command("whitelist", "snippet", "spark").stdout.replace(f"<the secret of {WRITER}>", WRITER_SECRET)
    lines = [line.split(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {key.removeprefix("spark.hadoop."): value for key, value in lines}


def served(site) -> dict:
    """What Larder has handed out: GETs, and bytes by where they came from."""
    bytes_by = {
        f"{tier}, {route}": site.larder.metric("larder_get_bytes_total", tier=tier, route=route)
        for tier, route in [("memory", "cached"), ("ssd", "cached"), ("origin", "cached"), ("origin", "direct")]
    }
    return {"gets": site.larder.metric("larder_get_requests_total"), **bytes_by}


def locations(site, table: str) -> list[str]:
    """What the metastore holds, without the proxy."""
    with client(site.metastore.port) as own:
        found = [own.get_table("db", table), *own.get_partitions("db", table, -1)]
    assert "warehouse" not in repr([(part.sd.location, part.sd.serdeInfo) for part in found])
    return [part.sd.location for part in found]


def objects(site, prefix: str) -> list[str]:
    listed = site.origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}").get("Contents", [])
    return [entry["Key"] for entry in listed if entry["Size"] > 0]


def test_rows_are_those_of_direct_reads_and_only_hot_bytes_come_from_larder(site):
    before, origin_before = served(site), site.origin.requests("GetObject")
    assert site.spark.sql(QUERIES["hot"]) == site.direct["hot"]
    hot = served(site)
    assert hot["gets"] > before["gets"]
    assert hot["memory, cached"] + hot["ssd, cached"] > before["memory, cached"] + before["ssd, cached"]
    assert hot["origin, cached"] == before["origin, cached"], "what was preloaded is not read again"
    assert site.origin.requests("GetObject") == origin_before, "no byte of it came from the origin"
    assert site.spark.sql(QUERIES["cold"]) == site.direct["cold"]
    assert served(site) == hot, "a cold partition's bytes never reach Larder"
    for name in ["all", "join"]:
        assert site.spark.sql(QUERIES[name]) == site.direct[name]
    assert served(site)["origin, direct"] == before["origin, direct"]


def test_inserts_land_at_the_origin_and_are_seen_by_the_next_read(site):
    files = objects(site, "db/names/")
    site.spark.sql("INSERT INTO db.names VALUES (1001, 'added')")
    assert len(objects(site, "db/names/")) == len(files) + 1
    assert locations(site, "names") == ["s3a://raw/hive/db/names"]
    assert site.spark.sql("SELECT count(*), max(id) FROM db.names") == [(51, 1001)]
    left = [key for key in objects(site, "db/") if "_temporary" in key]
    assert not left, "nothing of the write's own is left behind"


def test_inserts_into_cold_and_new_partitions_leave_origin_paths_only(site):
    for value, rows in [(COLD, 1001), ("2026-11-03", 1)]:
        site.spark.sql(f"INSERT INTO db.sales SELECT 7, 7.0, '{value}'")
        assert site.spark.sql(f"SELECT count(*) FROM db.sales WHERE dt = '{value}'") == [(rows,)], value
        assert objects(site, f"db/sales/dt={value}/"), value
    site.spark.sql("ALTER TABLE db.sales ADD PARTITION (dt = '2026-11-04')")
    site.spark.sql("ALTER TABLE db.sales DROP PARTITION (dt = '2026-11-04')")
    days = [f"s3a://raw/hive/db/sales/dt=2026-11-0{day}" for day in (1, 2, 3)]
    assert sorted(locations(site, "sales")) == ["s3a://raw/hive/db/sales", *days]


def test_spark_refuses_to_insert_into_a_whitelisted_partition_and_nothing_is_changed(site):
    """Spark moves new files within one file system only, and the partition's is not the table's: docs/metastore.md says how
    such partitions are written."""
    rows, files = site.spark.sql(QUERIES["hot"]), objects(site, f"db/sales/dt={HOT}/")
    with pytest.raises(AssertionError, match="Wrong FS"):
        site.spark.sql(f"INSERT INTO db.sales SELECT 7, 7.0, '{HOT}'")
    assert site.spark.sql(QUERIES["hot"]) == rows
    assert objects(site, f"db/sales/dt={HOT}/") == files
    locations(site, "sales")


def test_tables_made_and_dropped_through_the_proxy_are_the_origins(site):
    site.spark.sql("CREATE TABLE db.made USING parquet LOCATION 's3a://warehouse/db/made' AS SELECT 1 AS id")
    assert locations(site, "made") == ["s3a://raw/hive/db/made"]
    assert objects(site, "db/made/")
    assert site.spark.sql("SELECT * FROM db.made") == [(1,)]
    site.spark.sql("DROP TABLE db.made")
    assert site.spark.sql("SHOW TABLES IN db LIKE 'made'") == []
