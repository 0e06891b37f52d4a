"""Spark SQL through the metastore proxy, tables at S3: the rows are the same, the bytes of whitelisted partitions come from
Larder and others never reach it, and what is written stays the origin's."""

import io
from types import SimpleNamespace

import pytest
from pyarrow import parquet

from harness.larder import WRITER, WRITER_SECRET, Larder, s3_bucket
from harness.metastore import Metastore, client
from harness.origin import Origin, Relay
from harness.process import free_port, wait_until
from harness.spark import Spark, s3a, s3a_jars

# A metastore, two sessions of Spark one after the other, and 700 MB of jars at the first run.
pytestmark = pytest.mark.timeout(1800)

HOT, COLD = "2026-11-02", "2026-11-01"
# Values of a partition's column, and the folders that they are in: a colon is escaped, spaces and other alphabets are not.
ODD = {"a b": "ts=a b", "2026-11-19 10:00": "ts=2026-11-19 10%3A00", "Zürich 中": "ts=Zürich 中"}
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
    yield SimpleNamespace(origin=origin, metastore=metastore, larder=larder, spark=spark, direct=direct, port=port)
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


def rows_at_origin(site, prefix: str) -> int:
    """Rows in the files below a prefix, read without Spark and without Larder. Nothing but such files is there."""
    found = 0
    for key in objects(site, prefix):
        assert key.endswith(".parquet") and "/_" not in key and "/." not in key, "nothing of the writes' own is left behind"
        body = site.origin.client().get_object(Bucket="raw", Key=key)["Body"].read()
        found += parquet.read_metadata(io.BytesIO(body)).num_rows
    return found


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


def test_tables_made_and_dropped_through_the_proxy_are_the_origins(site):
    site.spark.sql("CREATE TABLE db.made USING parquet LOCATION 's3a://warehouse/db/made' AS SELECT 1 AS id")
    assert locations(site, "made") == ["s3a://raw/hive/db/made"]
    assert objects(site, "db/made/")
    assert site.spark.sql("SELECT * FROM db.made") == [(1,)]
    site.spark.sql("DROP TABLE db.made")
    assert site.spark.sql("SHOW TABLES IN db LIKE 'made'") == []


def pin(site, table: str, *partitions: str):
    """Whitelists a table or some of its partitions, and lets the session forget what it knows of it."""
    site.larder.pin(*[f"hive.{table}/{partition}" for partition in partitions] or [f"hive.{table}"])
    site.spark.sql(f"REFRESH TABLE {table}")


def test_a_managed_table_is_overwritten_through_larder_and_dropped_with_its_files(site):
    create = "CREATE TABLE db.managed (id BIGINT, name STRING) USING parquet"
    count = "SELECT count(*), max(name) FROM db.managed"
    site.spark.sql(create)
    site.spark.sql("INSERT INTO db.managed SELECT id, 'old' FROM range(100)")
    pin(site, "db.managed")
    before = served(site)
    assert site.spark.sql(count) == [(100, "old")] and served(site)["gets"] > before["gets"]
    old = objects(site, "db/managed/")
    site.spark.sql("INSERT OVERWRITE db.managed SELECT id, 'new' FROM range(10)")
    assert site.spark.sql(count) == [(10, "new")] and rows_at_origin(site, "db/managed/") == 10
    assert not set(old) & set(objects(site, "db/managed/"))
    assert locations(site, "managed") == ["s3a://raw/hive/db/managed"]
    site.spark.sql("DROP TABLE db.managed")
    assert objects(site, "db/managed/") == []
    site.spark.sql(create)
    assert site.spark.sql(count) == [(0, None)]
    site.spark.sql("INSERT INTO db.managed VALUES (1, 'again')")
    assert site.spark.sql(count) == [(1, "again")] and rows_at_origin(site, "db/managed/") == 1
    assert locations(site, "managed") == ["s3a://raw/hive/db/managed"]
    site.spark.sql("DROP TABLE db.managed")
    assert objects(site, "db/managed/") == []


DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"]


@pytest.fixture
def days(site):
    """A table of three days with ten rows each, the last one whitelisted: counts rows by day, which must be the origin's."""
    site.spark.sql("CREATE TABLE db.days (id BIGINT, dt STRING) USING parquet PARTITIONED BY (dt)")
    site.spark.sql("INSERT INTO db.days SELECT id, concat('2026-11-0', 1 + id % 3) FROM range(30)")
    pin(site, "db.days", f"dt={DAYS[2]}")

    def count() -> dict[str, int]:
        site.spark.sql("REFRESH TABLE db.days")
        found = dict(site.spark.sql("SELECT dt, count(*) FROM db.days GROUP BY dt"))
        assert found == {day: rows for day in [*DAYS, "2026-11-04"] if (rows := rows_at_origin(site, f"db/days/dt={day}/"))}
        assert sum(found.values()) == rows_at_origin(site, "db/days/"), "no file is elsewhere"
        partitions = [f"/{partition}" for (partition,) in site.spark.sql("SHOW PARTITIONS db.days")]
        assert sorted(locations(site, "days")) == sorted(f"s3a://raw/hive/db/days{part}" for part in ["", *partitions])
        return found

    yield count
    site.spark.sql("SET spark.sql.sources.partitionOverwriteMode=static")
    site.spark.sql("DROP TABLE db.days")
    assert objects(site, "db/days/") == []


