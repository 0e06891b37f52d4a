"""Nights whose logs are aggregated on a real Trino come to what those within Larder come to."""

import datetime
import json
import random
import re
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.larder import s3_bucket

TODAY = datetime.datetime.now(datetime.UTC).date()
YESTERDAY = TODAY - datetime.timedelta(days=1)
BEFORE = YESTERDAY - datetime.timedelta(days=1)
ITEMS = [f"tpch/lineitem/l_year={year}/" for year in (1993, 1996, 1997)]
COLUMNS = [f"c{number:02}" for number in range(20)]
HOT = ["c03", "c11"]
PAGE = Path(__file__).parents[2] / "docs/configuration.md"
# Seconds before the first byte, and bytes a second: what the generated day's reads took.
ORIGIN, SSD = (0.03, 80e6), (0.0003, 1e9)
# Both engines estimate medians, each by a sketch of its own. So much may speeds differ by, and what is reckoned by them.
NEAR = 0.01
# Engines add numbers up in another order: so their last digits may differ.
SAME = 1e-9


def midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)


def event(number: int, begun: datetime.datetime, table: str, partitions: list[str], bytes_read: int) -> dict:
    """A query, in the generic form."""
    return {
        "query_id": f"q{number}",
        "engine": "duckdb",
        "user": "ana" if number % 2 else "ben",
        "created": begun.isoformat(),
        "ended": (begun + datetime.timedelta(seconds=1.5 * number)).isoformat(),
        "succeeded": number != 3,
        "query": f"SELECT {number} -- ü",
        "reads": [{"table": table, "partitions": partitions, "columns": HOT[: number % 4], "bytes": bytes_read}],
        "unattributed_bytes": number,
    }


@pytest.fixture
def wide(origin, tmp_path):
    """A table of three partitions and twenty columns, 1 MB a column and partition: where each column begins, and how long
    it is."""
    keys = []
    for day in (1, 2, 3):
        rows = range(day * 131_072, (day + 1) * 131_072)
        columns = {name: [row * 2654435761 % 4294967291 + n for row in rows] for n, name in enumerate(COLUMNS)}
        file = tmp_path / f"{day}.parquet"
        pq.write_table(pa.table(columns), file, use_dictionary=False, compression="none")
        keys.append(f"hive/db/wide/d={day}/f.parquet")
        origin.client().upload_file(str(file), "raw", keys[-1])
    group = pq.ParquetFile(file).metadata.row_group(0)
    chunks = [group.column(at) for at in range(group.num_columns)]
    yield {chunk.path_in_schema: (chunk.data_page_offset, chunk.total_compressed_size) for chunk in chunks}
    for key in keys:
        origin.client().delete_object(Bucket="raw", Key=key)


