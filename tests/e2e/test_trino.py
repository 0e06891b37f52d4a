"""Trino over S3, routed by its security mapping: what Larder lists is read through it, all else where it was."""

import json

import pytest
import requests
from pyarrow import parquet
from trino.exceptions import TrinoQueryError

from harness import queries
from harness.larder import WRITER, s3_bucket
from harness.process import wait_until
from harness.route import Counted
from harness.tables import QUERIES, TWO_TABLES
from harness.trino import READ_FAILED

# The first test may have to fetch Trino.
pytestmark = pytest.mark.timeout(1200)

HOT, COLD = "hive.tpch.lineitem/l_year=1997", "hive.tpch.lineitem/l_year=1993"
HOT_FOLDER = "s3://raw/hive/tpch/lineitem/l_year=1997/"
# Values of a partition's column, and the folders that they are in: a colon is escaped, spaces and other alphabets are not.
ODD = {"a b": "ts=a b", "2026-11-19 10:00": "ts=2026-11-19 10%3A00", "Zürich 中": "ts=Zürich 中"}


def revenue(year: int) -> str:
    return f"SELECT count(*), sum(l_extendedprice * (1 - l_discount)) FROM lineitem WHERE l_year = {year}"


@pytest.fixture
def larder(start_larder, origin, trino):
    """A daemon that Trino knows by the mapping's file; a night of its own never disturbs it."""
    larder = start_larder(
        [
            s3_bucket(origin, "raw", "s3://raw", {"revalidate": "1h"}, catalog="hive"),
            s3_bucket(origin, "managed", "s3://managed", "strict"),
        ],
        nightly={"schedule": "", "budget": "2MiB"},
        hook={"key": WRITER, "mapping_file": str(trino.mapping)},
    )
    trino.admin.target = larder.admin_port
    larder.start()
    trino.wait_for_mapping()
    return larder


def same_rows(trino, statement: str):
    rows = trino.rows(statement, "hive")
    assert rows == trino.rows(statement, "direct") and rows
    return rows


def test_rows_are_the_same_before_and_after_the_preload(trino, origin, larder):
    for statement in QUERIES.values():
        same_rows(trino, statement)
    assert larder.metric("larder_get_bytes_total") == 0, "without a whitelist Trino does not know of Larder"
    larder.pin(HOT, "hive.tpch.customer")
    trino.wait_for_mapping(HOT_FOLDER, "s3://raw/hive/tpch/customer/")
    for statement in QUERIES.values():
        same_rows(trino, statement)
    assert larder.metric("larder_get_bytes_total") > 0


def test_whitelisted_partitions_are_larders_and_others_it_never_sees(trino, origin, larder):
    for year in (1993, 1997):
        # Trino remembers the listings.
        same_rows(trino, revenue(year))
    larder.pin(HOT)
    trino.wait_for_mapping(HOT_FOLDER)
    counted = Counted(trino, origin, larder)
    same_rows(trino, revenue(1997))
    assert counted.tiers == counted.sent > 0 and counted.engine == counted.larder == 0
    counted = Counted(trino, origin, larder)
    same_rows(trino, revenue(1993))
    assert counted.engine > 0 and counted.sent == counted.larder == 0


def queries_logged(larder) -> int:
    files = (larder.folder / "logs" / "queries").rglob("*.parquet")
    return sum(parquet.read_metadata(file).num_rows for file in files)


def test_the_loop_from_the_query_log_to_the_route_and_back(trino, origin, larder):
    """Trino's listener posts, a night runs, the mapping changes, the next query touches no origin; then it leaves. Nothing is
    restarted."""
    requests_before = larder.metric("larder_get_requests_total")
    for _ in range(3):
        trino.rows(revenue(1997), "hive")
    # Events are written together, a little later.
    wait_until(lambda: queries_logged(larder) >= 3, what="the query log")
    larder.night()
    wait_until(lambda: HOT_FOLDER in trino.prefixes(), what="the hot partition in the mapping")
    trino.wait_for_mapping(*trino.prefixes())
    assert larder.metric("larder_get_requests_total") == requests_before, "only the query log told of these reads"
    counted = Counted(trino, origin, larder)
    same_rows(trino, revenue(1997))
    assert counted.tiers == counted.sent > 0 and counted.engine == counted.larder == 0

    larder.command("whitelist", "deny", HOT)
    larder.night()
    trino.wait_for_mapping(*[prefix for prefix in trino.prefixes() if prefix != HOT_FOLDER])
    counted = Counted(trino, origin, larder)
    same_rows(trino, revenue(1997))
    assert counted.engine > 0 and counted.sent == counted.larder == 0


