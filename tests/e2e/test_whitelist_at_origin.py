"""Workers that do not share the store of the nights take the whitelist from an origin, and keep the last good one."""

import json

import pytest

from harness.larder import s3_bucket
from harness.process import wait_until

PLACE = "warehouse/_larder/whitelist.json"
AT_ORIGIN = {"Bucket": "raw", "Key": "hive/_larder/whitelist.json"}
ONE, TWO = "dt=2026-11-01", "dt=2026-11-02"


@pytest.fixture
def pair(start_larder, own_origin):
    """A daemon whose nights write the whitelist to the origin, and a worker with a store of its own."""
    for folder in (ONE, TWO):
        own_origin.client().put_object(Bucket="raw", Key=f"hive/web/clicks/{folder}/f", Body=folder.encode() * 20_000)
    buckets = [s3_bucket(own_origin, catalog="hive")]
    planner = start_larder(buckets, "planner", nightly={"schedule": ""}, store={"whitelist_to": PLACE})
    return planner, start_larder(buckets, "worker", store={"whitelist_from": PLACE})


def resident(larder) -> dict:
    return {entry["item"]: entry["resident_bytes"] for entry in larder.get("residency")["items"]}


def publish(planner, folder: str):
    planner.command("whitelist", "pin", f"hive.web.clicks/{folder}")
    planner.command("nightly")


def in_force(larder) -> tuple[int, list[str]]:
    document = json.loads(larder.command("whitelist", "show", "--json").stdout)
    return document["version"], sorted(entry["item"] for entry in document["items"])


def test_a_worker_takes_what_is_published_and_loads_it(pair, own_origin):
    planner, worker = pair
    worker.start()
    publish(planner, ONE)  # no daemon runs there
    worker.wait_for_whitelist(1)
    wait_until(lambda: resident(worker) == {f"hive.web.clicks/{ONE}": 260_000}, what="the first partition")
    planner.start()
    planner.command("whitelist", "deny", f"hive.web.clicks/{ONE}")
    publish(planner, TWO)
    worker.wait_for_whitelist(2)
    wait_until(lambda: resident(worker) == {f"hive.web.clicks/{TWO}": 260_000}, what="the second in place of the first")
    assert in_force(worker) == in_force(planner) == (2, [f"hive.web.clicks/{TWO}"])
    before = own_origin.requests("GetObject")
    body = worker.client().get_object(Bucket="warehouse", Key=f"web/clicks/{TWO}/f")["Body"].read()
    assert body == TWO.encode() * 20_000 and own_origin.requests("GetObject") == before
    planner.command("whitelist", "rollback", 1)
    worker.wait_for_whitelist(3)
    assert in_force(worker) == (3, [f"hive.web.clicks/{ONE}"])


def test_the_last_good_one_stays_whatever_is_written_there(pair, own_origin):
    planner, worker = pair
    publish(planner, ONE)
    worker.start()
    assert worker.stat()["whitelist_version"] == 1, "a worker begins with what is there"
    good = own_origin.client().get_object(**AT_ORIGIN)["Body"].read()
    for broken, words in [
        (good[: len(good) // 2], "is broken: whitelist: EOF while parsing"),
        (good.replace(b'"bytes"', b'"bites"', 1), "unknown field `bites`"),
        (good.replace(b"260000", b"260001", 1), "it is version 1, and version 1 is in this store already"),
    ]:
        own_origin.client().put_object(**AT_ORIGIN, Body=broken)
        wait_until(lambda: words in worker.process.log.read_text(), 30, words)  # noqa: B023 - used at once
        assert worker.stat()["whitelist_version"] == 1
    own_origin.client().delete_object(**AT_ORIGIN)
    worker.restart(kill=True)
    assert worker.stat()["whitelist_version"] == 1
    wait_until(lambda: f"the whitelist at {PLACE} cannot be read" in worker.process.log.read_text(), 30, "its absence said")
    publish(planner, TWO)
    worker.wait_for_whitelist(2)


def test_a_worker_decides_and_publishes_nothing_itself(pair):
    planner, worker = pair
    publish(planner, ONE)
    worker.start()
    for command in (["nightly"], ["whitelist", "plan"], ["whitelist", "pin", "hive.web.clicks"]):
        done = worker.command(*command, check=False)
        assert done.returncode != 0 and f"the whitelist comes from {PLACE}" in done.stderr, command
    assert in_force(worker) == (1, [f"hive.web.clicks/{ONE}"])


def test_a_place_that_takes_nothing_is_said_and_the_night_holds(pair):
    planner, _ = pair
    (planner.folder / "elsewhere" / "file").write_text("no folder")
    planner.settings["store"]["whitelist_to"] = "elsewhere/file/whitelist.json"
    planner.command("whitelist", "pin", f"hive.web.clicks/{ONE}")
    done = planner.command("nightly", check=False)
    assert done.returncode != 0 and "the whitelist cannot be written to elsewhere/file/whitelist.json" in done.stderr
    assert in_force(planner) == (1, [f"hive.web.clicks/{ONE}"])
    planner.start()
    wait_until(lambda: "the whitelist is not written, and tried again" in planner.process.log.read_text(), 30, "the daemon's word")
    assert planner.stat()["whitelist_version"] == 1
