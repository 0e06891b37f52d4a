"""A night, end to end: reads are logged, valued and chosen; what was chosen is preloaded, and read without the origin."""

import datetime
import json
import subprocess
import time

import pytest
import requests

from harness.larder import READER, READER_SECRET, WRITER, binary, s3_bucket
from harness.process import wait_until

HOT = "tpch/lineitem/l_year=1997/"
TODAY = datetime.datetime.now(datetime.UTC).date().isoformat()
YESTERDAY = (datetime.date.fromisoformat(TODAY) - datetime.timedelta(days=1)).isoformat()


@pytest.fixture
def larder(start_larder, origin):
    """A daemon that a night of its own never disturbs; its SSD holds what the budget allows and some more."""
    return start_larder(
        [s3_bucket(origin, consistency="immutable", catalog="hive")],
        nightly={"schedule": "", "budget": "2MiB"},
    ).start()


def keys_below(origin, prefix: str) -> list[str]:
    entries = origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}")["Contents"]
    return [entry["Key"].removeprefix("hive/") for entry in entries]


def read_day(larder, origin):
    """A day of reads: one partition over and over, the others once. Stops the daemon so that its log is on disk."""
    client = larder.client(READER, READER_SECRET)
    for key in keys_below(origin, "tpch/lineitem/"):
        for _ in range(12 if key.startswith(HOT) else 1):
            client.get_object(Bucket="warehouse", Key=key)["Body"].read()
    logged = sum(1 for _ in (larder.folder / "logs" / "access").rglob("*.parquet"))
    larder.restart()
    assert sum(1 for _ in (larder.folder / "logs" / "access").rglob("*.parquet")) >= max(logged, 1)
    # While there is no whitelist everything is admitted. What was read is dropped, so that the preload has work to do.
    answer = larder.post("drop", {"locations": [{"bucket": "warehouse", "prefix": "tpch/"}]})
    assert answer.ok and answer.json()["bytes"] > 0, answer.text


def night(larder, date: str = TODAY) -> dict:
    """Runs a night, and waits until the daemon follows what it published and holds it."""
    report = json.loads(larder.command("nightly", "--date", date, "--json").stdout)
    larder.wait_for_whitelist(whitelist(larder)["version"])
    larder.wait_for_preload()
    return report


def whitelist(larder) -> dict:
    """The document in force, by the store."""
    return json.loads(larder.command("whitelist", "show", "--json").stdout)


def residency(larder) -> dict[str, tuple[int, int]]:
    return {item["item"]: (item["resident_bytes"], item["bytes"]) for item in larder.get("residency")["items"]}


def test_from_reads_to_the_next_morning(larder, origin):
    read_day(larder, origin)
    night(larder)
    document = whitelist(larder)
    assert document["version"] == 1
    first = document["items"][0]
    assert first["item"] == "hive.tpch.lineitem/l_year=1997", "what was read most comes first"
    assert first["locations"] == [{"bucket": "warehouse", "prefix": HOT}]
    assert first["value_seconds"] > 0 and first["reason"]
    assert sum(item["bytes"] for item in document["items"]) <= document["budget_bytes"] == 2 << 20
    densities = [item["value_seconds"] / item["bytes"] for item in document["items"]]
    assert densities == sorted(densities, reverse=True)

    for item, (resident, total) in residency(larder).items():
        assert resident == total > 0, item
    assert larder.stat()["origin_bytes_preload"] >= sum(item["bytes"] for item in document["items"])

    # The next morning: not one byte from the origin, by its own count.
    before, origin_before = larder.stat(), origin.bytes_out
    sent = 0
    for key in keys_below(origin, HOT):
        body = larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()
        assert body == origin.client().get_object(Bucket="raw", Key=f"hive/{key}")["Body"].read()
        sent += len(body)
    after = larder.stat()
    assert origin.bytes_out == origin_before
    assert after["bytes_memory"] + after["bytes_ssd"] - before["bytes_memory"] - before["bytes_ssd"] == sent
    assert after["saved_io_seconds"] > before["saved_io_seconds"]


