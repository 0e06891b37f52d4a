"""Trino over HDFS, routed by the metastore proxy: whitelisted partitions are read through Larder, all others from HDFS itself."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from trino.exceptions import TrinoQueryError

from harness import queries
from harness.hdfs import Hdfs
from harness.metastore import client
from harness.process import wait_until
from harness.tables import QUERIES, TWO_TABLES
from harness.trino import READ_FAILED
from harness.trino_hdfs import TrinoOverHdfs
from test_hdfs import bucket, served

# The first test may have to fetch Trino and Hadoop.
pytestmark = pytest.mark.timeout(1800)

HOT = "hive.tpch.lineitem/l_year=1997"


def revenue(year: int) -> str:
    return f"SELECT count(*), sum(l_extendedprice * (1 - l_discount)) FROM lineitem WHERE l_year = {year}"


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    """A name service of two NameNodes."""
    cluster = Hdfs(tmp_path_factory.mktemp("hdfs") / "hdfs", name_nodes=2)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def trino(tmp_path_factory, hdfs, table_files):
    """Trino over TPC-H on HDFS. Which Larder it meets is the test's to say."""
    server = TrinoOverHdfs(tmp_path_factory.mktemp("trino-hdfs"), hdfs)
    try:
        server.add_tables(table_files)
        yield server
    finally:
        server.stop()


@pytest.fixture
def larder(start_larder, hdfs, trino):
    """A daemon that the catalog `hive` meets; a night of its own never disturbs it."""
    lake = bucket(hdfs, "warehouse", trino.ROOT, options=hdfs.properties)
    return start_larder([lake], nightly={"schedule": "", "budget": "64MiB"}, **trino.larder_settings()).start()


def same_rows(trino, statement: str):
    rows = trino.rows(statement, "hive")
    assert rows == trino.rows(statement, "direct") and rows
    return rows


def place(trino, year: int, catalog: str = "hive") -> str:
    """What Trino finds a partition at: `s3a` is Larder."""
    rows = trino.rows(f'SELECT DISTINCT "$path" FROM lineitem WHERE l_year = {year}', catalog)
    (folder,) = {path.rsplit("/", 1)[0] for (path,) in rows}
    scheme, _, rest = folder.partition("://")
    assert rest == {"s3a": "warehouse", "hdfs": "lake/wh"}[scheme] + f"/tpch/lineitem/l_year={year}"
    return scheme


def test_rows_are_the_same_before_and_after_the_preload(trino, larder):
    for statement in QUERIES.values():
        same_rows(trino, statement)
    assert larder.metric("larder_metastore_calls_total") > 0, "the tables are Larder's to tell of"
    assert larder.metric("larder_get_bytes_total") == 0, "without a whitelist Trino is told of no cache"
    larder.pin(HOT, "hive.tpch.orders/o_year=1995", "hive.tpch.customer", "hive.tpch.part")
    before = served(larder)
    for statement in queries.statements("tpch").values():
        same_rows(trino, statement)
    grown = {source for source, value in served(larder).items() if value > before[source]}
    assert grown <= {"memory, cached", "ssd, cached"} and grown, "what was preloaded is read from HDFS no more"


def test_whitelisted_partitions_are_larders_and_others_it_never_sees(trino, larder):
    larder.pin(HOT)
    before, read = served(larder), larder.metric("larder_origin_bytes_total")
    same_rows(trino, revenue(1997))
    hot = served(larder)
    grown = {source for source, value in hot.items() if value > before[source]}
    assert grown <= {"memory, cached", "ssd, cached"} and grown
    assert larder.metric("larder_origin_bytes_total") == read
    requests = larder.metric("larder_get_requests_total")
    same_rows(trino, revenue(1993))
    assert served(larder) == hot and larder.metric("larder_get_requests_total") == requests
    assert (place(trino, 1997), place(trino, 1993)) == ("s3a", "hdfs")


def test_a_partition_that_leaves_the_list_is_read_from_hdfs_again(trino, larder):
    larder.pin(HOT)
    rows = same_rows(trino, revenue(1997))
    larder.command("whitelist", "deny", HOT)
    larder.night()
    before = served(larder)
    assert same_rows(trino, revenue(1997)) == rows
    assert served(larder) == before
    assert place(trino, 1997) == "hdfs"


def test_larder_killed_between_queries_leaves_trino_with_hdfs(trino, larder):
    larder.pin(HOT)
    rows = trino.rows(revenue(1997), "either")
    assert place(trino, 1997, "either") == "s3a"
    larder.kill()
    assert trino.rows(revenue(1997), "either") == rows == trino.rows(revenue(1997), "direct")
    assert place(trino, 1997, "either") == "hdfs"
    larder.start()
    assert place(trino, 1997, "either") == "s3a"
    before = sum(served(larder).values())
    assert trino.rows(revenue(1997), "either") == rows
    assert sum(served(larder).values()) > before


@contextmanager
def hung(data_nodes):
    """DataNodes that neither answer nor go away."""
    children = [node.process.child for node in data_nodes]
    for child in children:
        child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            child.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("comes_back", [True, False])
def test_larder_killed_in_the_middle_of_a_query(trino, hdfs, larder, comes_back):
    larder.pin(HOT, "hive.tpch.customer")
    expected = trino.rows(TWO_TABLES, "direct")
    assert trino.rows(TWO_TABLES, "either") == expected and place(trino, 1997, "either") == "s3a"
    held = hung(hdfs.data_nodes)
    with larder.killed_during(lambda: trino.rows(TWO_TABLES, "either"), "warehouse", "tpch/customer/", held) as query:
        if comes_back:
            larder.start()
            assert query.result(120) == expected, "Trino tries again until Larder is there"
        else:
            with pytest.raises(TrinoQueryError) as failed:
                query.result(120)
            assert failed.value.error_name in READ_FAILED
    hdfs.wait_serving(hdfs.active)
    assert trino.rows(TWO_TABLES, "either") == expected
    assert place(trino, 1997, "either") == ("s3a" if comes_back else "hdfs")


