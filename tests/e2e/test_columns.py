"""Which columns a night finds worth their room, from the reads of a real engine, and what a query then costs the origin."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from harness import tables
from harness.larder import READER, READER_SECRET, s3_bucket
from test_night import TODAY, night, whitelist

COLUMNS = [f"c{n:02}" for n in range(20)]
HOT = ["c03", "c11"]


@pytest.fixture
def wide(own_origin, tmp_path):
    """A table of three partitions and twenty columns, 1 MB a column and partition."""
    for day in (1, 2, 3):
        rows = range(day * 131_072, (day + 1) * 131_072)
        columns = {name: [row * 2654435761 % 4294967291 + n for row in rows] for n, name in enumerate(COLUMNS)}
        file = tmp_path / f"{day}.parquet"
        pq.write_table(pa.table(columns), file, use_dictionary=False, compression="none")
        own_origin.client().upload_file(str(file), "raw", f"hive/db/wide/d={day}/f.parquet")
    return own_origin


def query(larder, columns: list[str]) -> list[tuple]:
    """Sums of columns over all partitions, by DuckDB."""
    connection = tables.connect("httpfs")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{READER}', SECRET '{READER_SECRET}', ENDPOINT '127.0.0.1:{larder.s3_port}', "
        "USE_SSL false, URL_STYLE 'path', REGION 'us-east-1')"
    )
    sums = ", ".join(f"sum({name})" for name in columns)
    return connection.execute(f"SELECT {sums} FROM read_parquet('s3://warehouse/db/wide/*/f.parquet')").fetchall()


def test_the_columns_that_queries_read_are_held_of_more_partitions(start_larder, wide):
    larder = start_larder(
        [s3_bucket(wide, consistency="immutable", catalog="hive")],
        nightly={"schedule": "", "budget": "12MiB"},
    ).start()
    for _ in range(6):
        before = query(larder, HOT)
    larder.restart()
    assert larder.post("drop", {"locations": [{"bucket": "warehouse", "prefix": "db/"}]}).ok

    report = night(larder)
    document = whitelist(larder)
    held = document["columns"]["hive.db.wide"]
    assert held["columns"] == HOT
    assert held["byte_share"] == pytest.approx(0.1, abs=0.02) and held["value_share"] > 0.8
    assert len(document["items"]) == 3, "a partition alone has 20 MB, and 12 MiB are the budget"
    assert sum(item["bytes"] for item in document["items"]) < 8 << 20
    assert report["columns"] == [{"table": "hive.db.wide", "columns": 2, "of": 20} | {
        share: held[share] for share in ("byte_share", "value_share")
    }]
    loaded = larder.stat()["origin_bytes_preload"]
    assert 6 << 20 <= loaded < 9 << 20, "little more than these columns was loaded"
    for item in larder.get("residency")["items"]:
        assert item["resident_bytes"] == item["bytes"] > 2_000_000, item

    before_bytes = wide.bytes_out
    assert query(larder, HOT) == before
    # What DuckDB asks besides are listings and HEADs.
    assert wide.bytes_out - before_bytes < 64 << 10
    stat = larder.stat()
    assert query(larder, ["c05"])[0][0] > 0
    fetched = larder.stat()["origin_bytes_demand"] - stat["origin_bytes_demand"]
    assert 3_000_000 < fetched < 6_000_000, "another column comes from the storage, and only that"

    shown = {row["column"]: row for row in larder.get("tables/hive.db.wide/columns")}
    assert len(shown) == 20 and all(shown[name]["held"] == (name in HOT) for name in COLUMNS)
    text = larder.command("whitelist", "show").stdout
    assert "of hive.db.wide 2 columns" in text and "c03, c11" in text
    explained = larder.command("whitelist", "explain", "hive.db.wide/d=2").stdout
    assert "columns_value_share" in explained
    assert requests.get(f"{larder.admin}/api/v1/tables/hive.db.nothing/columns", timeout=10).status_code == 404


def test_query_events_alone_name_the_columns(start_larder, wide):
    larder = start_larder(
        [s3_bucket(wide, consistency="immutable", catalog="hive")], nightly={"schedule": "", "budget": "12MiB"}
    ).start()
    read = {"table": "hive.db.wide", "partitions": ["d=1", "d=2", "d=3"], "columns": HOT, "bytes": 6_000_000}
    at = f"{TODAY}T00:00:01Z"
    events = [
        {"query_id": f"q{n}", "engine": "presto", "created": at, "ended": at, "reads": [read]} for n in range(20)
    ]
    path = larder.folder / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    larder.command("ingest", "generic", path)
    night(larder)
    assert whitelist(larder)["columns"]["hive.db.wide"]["columns"] == HOT
    groups = {row["column"]: row["group"] for row in larder.get("tables/hive.db.wide/columns")}
    assert groups == {name: HOT[0] if name in HOT else None for name in COLUMNS}, "queries always named the two together"