def a_day_of_reads(like: pa.Table, lengths: dict[str, int], wide: dict, seed: int) -> pa.Table:
    """A log of yesterday as busy workers would have written it: of the objects that another log names, from each of the
    tiers, at speeds that are known."""
    chance = random.Random(seed)
    objects = {row["key"]: row for row in like.to_pylist() if row["kind"] == "get"}
    keys = sorted(objects)
    rows = []
    for _ in range(6000):
        known = objects[chance.choice(keys)]
        size = lengths[known["key"]]
        column = chance.choice(HOT) if chance.random() < 0.8 else chance.choice(COLUMNS)
        if known["table_name"] == "hive.db.wide" and chance.random() < 0.8:
            start, length = wide[column]
        else:
            length = min(size, int(2 ** chance.uniform(8, 23)))
            start = chance.randrange(size - length + 1)
        kind = chance.choices(["get", "fill", "preload"], [8, 3, 1])[0]
        tier = chance.choices(["ssd", "memory", "peer", "origin", "ssd, then origin"], [8, 3, 1, 3, 1])[0]
        tier = tier if kind == "get" else "origin"
        parts = dict.fromkeys(("memory", "ssd", "peer", "origin"), 0)
        if tier == "ssd, then origin":
            parts |= {"ssd": length // 2, "origin": length - length // 2}
        else:
            parts[tier] = length
        overhead, speed = SSD if tier == "ssd" else ORIGIN
        tail = 10 if chance.random() < 0.01 else 1
        rows.append(
            known
            | {f"bytes_{tier}": moved for tier, moved in parts.items()}
            | {
                # To the millisecond: Trino's Hive connector rounds times to that.
                "time": midnight(YESTERDAY) + datetime.timedelta(milliseconds=chance.randrange(86_400_000)),
                "worker": "worker-2",
                "kind": kind,
                "offset": start,
                "length": length,
                "route": "direct" if tier == "origin" and chance.random() < 0.5 else "cached",
                "seconds": (overhead + length / speed) * chance.uniform(0.95, 1.05) * tail,
            }
        )
    # Some of what was read belongs to no table.
    for row in chance.sample(rows, 200):
        row |= {"key": f"loose/{chance.randrange(9)}.bin", "table_name": None, "partition": ""}
    return pa.Table.from_pylist(rows, schema=like.schema)


@pytest.fixture
def logs(start_larder, origin, trino, wide):
    """Logs of a daemon, read by clients and told of queries, on its disk and as tables of a Trino. Those of today are
    what happened, those of yesterday are made up of them."""
    larder = start_larder([s3_bucket(origin, consistency="immutable", catalog="hive")], nightly={"schedule": ""}).start()
    client, lengths = larder.client(), {}
    for turn in range(3):
        for prefix in [*ITEMS[turn:], *(f"db/wide/d={day}/" for day in (1, 2, 3))]:
            for entry in origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}")["Contents"]:
                key = entry["Key"].removeprefix("hive/")
                lengths[key] = entry["Size"]
                if not prefix.startswith("db/wide/"):
                    client.get_object(Bucket="warehouse", Key=key)["Body"].read()
                client.get_object(Bucket="warehouse", Key=key, Range="bytes=-100")["Body"].read()
    hour = datetime.timedelta(hours=1)
    told = [event(number, midnight(TODAY), "hive.tpch.orders", [], 1000 * number) for number in range(1, 8)]
    for number in range(10, 60):
        begun = midnight(YESTERDAY) + number % 23 * hour
        told.append(event(number, begun, "hive.db.wide", [f"d={1 + number % 3}"], 1_000_000 * number))
    # Of the day before that there are events alone.
    told.append(event(9, midnight(BEFORE), "hive.tpch.orders", [], 1000))
    (larder.folder / "events.jsonl").write_text("".join(json.dumps(query) + "\n" for query in told))
    larder.command("ingest", "generic", larder.folder / "events.jsonl")
    larder.stop()
    folder = larder.folder / "logs"
    (today,) = (folder / "access").iterdir()
    written = sorted(today.glob("*.parquet"))
    # `read_table` would make a column of the folder's name.
    like = pa.concat_tables([pq.ParquetFile(file).read() for file in written])
    before = folder / "access" / f"day={YESTERDAY}"
    before.mkdir()
    made_up = a_day_of_reads(like, lengths, wide, seed=14)
    # As two workers' files.
    pq.write_table(made_up.slice(0, 4000), before / "worker-2.parquet")
    pq.write_table(made_up.slice(4000), before / "worker-3.parquet")
    keys = {str(file): f"larder-logs/{file.relative_to(folder)}" for file in folder.rglob("*.parquet")}
    for file, key in keys.items():
        origin.client().upload_file(file, "raw", key)
    trino.rows("CREATE SCHEMA IF NOT EXISTS hive.larder WITH (location = 's3://raw/larder-tables')")
    for statement in re.search(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1).strip().split(";"):
        if statement.strip():
            trino.rows(statement.replace("s3://lake/larder/", "s3://raw/larder-logs/"))
    yield larder
    for table in ("access_log", "query_events"):
        trino.rows(f"DROP TABLE IF EXISTS hive.larder.{table}")
    for key in keys.values():
        origin.client().delete_object(Bucket="raw", Key=key)


# What nights keep that has nothing to do with speeds, and what has. Fingerprints are of paths, so they differ.
COUNTED = {
    "day": "SELECT day, log_rows, unattributed_requests, unattributed_bytes, skipped_files FROM day ORDER BY day",
    "day_item": "SELECT * FROM day_item ORDER BY day, table_name, partition_name",
    "day_column": "SELECT * FROM day_column ORDER BY day, table_name, column_name",
    "day_column_pair": "SELECT * FROM day_column_pair ORDER BY 1, 2, 3, 4",
    "day_query_group": "SELECT * FROM day_query_group ORDER BY day, kind, name",
    "table_column": "SELECT * FROM table_column ORDER BY table_name, column_name",
}
RECKONED = {
    "day_speed": "SELECT * FROM day_speed ORDER BY day, tier",
    "day_query": "SELECT document FROM day_query ORDER BY day, engine, query_id",
    "realised": "SELECT * FROM realised ORDER BY day, table_name, partition_name",
    "candidate": "SELECT * FROM candidate ORDER BY table_name, partition_name",
    "choice": "SELECT * FROM choice",
}


def nights(start_larder, origin, name: str, folder: Path, **nightly) -> tuple[list[dict], dict]:
    """Nights over the logs of yesterday, then of today, with a store of their own: what each reports and publishes, and
    what they keep."""
    larder = start_larder(
        [s3_bucket(origin, consistency="immutable", catalog="hive")],
        name=name,
        logs={"path": str(folder)},
        nightly={"schedule": "", "budget": "14MiB"} | nightly,
    )
    came_to = []
    for day in (YESTERDAY, TODAY):
        report = json.loads(larder.command("nightly", "--date", day, "--json").stdout)
        published = json.loads(larder.command("whitelist", "show", "--json").stdout)
        densities = [item["value_seconds"] / item["bytes"] for item in published["items"]]
        assert densities == sorted(densities, reverse=True)
        # Of two items that are worth all but the same, speeds decide which comes first.
        published["items"] = {item["item"]: item for item in published["items"]}
        for key in ("id", "started", "finished"):
            del report[key]
        del published["created"]
        came_to.append({"report": report, "published": published})
    store = sqlite3.connect(larder.folder / "larder.db")
    store.row_factory = sqlite3.Row
    kept = {table: [dict(row) for row in store.execute(ask)] for table, ask in (COUNTED | RECKONED).items()}
    kept["day_query"] = [json.loads(row["document"]) for row in kept["day_query"]]
    for row in kept["candidate"]:
        row["factors"] = json.loads(row["factors"] or "[]")
        del row["place"]
    return came_to, kept


