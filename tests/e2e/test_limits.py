"""What is bounded stays within its bounds."""

import contextlib
import os
import threading
from pathlib import Path

import pytest
import requests

from harness.larder import fill_up, s3_bucket
from harness.process import wait_until

MIB = 1 << 20

# What `larder serve` may need beside its memory tier, as docs/configuration.md states it under its limits.
OVERHEAD = 512 * MIB


@pytest.fixture
def many_objects(own_origin):
    body = os.urandom(8 * MIB)
    keys = [f"t/{number:02}.bin" for number in range(48)]
    for number, key in enumerate(keys):
        own_origin.client().put_object(Bucket="raw", Key=f"hive/{key}", Body=body[number:] + body[:number])
    return keys


def taken(folder: Path) -> int:
    """What the files in a folder take on the disk; one that goes meanwhile takes nothing."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_blocks * 512 if file.is_file() else 0
    return total


def test_memory_stays_under_its_limit_while_reads_pour_in(start_larder, own_origin, many_objects):
    """384 MiB are read cold and again, by eight clients at once, through a memory tier of 64 MiB."""
    larder = start_larder(
        [s3_bucket(own_origin, consistency="immutable")],
        cache={"memory": "64MiB", "admit": "all"},
    ).start()
    failures = []

    def read(keys):
        client = larder.client()
        for key in keys:
            try:
                assert len(client.get_object(Bucket="warehouse", Key=key)["Body"].read()) == 8 * MIB
            except Exception as error:  # noqa: BLE001 - shown below
                failures.append(error)

    for _ in range(2):
        readers = [threading.Thread(target=read, args=(many_objects[at::8],)) for at in range(8)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert not failures, failures[:3]
    most = larder.process.resident_bytes_max()
    assert most < 64 * MIB + OVERHEAD, f"{most / MIB:.0f} MiB at most resident"
    assert larder.stat()["memory_used_bytes"] <= 64 * MIB


def test_a_full_file_system_is_read_but_not_written_until_it_has_room(start_larder, own_origin, many_objects):
    """The SSD tier is on a file system of 160 MiB of its own, which something else fills up."""
    larder = start_larder(
        [s3_bucket(own_origin, consistency="immutable")],
        cache={"memory": "16MiB", "ssd": {"path": "small/cache", "capacity": "128MiB"}, "admit": "all"},
    )
    filler = larder.start_on_small_disk()
    client = larder.client()
    read = lambda key: len(client.get_object(Bucket="warehouse", Key=key)["Body"].read())  # noqa: E731
    ssd = lambda: larder.get("residency")["tiers"][1]  # noqa: E731
    for key in many_objects[:4]:
        assert read(key) == 8 * MIB
    wait_until(lambda: ssd()["used_bytes"] >= 32 * MIB, what="the first objects on the SSD")
    fill_up(filler)
    for key in many_objects[4:20]:
        assert read(key) == 8 * MIB
    wait_until(lambda: ssd()["state"] == "full", what="a full disk that is noticed")
    assert "full" in requests.get(f"{larder.admin}/readyz", timeout=5).text
    before = larder.stat()["bytes_ssd"]
    for key in many_objects[:4]:
        assert read(key) == 8 * MIB
    assert larder.stat()["bytes_ssd"] > before, "what it holds is still read"
    filler.unlink()
    wait_until(lambda: ssd()["state"] == "in_use", what="a disk with room that is noticed")
    used = ssd()["used_bytes"]
    for key in many_objects[20:28]:
        assert read(key) == 8 * MIB
    wait_until(lambda: ssd()["used_bytes"] > used + 32 * MIB, what="new objects on the SSD")


def test_the_ssds_capacity_changes_while_it_serves(start_larder, own_origin, many_objects):
    larder = start_larder(
        [s3_bucket(own_origin, consistency="immutable")],
        cache={"memory": "16MiB", "ssd": {"path": "cache", "capacity": "256MiB"}, "admit": "all"},
    ).start()
    client = larder.client()
    for key in many_objects[:24]:
        client.get_object(Bucket="warehouse", Key=key)["Body"].read()
    wait_until(lambda: larder.get("residency")["tiers"][1]["used_bytes"] > 150 * MIB, what="a filled SSD")
    resize = lambda size: requests.put(f"{larder.admin}/api/v1/ssd", json={"capacity_bytes": size}, timeout=30)  # noqa: E731
    answer = resize(64 * MIB)
    assert answer.ok and answer.json()["used_bytes"] <= 64 * MIB, answer.text
    on_disk = taken(larder.folder / "cache")
    assert on_disk <= 64 * MIB, f"{on_disk} bytes on the disk"
    assert resize(1 * MIB).status_code == 400 and "too small" in resize(1 * MIB).text
    assert resize(1 << 60).status_code == 400 and "too large" in resize(1 << 60).text
    assert resize(128 * MIB).json()["capacity_bytes"] == 128 * MIB


def test_the_ssd_never_holds_more_than_its_capacity(start_larder, own_origin, many_objects):
    """384 MiB go through an SSD tier of 128 MiB: what is on disk is measured from outside."""
    larder = start_larder(
        [s3_bucket(own_origin, consistency="immutable")],
        cache={"ssd": {"path": "cache", "capacity": "128MiB"}, "admit": "all"},
    ).start()
    client = larder.client()
    for key in many_objects:
        assert len(client.get_object(Bucket="warehouse", Key=key)["Body"].read()) == 8 * MIB
        on_disk = taken(larder.folder / "cache")
        assert on_disk <= 128 * MIB, f"{on_disk / MIB:.0f} MiB on disk"
    assert larder.stat()["ssd_used_bytes"] <= 128 * MIB


def test_a_client_that_goes_away_leaves_nothing_behind(start_larder, own_origin, many_objects):
    larder = start_larder([s3_bucket(own_origin, consistency="immutable")], cache={"admit": "all"}).start()
    for key in many_objects[:16]:
        stream = larder.client().get_object(Bucket="warehouse", Key=key)["Body"]
        stream.read(1000)
        stream.close()
    # The daemon is as good as new: whole reads are right, and no fill is left hanging.
    for key in many_objects[:16]:
        assert len(larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read()) == 8 * MIB
    assert larder.stat()["fills_in_flight"] == 0


def test_without_an_access_log_reads_go_on_and_leave_no_file(start_larder, own_origin, many_objects):
    larder = start_larder([s3_bucket(own_origin)], logs={"access": False}, cache={"admit": "all"}).start()
    client = larder.client()
    for key in many_objects[:3]:
        assert client.get_object(Bucket="warehouse", Key=key)["Body"].read()
    larder.restart()
    assert not (larder.folder / "logs" / "access").exists()
