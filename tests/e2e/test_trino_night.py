"""Nights whose logs are aggregated on a real Trino come to what those within Larder come to."""

import datetime
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from harness.larder import s3_bucket

TODAY = datetime.datetime.now(datetime.UTC).date()
ITEMS = [f"tpch/lineitem/l_year={year}/" for year in (1993, 1996, 1997)]
PAGE = Path(__file__).parents[2] / "docs/configuration.md"


def event(number: int, table: str, bytes_read: int) -> dict:
    """A query of today, in the generic form."""
    begun = datetime.datetime.combine(TODAY, datetime.time(0, 1), datetime.UTC)
    return {
        "query_id": f"q{number}",
        "engine": "duckdb",
        "user": "ana" if number % 2 else "ben",
        "created": begun.isoformat(),
        "ended": (begun + datetime.timedelta(seconds=1.5 * number)).isoformat(),
        "succeeded": number != 3,
        "query": f"SELECT {number} -- ü",
        "reads": [{"table": table, "partitions": [], "columns": ["l_tax", "l_quantity"], "bytes": bytes_read}],
        "unattributed_bytes": number,
    }


@pytest.fixture
def logs(start_larder, origin, trino):
    """Logs of a daemon, read by clients and told of queries, on its disk and as tables of a Trino."""
    larder = start_larder([s3_bucket(origin, consistency="immutable", catalog="hive")], nightly={"schedule": ""}).start()
    for turn in range(3):
        for prefix in ITEMS[turn:]:
            for entry in origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}")["Contents"]:
                key = entry["Key"].removeprefix("hive/")
                larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()
                larder.client().get_object(Bucket="warehouse", Key=key, Range="bytes=-100")["Body"].read()
    events = [event(number, "hive.tpch.orders", 1000 * number) for number in range(1, 8)]
    # Of the day before there are events alone.
    before = datetime.datetime.combine(TODAY, datetime.time(), datetime.UTC) - datetime.timedelta(hours=3)
    events.append(events[0] | {"query_id": "before", "created": before.isoformat(), "ended": before.isoformat()})
    lines = "\n".join(map(json.dumps, events))
    (larder.folder / "events.jsonl").write_text(lines + "\n")
    larder.command("ingest", "generic", larder.folder / "events.jsonl")
    larder.stop()
    folder = larder.folder / "logs"
    for file in folder.rglob("*.parquet"):
        origin.client().upload_file(str(file), "raw", f"larder-logs/{file.relative_to(folder)}")
    trino.rows("CREATE SCHEMA IF NOT EXISTS hive.larder WITH (location = 's3://raw/larder-tables')")
    for statement in re.search(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1).strip().split(";"):
        if statement.strip():
            trino.rows(statement.replace("s3://lake/larder/", "s3://raw/larder-logs/"))
    yield larder
    for table in ("access_log", "query_events"):
        trino.rows(f"DROP TABLE IF EXISTS hive.larder.{table}")


def night(start_larder, origin, name: str, folder: Path, **nightly) -> tuple[dict, dict]:
    """A night over the logs with a store of its own: its report, and what it keeps of days."""
    larder = start_larder(
        [s3_bucket(origin, consistency="immutable", catalog="hive")],
        name=name,
        logs={"path": str(folder)},
        nightly={"schedule": ""} | nightly,
    )
    report = json.loads(larder.command("nightly", "--date", TODAY, "--json").stdout)
    store = sqlite3.connect(larder.folder / "larder.db")
    tables = {
        "day_item": "SELECT * FROM day_item ORDER BY 1, 2, 3, 4",
        "day_query": "SELECT document FROM day_query ORDER BY 1",
        "day_query_group": "SELECT * FROM day_query_group ORDER BY 1, 2, 3",
    }
    rows = {table: store.execute(statement).fetchall() for table, statement in tables.items()}
    rows["day_query"] = [json.loads(document) for (document,) in rows["day_query"]]
    return report, rounded(rows)


def rounded(value):
    """Engines add numbers up in another order: so their last digits may differ."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def test_a_night_on_trino_comes_to_what_one_within_larder_does(start_larder, origin, trino, logs, tmp_path):
    here, kept_here = night(start_larder, origin, "here", logs.folder / "logs")
    settings = {"url": trino.url, "access": "hive.larder.access_log", "events": "hive.larder.query_events"}
    # A folder without a log: all that the night knows comes from Trino.
    there, kept_there = night(start_larder, origin, "there", tmp_path / "none", engine="trino", trino=settings)
    assert here["rows_ingested"] == there["rows_ingested"] > 20
    for key in ("days_ingested", "unattributed_bytes", "unattributed_requests", "history_days", "skipped_files"):
        assert here[key] == there[key], key
    for table, rows in kept_here.items():
        assert rows and kept_there[table] == rows, table
    assert len(kept_here["day_query"]) == 8


def test_a_night_on_trino_without_query_events_counts_the_access_log(start_larder, origin, trino, logs, tmp_path):
    shutil.copytree(logs.folder / "logs" / "access", tmp_path / "alone" / "access")
    _, kept_here = night(start_larder, origin, "here", tmp_path / "alone")
    settings = {"url": trino.url, "access": "hive.larder.access_log"}
    _, kept_there = night(start_larder, origin, "there", tmp_path / "none", engine="trino", trino=settings)
    assert kept_here["day_item"] and kept_there["day_item"] == kept_here["day_item"]


def test_a_cluster_that_fails_fails_the_night_and_says_why(start_larder, origin, trino, logs, tmp_path):
    larder = start_larder(
        [s3_bucket(origin, consistency="immutable", catalog="hive")],
        name="elsewhere",
        nightly={"schedule": "", "engine": "trino", "trino": {"url": trino.url, "access": "hive.larder.no_such_table"}},
    )
    failed = larder.command("nightly", "--date", TODAY, check=False)
    assert failed.returncode == 1 and "no_such_table" in failed.stderr, failed.stderr
    assert json.loads(larder.command("whitelist", "history", "--json").stdout) == []