def test_a_night_compares_what_the_list_of_its_day_predicted_with_what_it_earned(larder, origin):
    read_day(larder, origin)
    # What was read is yesterday's: the list that comes of it is in force today.
    access = larder.folder / "logs" / "access"
    (access / f"day={TODAY}").rename(access / f"day={YESTERDAY}")
    assert night(larder, YESTERDAY)["realised"] is None, "no list was in force yesterday"
    listed = whitelist(larder)
    for key in keys_below(origin, HOT):
        for _ in range(3):
            larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()
    larder.restart()
    realised = night(larder)["realised"]
    assert (realised["version"], realised["items"]) == (listed["version"], len(listed["items"]))
    assert realised["predicted_seconds"] > 0 and realised["read_seconds"] > 0
    assert realised["realised_seconds"] > 0 and realised["error"] > 0 and realised["bias"] > 0
    assert sum(bin["items"] for bin in realised["calibration"]) == realised["items"]
    hot = next(day for day in realised["worst"] if day["item"] == "hive.tpch.lineitem/l_year=1997")
    explained = json.loads(larder.command("whitelist", "explain", hot["item"], "--json").stdout)
    (day,) = explained["items"][0]["days"]
    assert day["day"] == hot["day"] == TODAY
    assert day["realised_seconds"] == pytest.approx(hot["realised_seconds"])
    (kept,) = [stored for stored in larder.get("nights") if stored["night"] == TODAY]
    # A figure that was kept as text may differ in its last digit.
    for figure in ("items", "predicted_seconds", "read_seconds", "realised_seconds", "missed_seconds", "error", "bias"):
        assert kept["report"]["realised"][figure] == pytest.approx(realised[figure]), figure
    assert [day["item"] for day in kept["report"]["realised"]["worst"]] == [day["item"] for day in realised["worst"]]
    assert "FURTHEST OFF" in larder.command("nightly", "--date", TODAY).stdout
    assert TODAY in larder.command("whitelist", "explain", hot["item"]).stdout


def test_a_night_that_runs_twice_changes_nothing(larder, origin):
    read_day(larder, origin)
    night(larder)
    first, preloaded = whitelist(larder), larder.stat()["origin_bytes_preload"]
    night(larder)
    assert whitelist(larder) == first
    assert larder.stat()["origin_bytes_preload"] == preloaded, "what is resident is not read again"
    assert [version["version"] for version in larder.get("whitelist/history")] == [1]


@pytest.mark.parametrize("after_ms", [20, 60, 150, 300, 600])
def test_a_night_that_is_killed_can_be_run_again(larder, origin, after_ms):
    read_day(larder, origin)
    command = [binary(), "nightly", "--date", TODAY, "--config", str(larder.config)]
    child = subprocess.Popen(command, cwd=larder.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_ms / 1000)
    child.kill()
    child.wait()
    # The dead night's lease must run out; then the same command goes through.
    wait_until(lambda: larder.command("nightly", "--date", TODAY, check=False).returncode == 0, 120, "the second night")
    larder.wait_for_whitelist(whitelist(larder)["version"])
    larder.wait_for_preload()
    assert whitelist(larder)["items"][0]["item"] == "hive.tpch.lineitem/l_year=1997"
    for item, (resident, total) in residency(larder).items():
        assert resident == total > 0, item
    reads = {table["table"]: table for table in larder.get("tables")}
    counted = json.dumps(reads["hive.tpch.lineitem"])
    night(larder)
    again = {table["table"]: table for table in larder.get("tables")}
    assert json.dumps(again["hive.tpch.lineitem"]) == counted, "nothing is counted twice"


