"""Tables on HDFS through the metastore proxy, by the lines of docs/spark.md: Spark reads whitelisted partitions through Larder and
others from HDFS itself, and the metastore never holds a location of the cache's."""

from types import SimpleNamespace

import pytest

from harness.hdfs import Hdfs
from harness.larder import WRITER, WRITER_SECRET, Larder
from harness.metastore import Metastore, client
from harness.process import free_port
from harness.spark import Spark, pasted
from test_hdfs import bucket, served

# A metastore, two sessions of Spark one after the other, HDFS, and the jars of all at the first run.
pytestmark = pytest.mark.timeout(1800)

HOT, COLD = "2026-11-02", "2026-11-01"
TABLES = [
    "CREATE DATABASE db LOCATION '{url}/wh/db'",
    "CREATE TABLE db.sales (id BIGINT, amount DOUBLE, dt STRING) USING parquet PARTITIONED BY (dt) "
    "LOCATION '{url}/wh/db/sales'",
    f"INSERT INTO db.sales SELECT id, id * 0.5, '{COLD}' FROM range(1000)",
    f"INSERT INTO db.sales SELECT id, id * 1.5, '{HOT}' FROM range(2000)",
]
QUERIES = {
    "all": "SELECT dt, count(*), sum(id), sum(amount) FROM db.sales GROUP BY dt ORDER BY dt",
    "hot": f"SELECT count(*), sum(id) FROM db.sales WHERE dt = '{HOT}'",
    "cold": f"SELECT count(*), sum(id) FROM db.sales WHERE dt = '{COLD}'",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A name service with one table that Spark made without Larder, and a session through the proxy."""
    folder = tmp_path_factory.mktemp("hdfs-metastore")
    hdfs = Hdfs(folder / "hdfs", name_nodes=2)
    metastore = Metastore(folder / "metastore", hdfs.properties)
    session = Spark(folder / "direct", metastore.port, hdfs.properties)
    for statement in TABLES:
        session.sql(statement.format(url=hdfs.url))
    direct = {name: session.sql(query) for name, query in QUERIES.items()}
    session.stop()
    larder = Larder(
        folder / "larder",
        [bucket(hdfs, "warehouse", "/wh", options=hdfs.properties)],
        nightly={"schedule": ""},
        metastore={"listen": f"127.0.0.1:{free_port()}", "upstream": [metastore.url]},
    ).start()
    larder.command("whitelist", "pin", f"hive.db.sales/dt={HOT}")
    larder.command("nightly")
    larder.wait_for_whitelist(1)
    larder.wait_for_preload()
    port = int(larder.settings["metastore"]["listen"].rsplit(":")[1])
    # The stream of Hadoop's own choice may answer the second read of a file from its memory.
    cache = pasted(larder.endpoint, WRITER, WRITER_SECRET) | {"fs.s3a.input.stream.type": "classic"}
    spark = Spark(folder / "through", port, hdfs.properties | cache)
    yield SimpleNamespace(hdfs=hdfs, metastore=metastore, larder=larder, spark=spark, direct=direct, port=port)
    spark.stop()
    assert larder.stop() == 0, larder.process.output()
    metastore.stop()
    hdfs.stop()


def locations(port: int) -> dict[str, str]:
    with client(port) as metastore:
        parts = metastore.get_partitions("db", "sales", -1)
        return {"": metastore.get_table("db", "sales").sd.location} | {part.values[0]: part.sd.location for part in parts}


def test_whitelisted_partitions_get_the_caches_location_and_others_keep_theirs(site):
    own = {"": "/wh/db/sales", COLD: f"/wh/db/sales/dt={COLD}", HOT: f"/wh/db/sales/dt={HOT}"}
    own = {name: f"{site.hdfs.url}{path}" for name, path in own.items()}
    assert locations(site.metastore.port) == own
    assert locations(site.port) == own | {HOT: f"s3a://warehouse/db/sales/dt={HOT}"}


@pytest.mark.parametrize("name", QUERIES)
def test_spark_reads_hot_partitions_through_larder_and_cold_ones_from_hdfs(site, name):
    before = served(site.larder)
    assert site.spark.sql(QUERIES[name]) == site.direct[name]
    grown = {source: value - before[source] for source, value in served(site.larder).items() if value > before[source]}
    if name == "cold":
        assert grown == {}
    else:
        assert grown and set(grown) <= {"memory, cached", "ssd, cached"}, grown


def test_what_spark_inserts_is_at_hdfs_and_the_metastore_knows_no_cache(site):
    site.spark.sql("INSERT INTO db.sales SELECT id, id * 2.5, '2026-11-03' FROM range(10)")
    assert any("dt=2026-11-03" in path for path in site.hdfs.files("/wh/db/sales"))
    assert site.spark.sql("SELECT count(*) FROM db.sales WHERE dt = '2026-11-03'") == [(10,)]
    assert "s3a" not in repr(locations(site.metastore.port))