def test_overwrites_of_cold_partitions_leave_the_others_alone(site, days):
    first, second, hot = DAYS
    assert days() == dict.fromkeys(DAYS, 10)
    site.spark.sql(f"INSERT OVERWRITE db.days PARTITION (dt = '{first}') SELECT id FROM range(5)")
    assert days() == {first: 5, second: 10, hot: 10}
    site.spark.sql("SET spark.sql.sources.partitionOverwriteMode=dynamic")
    site.spark.sql(f"INSERT OVERWRITE db.days SELECT id, if(id = 0, '2026-11-04', '{second}') FROM range(8)")
    assert days() == {first: 5, second: 7, hot: 10, "2026-11-04": 1}


def test_inserts_into_a_whitelisted_partition_are_seen_by_the_next_read(site, days):
    """Spark is told the origin's place of what it writes, and Larder's of what it reads."""
    hot, before = DAYS[2], served(site)
    assert days()[hot] == 10 and served(site)["gets"] > before["gets"]
    site.spark.sql(f"INSERT INTO db.days PARTITION (dt = '{hot}') SELECT id FROM range(5)")
    site.spark.sql(f"INSERT INTO db.days SELECT id, '{hot}' FROM range(7)")
    before = served(site)
    assert days() == dict.fromkeys(DAYS, 10) | {hot: 22}
    assert served(site)["gets"] > before["gets"], "it is read through Larder as before"


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_overwrites_of_a_whitelisted_partition_change_that_one(site, days, mode):
    first, second, hot = DAYS
    site.spark.sql(f"SET spark.sql.sources.partitionOverwriteMode={mode}")
    before = served(site)
    site.spark.sql(f"INSERT OVERWRITE db.days PARTITION (dt = '{hot}') SELECT id FROM range(5)")
    assert days() == {first: 10, second: 10, hot: 5}
    assert served(site)["gets"] > before["gets"], "it is read through Larder as before"
    site.spark.sql(f"INSERT OVERWRITE db.days SELECT id, '{hot}' FROM range(4)")
    assert days() == ({hot: 4} if mode == "static" else {first: 10, second: 10, hot: 4})
    site.spark.sql(f"TRUNCATE TABLE db.days PARTITION (dt = '{hot}')")
    assert hot not in days()


def test_rows_of_text_are_written_to_whitelisted_partitions_too(site):
    """Spark leaves writes of Hive's own formats to Hive, which asks for partitions by other calls."""
    site.spark.sql("CREATE TABLE db.lines (id BIGINT) PARTITIONED BY (dt STRING) STORED AS TEXTFILE")
    for value in ["hot", "cold"]:
        site.spark.sql(f"INSERT INTO db.lines PARTITION (dt = '{value}') SELECT id FROM range(10)")
    pin(site, "db.lines", "dt=hot")
    count = "SELECT count(*) FROM db.lines WHERE dt = '{}'"

    def rows() -> list[int]:
        before = served(site)
        (cold,) = site.spark.sql(count.format("cold"))[0]
        assert served(site) == before
        (hot,) = site.spark.sql(count.format("hot"))[0]
        assert served(site)["gets"] > before["gets"]
        return [hot, cold]

    assert rows() == [10, 10]
    site.spark.sql("INSERT INTO db.lines PARTITION (dt = 'hot') SELECT id FROM range(3)")
    assert rows() == [13, 10]
    site.spark.sql("INSERT OVERWRITE db.lines PARTITION (dt = 'hot') SELECT id FROM range(2)")
    assert rows() == [2, 10]
    # A scan that names no partition is told the table's own side: Spark asks as it does before it writes.
    before = served(site)
    assert site.spark.sql("SELECT count(*) FROM db.lines") == [(12,)] and served(site) == before
    assert sorted(locations(site, "lines")) == [f"s3a://raw/hive/db/lines{part}" for part in ["", "/dt=cold", "/dt=hot"]]
    site.spark.sql("DROP TABLE db.lines")
    assert objects(site, "db/lines/") == []