def test_the_daemon_killed_during_a_preload_holds_it_after_the_next(larder, origin):
    read_day(larder, origin)
    child = subprocess.Popen(
        [binary(), "nightly", "--date", TODAY, "--config", str(larder.config)],
        cwd=larder.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: larder.stat()["origin_bytes_preload"] > 0, what="the preload's first bytes")
    larder.kill()
    child.wait(120)
    larder.start()
    wait_until(lambda: larder.command("nightly", "--date", TODAY, check=False).returncode == 0, 120, "the second night")
    larder.wait_for_whitelist(whitelist(larder)["version"])
    larder.wait_for_preload()
    for item, (resident, total) in residency(larder).items():
        assert resident == total > 0, item


def test_the_daemon_killed_during_a_preload_goes_on_with_it_when_it_starts(larder, origin):
    # Slow enough that the kill comes in the middle.
    larder.settings["nightly"]["rate"] = "256KiB/s"
    read_day(larder, origin)
    child = subprocess.Popen(
        [binary(), "nightly", "--date", TODAY, "--config", str(larder.config)],
        cwd=larder.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: larder.stat()["origin_bytes_preload"] > 0, what="the preload's first bytes")
    wait_until(lambda: larder.get("nights/preloads"), what="what the night keeps of it")
    larder.kill()
    child.kill()
    child.wait()
    larder.start()

    def all_resident():
        found = residency(larder)
        return found and all(resident == total > 0 for resident, total in found.values())

    wait_until(all_resident, 90, "the rest of the preload")


def test_pins_come_in_and_denied_items_stay_out(larder, origin):
    read_day(larder, origin)
    pinned, denied = "hive.tpch.orders/o_year=1994", "hive.tpch.lineitem/l_year=1997"
    larder.command("whitelist", "pin", pinned)
    larder.command("whitelist", "deny", denied)
    night(larder)
    items = {item["item"]: item for item in whitelist(larder)["items"]}
    assert pinned in items and denied not in items
    assert "pin" in items[pinned]["reason"]
    shown = larder.command("whitelist", "explain", denied).stdout
    assert "den" in shown.lower(), shown


def test_an_item_that_left_is_dropped_and_a_rollback_brings_it_back(larder, origin):
    read_day(larder, origin)
    night(larder)
    item = "hive.tpch.lineitem/l_year=1997"
    larder.command("whitelist", "deny", item)
    night(larder)
    assert item not in residency(larder)
    before = larder.stat()
    for key in keys_below(origin, HOT):
        larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()
    after = larder.stat()
    assert after["bytes_direct"] > before["bytes_direct"]
    assert after["bytes_ssd"] == before["bytes_ssd"] and after["bytes_memory"] == before["bytes_memory"]

    difference = larder.get("whitelist/diff", **{"from": 1, "to": 2})
    assert item in json.dumps(difference)
    larder.command("whitelist", "rollback", 1)
    larder.wait_for_whitelist(3)
    assert [entry["item"] for entry in whitelist(larder)["items"]][0] == item
    history = larder.get("whitelist/history")
    assert [version["version"] for version in history] == [3, 2, 1]
    assert "1" in history[0]["reason"] and "roll" in history[0]["reason"].lower()


def test_trinos_events_are_taken_and_make_value(larder, origin):
    """The shape of Trino's HTTP event listener, with fields of newer versions that nobody has heard of."""
    partition = "o_year=1993"
    now = datetime.datetime.now(datetime.UTC)
    for number in range(30):
        event = {
            "metadata": {"queryId": f"20261119_00000{number}_abcde", "query": "SELECT 1", "queryState": "FINISHED"},
            "statistics": {"physicalInputBytes": 500_000, "cpuTime": "PT1.5S", "inventedLater": [1, 2]},
            "context": {"user": "ann", "source": "cli", "serverVersion": "999"},
            "ioMetadata": {
                "inputs": [
                    {
                        "catalogName": "hive",
                        "schema": "tpch",
                        "table": "orders",
                        "columns": ["o_orderkey", "o_totalprice"],
                        "connectorInfo": {"partitionIds": [partition], "partitioned": True},
                        "physicalInputBytes": 500_000,
                        "physicalInputRows": 100,
                    }
                ]
            },
            "createTime": (now.timestamp() - 10) if number % 2 else now.isoformat(),
            "endTime": now.timestamp() if number % 2 else now.isoformat(),
            "unknownSection": {"a": None},
        }
        answer = larder.post("events/trino", event)
        assert answer.ok, answer.text
    # The spool may wait a moment; stopping the daemon writes it.
    larder.restart()
    night(larder)
    tables = {table["table"]: table for table in larder.get("tables")}
    assert "hive.tpch.orders" in tables, tables
    explained = larder.get("whitelist/explain", item=f"hive.tpch.orders/{partition}")
    assert explained["items"], explained


