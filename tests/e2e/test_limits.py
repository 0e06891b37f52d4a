"""What is bounded stays within its bounds."""

import os
import threading

import pytest

from harness.larder import s3_bucket

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


def test_the_ssd_never_holds_more_than_its_capacity(start_larder, own_origin, many_objects):
    """384 MiB go through an SSD tier of 128 MiB: what is on disk is measured from outside."""
    larder = start_larder(
        [s3_bucket(own_origin, consistency="immutable")],
        cache={"ssd": {"path": "cache", "capacity": "128MiB"}, "admit": "all"},
    ).start()
    client = larder.client()
    for key in many_objects:
        assert len(client.get_object(Bucket="warehouse", Key=key)["Body"].read()) == 8 * MIB
        on_disk = sum(f.stat().st_blocks * 512 for f in (larder.folder / "cache").rglob("*") if f.is_file())
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