def test_partitions_with_odd_names_are_larders_too(site):
    site.spark.sql("CREATE TABLE db.odd (id BIGINT, ts STRING) USING parquet PARTITIONED BY (ts)")
    rows = ", ".join(f"({number}, '{value}')" for value in [*ODD, "cold"] for number in (1, 2))
    site.spark.sql(f"INSERT INTO db.odd VALUES {rows}")
    pin(site, "db.odd", *ODD.values())
    for value, folder in ODD.items():
        assert rows_at_origin(site, f"db/odd/{folder}/") == 2
        before, read = served(site), site.origin.requests("GetObject")
        assert site.spark.sql(f"SELECT count(*), sum(id) FROM db.odd WHERE ts = '{value}'") == [(2, 3)], value
        grown = {source for source, bytes_sent in served(site).items() if bytes_sent > before[source]}
        assert {"gets"} < grown <= {"gets", "memory, cached", "ssd, cached"}, value
        assert site.origin.requests("GetObject") == read, "no byte of it came from the origin"
    before = served(site)
    assert site.spark.sql("SELECT count(*), sum(id) FROM db.odd WHERE ts = 'cold'") == [(2, 3)]
    assert served(site) == before
    folders = [f"s3a://raw/hive/db/odd{folder}" for folder in ["", *[f"/{folder}" for folder in ODD.values()], "/ts=cold"]]
    assert sorted(locations(site, "odd")) == sorted(folders)
    site.spark.sql("DROP TABLE db.odd")
    assert objects(site, "db/odd/") == []


def place(session) -> str:
    """The bucket in which a session finds the whitelisted partition: `warehouse` is Larder's."""
    rows = session.sql(f"SELECT DISTINCT input_file_name() FROM db.sales WHERE dt = '{HOT}'")
    (bucket,) = {path.split("/")[2] for (path,) in rows}
    return bucket


@pytest.fixture(scope="module")
def two_metastores(site, tmp_path_factory):
    """A session that is told of the proxy and of the metastore itself, which it reaches by the relay `own`."""
    own = Relay(site.metastore.port)
    own.close()
    hadoop = {
        "hive.metastore.uris": f"thrift://127.0.0.1:{site.port},thrift://127.0.0.1:{own.port}",
        # The stream of Hadoop's own choice may answer the second read of a file from its memory.
        "fs.s3a.input.stream.type": "classic",
        # What nobody answers is soon said to have failed.
        "fs.s3a.attempts.maximum": "2",
        "fs.s3a.retry.limit": "2",
    }
    session = Spark(tmp_path_factory.mktemp("two") / "spark", site.port, s3a(site.origin) | snippet(site.larder) | hadoop)
    yield SimpleNamespace(session=session, own=own)
    session.stop()
    own.close()


@pytest.fixture
def either(site, two_metastores):
    """That session. Spark begins with any of the addresses it has, so the metastore itself answers only when the session has
    begun with the proxy."""
    two_metastores.own.close()
    two_metastores.session.sql("SHOW DATABASES")
    wait_until(lambda: two_metastores.own.listen() is None, what="the relay's port")
    assert place(two_metastores.session) == "warehouse"
    yield two_metastores.session
    if site.larder.process.child.poll() is not None:
        site.larder.start()


def test_larder_killed_between_queries_leaves_spark_with_the_second_metastore_and_the_storage(site, either):
    assert either.sql(QUERIES["hot"]) == site.direct["hot"]
    site.larder.kill()
    read = site.origin.requests("GetObject")
    assert either.sql(QUERIES["hot"]) == site.direct["hot"]
    assert site.origin.requests("GetObject") > read
    assert place(either) == "raw"


def test_larder_killed_in_the_middle_of_a_query(site, either):
    _, other = objects(site, f"db/sales/dt={HOT}/")
    held = site.origin.relay.holding("GET /raw/hive/db/sales/[^ ]*" + other.rsplit("/")[-1])
    key = other.removeprefix("hive/")
    with site.larder.killed_during(lambda: either.sql(QUERIES["hot"]), "warehouse", key, held) as query:
        with pytest.raises(AssertionError, match="Connection refused|Connection reset"):
            query.result(240)
    assert either.sql(QUERIES["hot"]) == site.direct["hot"]
    assert place(either) == "raw"


def test_with_the_proxy_alone_spark_fails_while_larder_is_gone_and_goes_on_with_it(site):
    site.larder.kill()
    with pytest.raises(AssertionError, match="Connection refused|Unable to instantiate .*SessionHiveMetaStoreClient"):
        site.spark.sql(QUERIES["hot"])
    site.larder.start()
    assert site.spark.sql(QUERIES["hot"]) == site.direct["hot"]
    assert place(site.spark) == "warehouse"


def test_larder_killed_in_the_middle_of_a_query_with_the_proxy_alone(site, days):
    hot = DAYS[2]
    query = f"SELECT count(*), sum(id) FROM db.days WHERE dt = '{hot}'"
    _, other = objects(site, f"db/days/dt={hot}/")
    held = site.origin.relay.holding("GET /raw/hive/db/days/[^ ]*" + other.rsplit("/")[-1])
    try:
        with site.larder.killed_during(lambda: site.spark.sql(query), "warehouse", other.removeprefix("hive/"), held) as asked:
            with pytest.raises(AssertionError, match="Connection refused|Connection reset"):
                asked.result(240)
    finally:
        if site.larder.process.child.poll() is not None:
            site.larder.start()
    assert site.spark.sql(query) == [(10, sum(range(2, 30, 3)))]
    assert site.larder.metric("larder_get_bytes_total") > 0
    assert days() == dict.fromkeys(DAYS, 10)