def differences(here, there, tolerance: float, at: str = "") -> list[str]:
    """Where two answers differ: in anything but numbers with a point, and in these by more than such a share of them."""
    if isinstance(here, dict) and isinstance(there, dict) and here.keys() == there.keys():
        pairs = [(f"{at}.{key}", here[key], there[key]) for key in here]
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = [(f"{at}[{place}]", *pair) for place, pair in enumerate(zip(here, there, strict=True))]
    elif isinstance(here, float) and isinstance(there, float):
        return [] if here == pytest.approx(there, rel=tolerance, abs=1e-12) else [f"{at}: {here} and {there}"]
    elif at.endswith(".reason") and isinstance(here, str) and isinstance(there, str):
        # It says figures that stand beside it too, rounded.
        words = [re.sub(r"\d+(\.\d+)?", "N", text) for text in (here, there)]
        return [] if words[0] == words[1] else [f"{at}: {here} and {there}"]
    else:
        return [] if here == there else [f"{at}: {here!r} and {there!r}"]
    return [difference for place, a, b in pairs for difference in differences(a, b, tolerance, place)]


def test_nights_on_trino_come_to_what_those_within_larder_do(start_larder, origin, trino, logs, tmp_path):
    here, kept_here = nights(start_larder, origin, "here", logs.folder / "logs")
    settings = {"url": trino.url, "access": "hive.larder.access_log", "events": "hive.larder.query_events"}
    # A folder without a log: all that these nights know comes from Trino.
    there, kept_there = nights(start_larder, origin, "there", tmp_path / "none", engine="trino", trino=settings)

    # There is something to compare: speeds as they were, and a choice with columns, for which there is not room enough.
    speeds = {row["tier"]: row for row in kept_here["day_speed"]}
    for tier, (overhead, bytes_per_second) in {"origin": ORIGIN, "ssd": SSD}.items():
        assert speeds[tier]["overhead_seconds"] == pytest.approx(overhead, rel=0.05)
        assert speeds[tier]["bytes_per_second"] == pytest.approx(bytes_per_second, rel=0.05)
        assert here[0]["report"][tier]["basis"].startswith(f"measured on {YESTERDAY} from ")
    for night, day, version in zip(here, (YESTERDAY, TODAY), (1, 2), strict=True):
        assert night["report"]["days_ingested"][-1] == str(day) and night["report"]["rows_ingested"] > 20
        assert night["published"]["version"] == version and len(night["published"]["items"]) > 5
        assert night["published"]["columns"]["hive.db.wide"]["columns"] == HOT
        assert night["report"]["budget_bytes"] < night["report"]["wanted_bytes"]
    assert here[0]["report"]["unattributed_requests"] > 0 and here[1]["report"]["realised"]
    assert {bool(row["taken"]) for row in kept_here["candidate"]} == {True, False}
    assert len(kept_here["day_query"]) == 58 and any(query["missed_seconds"] > 0 for query in kept_here["day_query"])
    assert all(kept_here.values()), {table: len(rows) for table, rows in kept_here.items()}

    for table in COUNTED:
        assert differences(kept_here[table], kept_there[table], SAME) == [], table
    for table in RECKONED:
        assert differences(kept_here[table], kept_there[table], NEAR) == [], table
    for night_here, night_there in zip(here, there, strict=True):
        assert differences(night_here, night_there, NEAR) == []


def test_nights_on_trino_without_query_events_count_the_access_log(start_larder, origin, trino, logs, tmp_path):
    shutil.copytree(logs.folder / "logs" / "access", tmp_path / "alone" / "access")
    _, kept_here = nights(start_larder, origin, "here", tmp_path / "alone")
    settings = {"url": trino.url, "access": "hive.larder.access_log"}
    _, kept_there = nights(start_larder, origin, "there", tmp_path / "none", engine="trino", trino=settings)
    assert kept_here["day_item"] and differences(kept_here["day_item"], kept_there["day_item"], SAME) == []


def test_a_cluster_that_fails_fails_the_night_and_says_why(start_larder, origin, trino, logs, tmp_path):
    larder = start_larder(
        [s3_bucket(origin, consistency="immutable", catalog="hive")],
        name="elsewhere",
        nightly={"schedule": "", "engine": "trino", "trino": {"url": trino.url, "access": "hive.larder.no_such_table"}},
    )
    failed = larder.command("nightly", "--date", TODAY, check=False)
    assert failed.returncode == 1 and "no_such_table" in failed.stderr, failed.stderr
    assert json.loads(larder.command("whitelist", "history", "--json").stdout) == []