def test_writes_to_whitelisted_tables_are_at_the_storage_and_read_fresh(trino, origin, larder):
    def create(table: str, more: str = "") -> str:
        query = "SELECT name, regionkey AS k FROM tpch.tiny.nation"
        return f"CREATE TABLE {table} WITH (partitioned_by = ARRAY['k']{more}) AS {query}"

    def rows(catalog: str, direct: str) -> dict:
        by_key = "SELECT k, count(*), max(name) FROM {}.w.t GROUP BY k ORDER BY k"
        found = trino.rows(by_key.format(catalog))
        assert found == trino.rows(by_key.format(direct)), "the storage has what Trino reads through Larder"
        return {key: (count, name) for key, count, name in found}

    def external() -> dict:
        return rows("hive", "direct")

    def managed_at_the_storage() -> list[str]:
        entries = origin.client().list_objects_v2(Bucket="managed").get("Contents", [])
        return [entry["Key"] for entry in entries if entry["Key"].startswith("w/")]

    trino.rows("CREATE SCHEMA hive.w")
    trino.rows(create("hive.w.t", ", external_location = 's3://raw/w/t/'"))
    trino.rows("CREATE SCHEMA managed.w")
    trino.rows(create("managed.w.t"))
    larder.pin("hive.w.t", "managed.w.t")
    trino.wait_for_mapping("s3://raw/w/t/", "s3://managed/w/t/")
    counted, written_directly = Counted(trino, origin, larder), origin.requests("PutObject", "app/Trino")

    assert external()[1] == (5, "UNITED STATES") and counted.sent > 0
    trino.rows("INSERT INTO hive.w.t VALUES ('ZAMUNDA', 1)")
    assert external()[1] == (6, "ZAMUNDA")
    trino.rows("INSERT INTO hive.w.t VALUES ('WAKANDA', 9)")
    assert external()[9] == (1, "WAKANDA"), "a partition that no whitelist has seen"
    trino.rows("INSERT INTO hive.w.t VALUES ('ELBONIA', 1)", **{"hive.insert_existing_partitions_behavior": "OVERWRITE"})
    assert external()[1] == (1, "ELBONIA")

    trino.rows("DELETE FROM managed.w.t WHERE k = 2")
    assert 2 not in rows("managed", "managed_direct")
    trino.rows("DROP TABLE managed.w.t")
    assert managed_at_the_storage() == []
    trino.rows(create("managed.w.t"))
    assert rows("managed", "managed_direct")[2] == (5, "VIETNAM")
    assert origin.requests("PutObject", "app/Trino") == written_directly, "all of it was written through Larder"
    trino.rows("DROP TABLE managed.w.t")
    assert managed_at_the_storage() == []
    for statement in ("DROP TABLE hive.w.t", "DROP SCHEMA hive.w", "DROP SCHEMA managed.w"):
        trino.rows(statement)


def test_larder_killed_between_queries_leaves_trino_with_the_storage(trino, origin, larder):
    larder.pin(HOT)
    trino.wait_for_mapping(HOT_FOLDER)
    same_rows(trino, revenue(1997))
    larder.kill()
    trino.wait_for_mapping()
    before = trino.storage.bytes_out
    same_rows(trino, revenue(1997))
    assert trino.storage.bytes_out > before
    larder.start()
    trino.wait_for_mapping(HOT_FOLDER)
    before = larder.metric("larder_get_bytes_total")
    same_rows(trino, revenue(1997))
    assert larder.metric("larder_get_bytes_total") > before


@pytest.mark.parametrize("comes_back", [True, False])
def test_larder_killed_in_the_middle_of_a_query(trino, origin, larder, comes_back):
    larder.pin(HOT, "hive.tpch.customer")
    trino.wait_for_mapping(HOT_FOLDER, "s3://raw/hive/tpch/customer/")
    expected = same_rows(trino, TWO_TABLES)
    held = origin.relay.holding("GET /raw/hive/tpch/customer/")
    with larder.killed_during(lambda: trino.rows(TWO_TABLES, "hive"), "raw", "hive/tpch/customer/", held) as query:
        if comes_back:
            larder.start()
            assert query.result(120) == expected, "Trino tries again until Larder is there"
        else:
            with pytest.raises(TrinoQueryError) as failed:
                query.result(120)
            assert failed.value.error_name in READ_FAILED
    if comes_back:
        trino.wait_for_mapping(HOT_FOLDER, "s3://raw/hive/tpch/customer/")
        source = lambda: larder.metric("larder_get_bytes_total")  # noqa: E731
    else:
        trino.wait_for_mapping()
        source = lambda: trino.storage.bytes_out  # noqa: E731
    before = source()
    assert trino.rows(TWO_TABLES, "hive") == expected
    assert source() > before


