"""Partitions that land between two nights are loaded before anybody reads them, and rewritten ones are loaded anew."""

import datetime
import json
from urllib.parse import quote_plus

import pytest

from harness.larder import s3_bucket
from harness.process import wait_until

TODAY = datetime.datetime.now(datetime.UTC).date()


def day(offset: int) -> str:
    return f"dt={TODAY + datetime.timedelta(days=offset)}"


def key(offset: int, file: str = "f") -> str:
    return f"web/clicks/{day(offset)}/{file}"


def write(origin, offset: int, letter: str, file: str = "f", size: int = 300_000):
    """As an engine does, behind Larder's back."""
    origin.client().put_object(Bucket="raw", Key=f"hive/{key(offset, file)}", Body=letter.encode() * size)


def item(offset: int) -> str:
    return f"hive.web.clicks/{day(offset)}"


@pytest.fixture
def start(start_larder, own_origin):
    """A daemon whose whitelist holds the last two days of a table, after a night."""

    def started(**nightly):
        for offset in (-2, -1):
            write(own_origin, offset, "ab"[offset])
        larder = start_larder(
            [s3_bucket(own_origin, consistency="immutable", catalog="hive")],
            nightly={"schedule": "", "budget": "64MiB"} | nightly,
        ).start()
        for _ in range(8):
            for offset in (-2, -1):
                larder.client().get_object(Bucket="warehouse", Key=key(offset))["Body"].read()
        larder.restart()
        larder.command("nightly", "--date", TODAY)
        larder.wait_for_whitelist(1)
        larder.wait_for_preload()
        held = [entry["item"] for entry in json.loads(larder.command("whitelist", "show", "--json").stdout)["items"]]
        assert sorted(held) == [item(-2), item(-1)]
        return larder

    return started


def wait_until_resident(larder, name: str):
    def resident():
        found = {entry["item"]: entry for entry in larder.get("residency")["items"]}.get(name)
        return found and found["resident_bytes"] == found["bytes"] > 0

    wait_until(resident, 60, f"{name} on the SSD")
    larder.wait_for_preload()


def read_without_the_origin(larder, origin, path: str, *, polled: bool = True) -> bytes:
    """A daemon that polls lists folders all the time: then what is counted is requests for objects, else every byte."""

    def asked():
        requests = origin.requests("GetObject"), origin.requests("HeadObject")
        return requests if polled else (*requests, origin.bytes_out)

    before = asked()
    body = larder.client().get_object(Bucket="warehouse", Key=path)["Body"].read()
    assert asked() == before, "the origin was asked"
    return body


def event(path: str, name: str = "s3:ObjectCreated:Put") -> dict:
    """As versitygw, MinIO and AWS send it."""
    return {
        "EventName": name,
        "Records": [
            {
                "eventVersion": "2.2",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-11-20T06:00:00Z",
                "eventName": name,
                "userIdentity": {"principalId": "writer"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "raw", "arn": "arn:aws:s3:::raw"},
                    "object": {"key": quote_plus(f"hive/{path}"), "size": 300_000, "eTag": "", "sequencer": "1"},
                },
            }
        ],
    }


def test_the_first_read_of_a_landed_partition_touches_no_byte_of_the_origin(start, own_origin):
    larder = start(landing_poll="1s")
    write(own_origin, 0, "c")
    larder.wait_for_whitelist(2)
    wait_until_resident(larder, item(0))
    assert read_without_the_origin(larder, own_origin, key(0)) == b"c" * 300_000
    history = larder.get("whitelist/history")
    assert history[0]["reason"] == f"landed: {item(0)}"
    explained = larder.command("whitelist", "explain", item(0)).stdout
    assert "landed, worth what its table's newest partitions are" in explained
    stat = larder.stat()
    assert stat["origin_bytes_preload"] == 300_000, "the others were there; what landed is counted as preloaded"


def test_an_event_of_the_storage_brings_a_partition_in_without_a_poll(start, own_origin):
    larder = start(landing_poll="0s")
    write(own_origin, 0, "c")
    answer = larder.post("events/objects", event(key(0)))
    assert answer.status_code == 202 and answer.json() == {"taken": 1, "ignored": 0}, answer.text
    larder.wait_for_whitelist(2)
    wait_until_resident(larder, item(0))
    assert read_without_the_origin(larder, own_origin, key(0), polled=False) == b"c" * 300_000
    # A file that comes later is loaded too.
    write(own_origin, 0, "d", "late")
    assert larder.post("events/objects", event(key(0, "late"))).ok
    larder.wait_for_whitelist(3)
    wait_until_resident(larder, item(0))
    assert read_without_the_origin(larder, own_origin, key(0, "late"), polled=False) == b"d" * 300_000
    assert larder.post("events/objects", {"nonsense": 1}).status_code == 400


def test_a_rewritten_partition_is_loaded_anew(start, own_origin):
    larder = start(landing_poll="1s")
    # Another file in the place of the old one, as engines rewrite partitions; an immutable key is never written twice.
    write(own_origin, -1, "z", "rewritten", 500_000)
    own_origin.client().delete_object(Bucket="raw", Key=f"hive/{key(-1)}")

    def has_its_new_size():
        sizes = {entry["item"]: entry["bytes"] for entry in larder.get("whitelist")["items"]}
        return sizes[item(-1)] == 500_000

    wait_until(has_its_new_size, what="the new size in the whitelist in force")
    wait_until_resident(larder, item(-1))
    assert read_without_the_origin(larder, own_origin, key(-1, "rewritten")) == b"z" * 500_000


def test_with_approval_a_person_puts_the_nights_proposal_in_force(start_larder, own_origin):
    write(own_origin, -1, "a")
    larder = start_larder(
        [s3_bucket(own_origin, consistency="immutable", catalog="hive")],
        nightly={"schedule": "", "budget": "64MiB", "approval": True},
    ).start()
    for _ in range(8):
        larder.client().get_object(Bucket="warehouse", Key=key(-1))["Body"].read()
    larder.restart()
    shown = larder.command("nightly", "--date", TODAY).stdout
    assert "proposed version 1; approve it" in shown, shown
    assert larder.stat()["whitelist_version"] == 0
    assert "waits to be approved" in larder.command("whitelist", "explain", item(-1)).stdout
    assert "proposed" in larder.command("whitelist", "history").stdout
    assert item(-1) in larder.command("whitelist", "diff", 0, 1).stdout
    larder.command("whitelist", "approve", 1)
    larder.wait_for_whitelist(1)
    assert "in force" in larder.command("whitelist", "history").stdout
    again = larder.command("whitelist", "approve", 1, check=False)
    assert again.returncode == 1 and "published before" in again.stderr