def test_every_table_of_the_api_answers_after_a_night(larder, origin):
    read_day(larder, origin)
    night(larder)
    for path in ("tables", "tables/hive.tpch.lineitem/partitions", "value", "curve", "workers", "nights", "residency"):
        assert larder.get(path), path
    etag = requests.get(f"{larder.admin}/api/v1/whitelist", timeout=10).headers["ETag"]
    answer = requests.get(f"{larder.admin}/api/v1/whitelist", headers={"If-None-Match": etag}, timeout=10)
    assert answer.status_code == 304
    paths = requests.get(f"{larder.admin}/api/openapi.json", timeout=10).json()["paths"]
    assert {"/api/v1/whitelist", "/api/v1/stat", "/api/v1/resolve"} <= set(paths)


def test_the_store_may_be_gone_and_reads_go_on(larder, origin):
    """Design section 8: while the control part is down, reads are unaffected."""
    read_day(larder, origin)
    night(larder)
    for file in larder.folder.glob("larder.db*"):
        file.write_bytes(b"this is no database")
    key = keys_below(origin, HOT)[0]
    before = origin.bytes_out
    assert larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()
    assert origin.bytes_out == before
    assert requests.get(f"{larder.admin}/healthz", timeout=10).ok
    assert larder.stat()["whitelist_version"] == 1


def test_with_the_store_and_the_origin_gone_trino_gets_its_mapping_and_what_it_names(start_larder, origin):
    bucket = s3_bucket(origin, "raw", "s3://raw", "immutable", catalog="hive")
    larder = start_larder([bucket], nightly={"schedule": "", "budget": "2MiB"}, hook={"key": WRITER}).start()
    larder.pin("hive.tpch.lineitem/l_year=1997")
    direct = origin.client()
    bodies = {key: direct.get_object(Bucket="raw", Key=f"hive/{key}")["Body"].read() for key in keys_below(origin, HOT)}

    def mapping() -> list[dict]:
        return requests.get(f"{larder.admin}/api/v1/mappings/trino", timeout=10).json()["mappings"]

    before = mapping()
    assert [entry.get("prefix") for entry in before] == [f"s3://raw/hive/{HOT}", None]
    for file in larder.folder.glob("larder.db*"):
        file.write_bytes(b"this is no database")
    origin.unplug()
    try:
        assert mapping() == before
        for key, body in bodies.items():
            assert larder.client().get_object(Bucket="raw", Key=f"hive/{key}")["Body"].read() == body
        assert mapping() == before
    finally:
        origin.plug_in()


def test_a_preload_by_hand_and_its_dry_run(larder, origin):
    read_day(larder, origin)
    night(larder)
    loaded = larder.stat()["origin_bytes_preload"]
    shown = larder.command("preload", "--dry-run").stdout
    assert "hive.tpch.lineitem/l_year=1997" in shown
    assert larder.stat()["origin_bytes_preload"] == loaded
    answer = larder.post("drop", {"locations": [{"bucket": "warehouse", "prefix": HOT}]})
    assert answer.ok and answer.json()["bytes"] > 0, answer.text
    resident, total = residency(larder)["hive.tpch.lineitem/l_year=1997"]
    assert resident == 0 < total
    larder.command("preload", "hive.tpch.lineitem/l_year=1997")
    larder.wait_for_preload()
    resident, total = residency(larder)["hive.tpch.lineitem/l_year=1997"]
    assert resident == total
