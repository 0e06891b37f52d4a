"""The proxy in front of a real Iceberg REST catalog: PyIceberg and Spark read whitelisted tables through Larder and others straight
from the storage, with the same rows, and all else is as if nobody stood between."""

import json
import re
from types import SimpleNamespace

import pyarrow as pa
import pytest
import requests
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchTableError, ServiceUnavailableError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from harness import origin as origin_module
from harness.iceberg import WAREHOUSE, IcebergCatalog
from harness.larder import READER, READER_SECRET, WRITER, WRITER_SECRET, Larder, s3_bucket
from harness.origin import Origin, Relay
from harness.process import free_port, wait_until
from harness.spark_iceberg import SparkOverIceberg

# Java takes its time on a busy machine.
pytestmark = pytest.mark.timeout(900)

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=False),
    NestedField(2, "dt", StringType(), required=False),
)
BY_DAY = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="dt"))
HOT, COLD = "2026-11-02", "2026-11-01"
# What Spark says of a Larder that is gone: where it reads a table's files, and where it asks for the table.
READ, PLANNED = "Connection refused|Connection reset", "RESTException: Error occurred while processing GET request"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two tables of two days each in a catalog at S3, and a daemon whose whitelist names one day of `hot`."""
    folder = tmp_path_factory.mktemp("iceberg")
    origin = Origin(folder / "origin", keep_alive=False)
    for bucket in ["raw", "other"]:
        origin.client().create_bucket(Bucket=bucket)
    catalog = IcebergCatalog(folder / "catalog", origin, "s3://raw/lake")
    own = client(catalog.url)
    own.create_namespace("db")
    for name in ["hot", "cold"]:
        table = own.create_table(f"db.{name}", SCHEMA, partition_spec=BY_DAY)
        for day in [COLD, HOT]:
            table.append(pa.table({"id": pa.array(range(1000)), "dt": pa.array([day] * 1000)}))
    relay = Relay(catalog.port)
    larder = start(folder / "larder", origin, catalog, f"http://127.0.0.1:{relay.port}/iceberg")
    larder.wait_for_preload()
    yield SimpleNamespace(origin=origin, catalog=catalog, relay=relay, larder=larder)
    assert larder.stop() == 0, larder.process.output()
    relay.close()
    catalog.stop()
    origin.stop()


@pytest.fixture(scope="module")
def spark(site, tmp_path_factory):
    """A session that knows the proxy's address, and nothing else of Larder; and the catalog's own, under another name."""
    session = SparkOverIceberg(tmp_path_factory.mktemp("spark") / "session", proxy(site), site.catalog.url)
    yield session
    session.stop()


def start(folder, origin, catalog, upstream: str, key: str = WRITER) -> Larder:
    """A daemon in front of the catalog at `upstream`, which knows the tables of `catalog` by their names: the catalog calls
    their folders by names of its own."""
    own = client(catalog.url)
    folders = {name: own.load_table(f"db.{name}").location().removeprefix("s3://raw/") for name in ["hot", "cold"]}
    tables = [{"prefix": at, "name": f"lake.db.{name}"} for name, at in folders.items()]
    larder = Larder(
        folder,
        [s3_bucket(origin, "raw", "s3://raw", catalog="lake", tables=tables)],
        nightly={"schedule": ""},
        hook={"key": key},
        iceberg={"listen": f"127.0.0.1:{free_port()}", "upstream": upstream},
    ).start()
    decide(larder, "pin")
    return larder


def decide(larder, ruling: str):
    """Pins or denies the hot partition, and waits until the data path follows."""
    larder.command("whitelist", ruling, f"lake.db.hot/dt={HOT}")
    larder.command("nightly")
    larder.wait_for_whitelist(json.loads(larder.command("whitelist", "show", "--json").stdout)["version"])


def address(larder) -> str:
    return f"http://{larder.settings['iceberg']['listen']}"


def proxy(site) -> str:
    return address(site.larder)


def client(uri: str, **properties):
    """A client that knows the storage's keys and not Larder's."""
    own = {"s3.access-key-id": origin_module.KEY, "s3.secret-access-key": origin_module.SECRET}
    return load_catalog("lake", uri=uri, warehouse=WAREHOUSE, **own | properties)


def rows(table, day: str) -> list[int]:
    return sorted(table.scan(row_filter=f"dt = '{day}'").to_arrow()["id"].to_pylist())


def served(site) -> dict:
    """What Larder has handed out: bytes by where they came from."""
    pairs = [("memory", "cached"), ("ssd", "cached"), ("origin", "cached"), ("origin", "direct")]
    return {pair: site.larder.metric("larder_get_bytes_total", tier=pair[0], route=pair[1]) for pair in pairs}


def verdicts(site, verdict: str) -> float:
    return site.larder.metric("larder_iceberg_tables_total", verdict=verdict)


def test_a_whitelisted_partition_is_read_from_larder_and_other_tables_never_reach_it(site):
    direct, through = client(site.catalog.url), client(proxy(site))
    before, data = served(site), site.origin.requests("GetObject")
    assert rows(through.load_table("db.hot"), HOT) == list(range(1000))
    hot = served(site)
    held = [("memory", "cached"), ("ssd", "cached")]
    assert sum(hot[pair] for pair in held) > sum(before[pair] for pair in held), "the partition was preloaded"
    assert hot["origin", "cached"] == before["origin", "cached"], "what was preloaded is not read again"
    metadata = hot["origin", "direct"] - before["origin", "direct"]
    assert metadata > 0, "manifests are not on the list: Larder passes them on"
    assert rows(through.load_table("db.cold"), HOT) == rows(direct.load_table("db.cold"), HOT)
    assert served(site) == hot, "a cold table's bytes never reach Larder"
    assert site.origin.requests("GetObject") > data


def test_spark_reads_a_whitelisted_partition_from_larder_and_other_tables_never_reach_it(site, spark):
    def total(table: str) -> tuple:
        (row,) = spark.sql(f"SELECT count(*), sum(id) FROM lake.db.{table} WHERE dt = '{HOT}'")
        return row

    before = served(site)
    assert total("hot") == (1000, sum(range(1000)))
    hot = served(site)
    held = [("memory", "cached"), ("ssd", "cached")]
    assert sum(hot[pair] for pair in held) > sum(before[pair] for pair in held)
    assert hot["origin", "cached"] == before["origin", "cached"], "what was preloaded is not read again"
    data = site.origin.requests("GetObject")
    assert total("cold") == (1000, sum(range(1000)))
    assert served(site) == hot, "a cold table's bytes never reach Larder"
    assert site.origin.requests("GetObject") > data


def test_what_spark_writes_is_at_the_storage_and_read_fresh(site, spark):
    own = client(site.catalog.url)
    spark.sql(f"INSERT INTO lake.db.hot VALUES (-1, '{HOT}'), (-2, '{COLD}')")
    assert rows(own.load_table("db.hot"), HOT) == [-1, *range(1000)]
    assert spark.sql("SELECT dt, count(*), min(id) FROM lake.db.hot GROUP BY dt ORDER BY dt") == [(COLD, 1001, -2), (HOT, 1001, -1)]
    spark.sql("DELETE FROM lake.db.hot WHERE id < 0")
    assert rows(own.load_table("db.hot"), HOT) == list(range(1000)) == rows(own.load_table("db.hot"), COLD)
    before = served(site)
    spark.sql("CREATE TABLE lake.db.by_spark USING iceberg PARTITIONED BY (dt) AS SELECT * FROM lake.db.cold")
    assert rows(own.load_table("db.by_spark"), HOT) == list(range(1000))
    spark.sql("DROP TABLE lake.db.by_spark")
    assert served(site) == before, "neither table is listed"


def test_spark_follows_the_whitelist_after_a_refresh(site, spark):
    total = f"SELECT sum(id) FROM lake.db.hot WHERE dt = '{HOT}'"
    decide(site.larder, "deny")
    spark.sql("REFRESH TABLE lake.db.hot")
    before = served(site)
    assert spark.sql(total) == [(sum(range(1000)),)]
    assert served(site) == before
    decide(site.larder, "pin")
    spark.sql("REFRESH TABLE lake.db.hot")
    assert spark.sql(total) == [(sum(range(1000)),)]
    assert served(site) != before


def test_spark_has_a_way_around_larder_by_a_second_catalog(site, spark):
    before = served(site)
    query = f"SELECT count(*), sum(id) FROM {{}}.db.hot WHERE dt = '{HOT}'"
    assert spark.sql(query.format("lake_direct")) == [(1000, sum(range(1000)))]
    assert served(site) == before
    assert spark.sql(query.format("lake")) == spark.sql(query.format("lake_direct"))


def test_cold_partitions_of_a_hot_table_are_passed_on(site):
    before = served(site)
    assert rows(client(proxy(site)).load_table("db.hot"), COLD) == list(range(1000))
    after = served(site)
    assert after["origin", "direct"] > before["origin", "direct"]
    assert after["ssd", "cached"] == before["ssd", "cached"]


def test_only_whitelisted_tables_are_answered_otherwise_and_only_in_their_config(site):
    path = f"/v1/main%7C{WAREHOUSE}/namespaces/db/tables/"
    for name in ["hot", "cold"]:
        own = requests.get(f"{site.catalog.url}{path}{name}", timeout=30).json()
        told = requests.get(f"{proxy(site)}{path}{name}", timeout=30).json()
        if name == "hot":
            assert told["config"].pop("s3.access-key-id") == WRITER
            assert told["config"].pop("s3.secret-access-key") == WRITER_SECRET
            assert told["config"].pop("s3.endpoint") == site.larder.endpoint
            assert told["config"].pop("s3.force-virtual-addressing") == "false"
            assert told["config"].pop("s3.region") == "us-east-1"
            assert own["config"].pop("s3.endpoint") == site.origin.direct
        assert told == own, name


def test_writes_land_at_the_storage_and_the_next_read_sees_them(site):
    through = client(proxy(site))
    table = through.create_table("db.written", SCHEMA, partition_spec=BY_DAY)
    for turn in range(2):
        table.append(pa.table({"id": [turn], "dt": [HOT]}))
    hot = through.load_table("db.hot")
    hot.append(pa.table({"id": [-1], "dt": [HOT]}))
    for uri in [site.catalog.url, proxy(site)]:
        assert rows(client(uri).load_table("db.written"), HOT) == [0, 1]
        assert rows(client(uri).load_table("db.hot"), HOT) == [-1, *range(1000)]
    assert hot.metadata == client(site.catalog.url).load_table("db.hot").metadata, "no metadata ever names Larder"
    hot.delete("id = -1")
    assert rows(client(site.catalog.url).load_table("db.hot"), HOT) == list(range(1000))
    through.drop_table("db.written")
    with pytest.raises(NoSuchTableError):
        through.load_table("db.written")


def test_the_rest_of_the_protocol_passes(site):
    through = client(proxy(site))
    for number in range(5):
        through.create_namespace(f"many_{number}", {"owner": "me"})
    assert {("db",), *((f"many_{number}",) for number in range(5))} <= set(through.list_namespaces())
    assert through.load_namespace_properties("many_1")["owner"] == "me"
    url = f"{proxy(site)}/v1/main%7C{WAREHOUSE}/namespaces"
    page = requests.get(url, params={"pageSize": 2, "pageToken": ""}, timeout=30).json()
    assert len(page["namespaces"]) == 2 and page["next-page-token"]
    more = requests.get(url, params={"pageSize": 2, "pageToken": page["next-page-token"]}, timeout=30).json()
    assert len(more["namespaces"]) == 2 and more["namespaces"] != page["namespaces"]
    hot = through.load_table("db.hot")
    registered = through.register_table("db.registered", hot.metadata_location)
    assert rows(registered, HOT) == rows(hot, HOT)
    assert registered.io.properties["s3.endpoint"] == site.larder.endpoint, "it is the same folder"
    through.rename_table("db.registered", "db.renamed")
    assert {name for _, name in through.list_tables("db")} == {"hot", "cold", "renamed"}
    missing = requests.get(f"{url}/db/tables/none", timeout=30)
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "NoSuchTableException")
    through.drop_table("db.renamed")


def test_a_table_that_leaves_the_list_goes_direct_again_and_comes_back(site):
    decide(site.larder, "deny")
    before = served(site)
    assert rows(client(proxy(site)).load_table("db.hot"), HOT) == list(range(1000))
    assert served(site) == before
    decide(site.larder, "pin")
    assert client(proxy(site)).load_table("db.hot").io.properties["s3.endpoint"] == site.larder.endpoint


def test_tables_with_files_elsewhere_are_left_alone(site):
    through, before = client(proxy(site)), verdicts(site, "elsewhere")
    away = {"write.data.path": "s3://other/away"}
    table = through.create_table("db.away", SCHEMA, properties=away)
    table.append(pa.table({"id": [1], "dt": [HOT]}))
    assert rows(through.load_table("db.away"), HOT) == [1]
    assert through.load_table("db.away").io.properties["s3.endpoint"] == site.origin.direct
    assert verdicts(site, "elsewhere") > before
    through.drop_table("db.away")


def test_a_catalog_that_signs_requests_itself_is_left_to_it(site, tmp_path):
    signing = IcebergCatalog(tmp_path / "signing", site.origin, "s3://raw/lake", signs=True)
    larder = start(tmp_path / "larder", site.origin, site.catalog, signing.url, key=READER)
    try:
        url = address(larder)
        through = client(url)
        through.create_namespace("db")
        table = through.register_table("db.hot", client(site.catalog.url).load_table("db.hot").metadata_location)
        assert rows(table, HOT) == list(range(1000))
        signed = requests.get(f"{url}/v1/main%7C{WAREHOUSE}/namespaces/db/tables/hot", timeout=30).json()
        assert signed["config"]["s3.remote-signing-enabled"] == "true"
        assert signed["config"]["s3.endpoint"] == site.origin.direct
        assert larder.metric("larder_iceberg_tables_total", verdict="vended") > 0
        assert READER_SECRET not in str(signed)
    finally:
        signing.stop()
        assert larder.stop() == 0, larder.process.output()


def test_a_catalog_that_is_down_is_a_clear_error_and_is_there_again_at_once(site):
    through = client(proxy(site))
    site.relay.close()
    errors = site.larder.metric("larder_iceberg_upstream_errors_total")
    with pytest.raises(ServiceUnavailableError, match="cannot be reached"):
        through.load_table("db.hot")
    assert site.larder.metric("larder_iceberg_upstream_errors_total") > errors
    wait_until(lambda: site.relay.listen() is None, what="the relay's port")
    assert rows(through.load_table("db.hot"), HOT) == list(range(1000))


def test_a_larder_that_was_killed_leaves_the_catalogs_own_address(site, tmp_path):
    """A client that was told Larder's endpoint fails, and one that has its address for the catalog's plans nothing."""
    larder = start(tmp_path / "larder", site.origin, site.catalog, site.catalog.url)
    table = client(address(larder)).load_table("db.hot")
    assert table.io.properties["s3.endpoint"] == larder.endpoint
    larder.kill()
    with pytest.raises(OSError):
        rows(table, HOT)
    with pytest.raises(requests.ConnectionError):
        client(address(larder))
    assert rows(client(site.catalog.url).load_table("db.hot"), HOT) == list(range(1000))


@pytest.fixture
def broken_off(site):
    """What a scan of both days of `hot` ends with when Larder is killed in the middle of its reads. Starts Larder again at
    the end."""
    folder = client(site.catalog.url).load_table("db.hot").location().removeprefix("s3://raw/")

    def run(scan) -> BaseException:
        held = site.origin.relay.holding(f"GET /raw/[^ ]*{HOT}")
        with site.larder.killed_during(scan, "raw", f"{folder}/data/dt={HOT}/", held) as scanning:
            return scanning.exception(240)

    yield run
    if site.larder.process.child.poll() is not None:
        site.larder.start()


def test_larder_killed_in_the_middle_of_a_scan_of_pyiceberg(site, broken_off):
    table, own = client(proxy(site)).load_table("db.hot"), client(site.catalog.url)
    everything = lambda table: sorted(table.scan().to_arrow()["id"].to_pylist())  # noqa: E731
    expected = everything(own.load_table("db.hot"))
    ended = broken_off(lambda: everything(table))
    assert isinstance(ended, OSError) and "NETWORK_CONNECTION" in str(ended), ended
    read = site.origin.requests("GetObject")
    assert everything(own.load_table("db.hot")) == expected
    assert site.origin.requests("GetObject") > read
    site.larder.start()
    assert everything(table) == expected
    assert site.larder.metric("larder_get_bytes_total", route="cached") > 0, "the table still has Larder's endpoint"


def test_larder_killed_in_the_middle_of_a_query_of_spark_and_between_two(site, spark, broken_off):
    # Each day is read by a task of its own.
    days = " UNION ALL ".join(f"SELECT dt, id FROM {{0}}.db.hot WHERE dt = '{day}'" for day in (HOT, COLD))
    query = f"SELECT dt, count(*), sum(id) FROM ({days}) GROUP BY dt ORDER BY dt"
    expected = spark.sql(query.format("lake_direct"))
    spark.sql("REFRESH TABLE lake.db.cold")
    ended = broken_off(lambda: spark.sql(query.format("lake")))
    assert re.search(READ, str(ended)), ended
    # The session goes on with what it was told of `hot`, while it keeps that; of `cold` it keeps nothing.
    for table, words in {"hot": f"{READ}|{PLANNED}", "cold": PLANNED}.items():
        with pytest.raises(AssertionError, match=words):
            spark.sql(f"SELECT count(*), sum(id) FROM lake.db.{table}")
    read = site.origin.requests("GetObject")
    assert spark.sql(query.format("lake_direct")) == expected
    assert site.origin.requests("GetObject") > read
    site.larder.start()
    assert spark.sql(query.format("lake")) == expected
    assert site.larder.metric("larder_get_bytes_total", route="cached") > 0