def test_with_two_metastores_an_error_of_one_sends_trino_to_the_other(trino, larder):
    """A table that is not there is an error to Trino like any other: the next calls go to the metastore that had none. The
    rows are right either way."""
    larder.pin(HOT)

    def asked_for_nothing() -> str:
        with pytest.raises(TrinoQueryError, match="does not exist"):
            trino.rows("SELECT * FROM nothing", "either")
        return place(trino, 1997, "either")

    wait_until(lambda: asked_for_nothing() == "hdfs", what="the metastore itself")
    wait_until(lambda: asked_for_nothing() == "s3a", what="the proxy again")
    with pytest.raises(TrinoQueryError, match="does not exist"):
        trino.rows("SELECT * FROM nothing", "hive")
    assert place(trino, 1997) == "s3a"


def test_with_the_proxy_alone_a_query_waits_for_a_larder_that_is_started_again(trino, larder):
    larder.pin(HOT)
    rows = trino.rows(revenue(1997), "hive")
    larder.kill()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(trino.rows, revenue(1997), "hive")
        wait_until(lambda: trino.states("l_year = 1997") - {"FINISHED"}, what="the query")
        larder.start()
        assert waiting.result() == rows


def test_writes_are_at_hdfs_and_read_fresh(trino, hdfs, larder):
    def rows() -> dict:
        statement = "SELECT k, count(*), max(name) FROM {}.w.t GROUP BY k ORDER BY k"
        found = trino.rows(statement.format("hive"))
        assert found == trino.rows(statement.format("direct")), "HDFS has what Trino reads through Larder"
        return {key: (count, name) for key, count, name in found}

    nation = "SELECT n_name AS name, n_regionkey AS k FROM direct.tpch.nation"
    trino.rows(f"CREATE SCHEMA hive.w WITH (location = '{hdfs.url}{trino.ROOT}/w')")
    trino.rows(f"CREATE TABLE hive.w.t WITH (partitioned_by = ARRAY['k']) AS {nation}")
    trino.rows(f"CREATE TABLE hive.w.whole AS {nation}")
    larder.pin("hive.w.t/k=1", "hive.w.t/k=3", "hive.w.whole")
    sent = larder.metric("larder_get_bytes_total")
    assert rows()[1] == (5, "UNITED STATES") and larder.metric("larder_get_bytes_total") > sent
    trino.rows("INSERT INTO hive.w.whole VALUES ('ZAMUNDA', 1)")
    assert trino.rows("SELECT count(*) FROM hive.w.whole") == trino.rows("SELECT count(*) FROM direct.w.whole") == [[26]]
    trino.rows("INSERT INTO hive.w.t VALUES ('GENOVIA', 2), ('WAKANDA', 9)")
    before = rows()
    assert (before[2], before[9]) == ((6, "VIETNAM"), (1, "WAKANDA")), "partitions that are not listed"
    overwrite = {"insert_existing_partitions_behavior": "OVERWRITE"}
    insert = "INSERT INTO w.t VALUES ('ZAMUNDA', 1)"
    with pytest.raises(TrinoQueryError, match="Wrong FS"):
        trino.rows(insert, "hive")
    with pytest.raises(TrinoQueryError, match="target directory already exists"):
        trino.rows(insert, "hive", **{f"hive.{name}": value for name, value in overwrite.items()})
    assert rows() == before, "nothing was changed"
    trino.rows(insert, "unstaged")
    assert rows()[1] == (6, "ZAMUNDA")
    trino.rows(insert, "unstaged", **{f"unstaged.{name}": value for name, value in overwrite.items()})
    assert rows()[1] == (1, "ZAMUNDA") and len([path for path in hdfs.files("/wh/w/t") if "/k=1/" in path]) == 1
    trino.rows("DELETE FROM hive.w.t WHERE k = 3")
    assert 3 not in rows()
    with client(trino.metastore.port) as own:
        found = [part.sd.location for part in [own.get_table("w", "t"), *own.get_partitions("w", "t", -1)]]
    assert found == [f"{hdfs.url}/wh/w/t"] + [f"{hdfs.url}/wh/w/t/k={key}" for key in (0, 1, 2, 4, 9)]
    for table in ("t", "whole"):
        trino.rows(f"DROP TABLE hive.w.{table}")
    assert hdfs.files("/wh/w") == set()


def test_queries_of_tpcds_have_the_rows_of_direct_reads_while_larder_fills_and_after_the_preload(trino, larder, tpcds_files):
    trino.add_tables(tpcds_files, "tpcds")
    direct = {name: trino.rows(text, "direct", "tpcds") for name, text in queries.some_of_tpcds().items()}
    assert all(direct.values()), "each has rows"

    def ask() -> set[str]:
        """Where the bytes came from that Larder sent."""
        before = served(larder)
        for name, text in queries.some_of_tpcds().items():
            assert queries.same(trino.rows(text, "hive", "tpcds"), direct[name]), name
        return {source for source, value in served(larder).items() if value > before[source]}

    larder.list_only(*[f"hive.tpcds.{table.name}" for table in (tpcds_files / "tpcds").iterdir()])
    assert "origin, cached" in ask()
    larder.command("preload")
    larder.wait_for_preload()
    read = larder.metric("larder_origin_bytes_total")
    assert ask() <= {"memory, cached", "ssd, cached"}
    assert larder.metric("larder_origin_bytes_total") == read