def test_the_mapping_is_polled_by_http_too_where_larder_always_answers(trino, origin, larder):
    larder.pin(HOT)
    trino.wait_for_mapping(HOT_FOLDER)
    url = f"{larder.admin}/api/v1/mappings/trino"
    answer = requests.get(url, timeout=10)
    assert answer.json() == json.loads(trino.mapping.read_text())
    assert requests.get(url, headers={"If-None-Match": answer.headers["ETag"]}, timeout=10).status_code == 304

    def by_uri() -> list[list]:
        # Trino 476's own HTTP client now and then loses a race with itself over a new connection (a NullPointerException
        # in Jetty's pool). With it fails the refresh, and with that the query, before it has read anything.
        return wait_until(lambda: trino.rows(revenue(1997), "uri"), 60, "rows by the mapping's address")

    by_uri()
    counted = Counted(trino, origin, larder)
    assert by_uri() == trino.rows(revenue(1997), "direct")
    assert counted.sent > 0 and counted.engine == 0
    # Why the file is advised: what Trino cannot refresh it does without, and its queries too.
    larder.kill()
    trino.wait_for_mapping()
    with pytest.raises(TrinoQueryError):
        trino.rows(revenue(1993), "uri")
    assert trino.rows(revenue(1993), "hive")


def test_partitions_with_odd_names_are_larders_too(trino, origin, larder):
    trino.rows("CREATE SCHEMA hive.odd")
    trino.rows(
        "CREATE TABLE hive.odd.t WITH (partitioned_by = ARRAY['ts'], external_location = 's3://raw/odd/t/') "
        "AS SELECT n, CAST('cold' AS varchar) AS ts FROM (VALUES 1, 2) AS t (n)"
    )
    client = origin.client()
    (written,) = client.list_objects_v2(Bucket="raw", Prefix="odd/t/ts=cold/")["Contents"]
    body = client.get_object(Bucket="raw", Key=written["Key"])["Body"].read()
    for folder in ODD.values():
        client.put_object(Bucket="raw", Key=f"odd/t/{folder}/0.parquet", Body=body)
    trino.rows("CALL hive.system.sync_partition_metadata('odd', 't', 'ADD')")
    larder.pin(*[f"hive.odd.t/{folder}" for folder in ODD.values()])
    trino.wait_for_mapping(*[f"s3://raw/odd/t/{folder}/" for folder in ODD.values()])

    def read_through_larder() -> dict[str, list]:
        found = {}
        for value in ODD:
            statement = f"SELECT count(*), sum(n) FROM {{}}.odd.t WHERE ts = '{value}'"
            direct = trino.rows(statement.format("direct"))
            counted, read = Counted(trino, origin, larder), origin.requests("GetObject")
            found[value] = trino.rows(statement.format("hive"))
            assert found[value] == direct
            assert counted.tiers == counted.sent > 0 and counted.larder == 0, value
            assert origin.requests("GetObject") == read, "of these partitions the storage sees a listing"
        return found

    assert read_through_larder() == {value: [[2, 3]] for value in ODD}
    # Trino reads partitions in other alphabets, and does not write them.
    insert = [value for value in ODD if value.isascii()]
    written_directly = origin.requests("PutObject", "app/Trino")
    trino.rows("INSERT INTO hive.odd.t VALUES " + ", ".join(f"(3, '{value}')" for value in insert))
    assert origin.requests("PutObject", "app/Trino") == written_directly, "all of it was written through Larder"
    larder.night()
    assert read_through_larder() == {value: [[3, 6]] if value in insert else [[2, 3]] for value in ODD}
    trino.rows("DROP TABLE hive.odd.t")
    trino.rows("DROP SCHEMA hive.odd")


def test_queries_of_tpcds_have_the_rows_of_direct_reads_while_larder_fills_and_after_the_preload(
    trino, origin, larder, tpcds_files
):
    origin.upload("raw", "tpcds/", tpcds_files / "tpcds")
    trino.add_tables(tpcds_files, "tpcds", at="s3://raw")
    tables = [table.name for table in (tpcds_files / "tpcds").iterdir()]
    direct = {name: trino.rows(text, "direct", "tpcds") for name, text in queries.some_of_tpcds().items()}
    assert all(direct.values()), "each has rows"

    def ask():
        for name, text in queries.some_of_tpcds().items():
            assert queries.same(trino.rows(text, "hive", "tpcds"), direct[name]), name

    larder.settings["nightly"]["budget"] = "64MiB"
    larder.list_only(*[f"hive.tpcds.{table}" for table in tables])
    trino.wait_for_mapping(*[f"s3://raw/tpcds/{table}/" for table in tables])
    counted = Counted(trino, origin, larder)
    ask()
    assert counted.sent > 0 and counted.larder > 0 and counted.engine == 0
    larder.command("preload")
    larder.wait_for_preload()
    counted = Counted(trino, origin, larder)
    ask()
    assert counted.tiers == counted.sent > 0 and counted.engine == counted.larder == 0
