"""What is on the SSD is served after a restart, a kill included, while the origin does not answer at all."""

import contextlib
import os
import random
import threading
import time

import pytest

from harness.larder import s3_bucket
from harness.process import wait_until

SIZE = 24 << 20


@pytest.mark.parametrize("kill", [False, True], ids=["SIGTERM", "kill -9"])
def test_a_second_process_serves_from_ssd_with_the_origin_gone(start_larder, own_origin, kill):
    bodies = {f"t/{number}.bin": os.urandom(SIZE // 4) for number in range(4)}
    for key, body in bodies.items():
        own_origin.client().put_object(Bucket="raw", Key=f"hive/{key}", Body=body)
    larder = start_larder([s3_bucket(own_origin, consistency="immutable")]).start()
    client = larder.client()
    for key, body in bodies.items():
        assert client.get_object(Bucket="warehouse", Key=key)["Body"].read() == body
    wait_until(lambda: larder.stat()["ssd_used_bytes"] >= SIZE, what="the blocks on the SSD")

    own_origin.unplug()
    if kill:
        larder.kill()
    else:
        assert larder.stop() == 0
    larder.spawn()
    wait_until(lambda: larder.get("stat"), what="the admin API")
    before = own_origin.bytes_out
    client = larder.client()
    for key, body in bodies.items():
        assert client.get_object(Bucket="warehouse", Key=key)["Body"].read() == body, "a wrong byte after the restart"
    stat = larder.stat()
    assert stat["bytes_ssd"] == SIZE and stat["bytes_origin"] == 0
    assert own_origin.bytes_out == before
    own_origin.plug_in()


def test_killed_while_it_writes_it_never_serves_a_wrong_byte(start_larder, own_origin):
    """Killed at ten moments of a stream of fills; afterwards every byte is right, wherever it comes from."""
    body = os.urandom(8 << 20)
    keys = [f"t/{number}.bin" for number in range(6)]
    for number, key in enumerate(keys):
        own_origin.client().put_object(Bucket="raw", Key=f"hive/{key}", Body=body[number:] + body[:number])
    larder = start_larder([s3_bucket(own_origin, consistency="strict")], cache={"memory": "64MiB"})
    for round_ in range(5):
        larder.start()
        client = larder.client()
        for number, key in enumerate(keys):
            answer = client.get_object(Bucket="warehouse", Key=key)["Body"].read()
            assert answer == body[number:] + body[:number], (round_, key)
            if number == round_:
                break
        larder.kill()
    larder.start()


def taken_below(folder) -> int:
    """What the files of a folder take on the disk, while the process may remove some."""
    taken = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            taken += file.stat().st_blocks * 512 if file.is_file() else 0
    return taken


def test_killed_under_load_again_and_again_it_never_serves_a_wrong_byte(start_larder, own_origin):
    """Eight clients read random ranges through an SSD tier that is too small, while the process is killed at random."""
    dice = random.Random(9)
    bodies = {f"t/{number}.bin": dice.randbytes(6 << 20) for number in range(24)}
    for key, body in bodies.items():
        own_origin.client().put_object(Bucket="raw", Key=f"hive/{key}", Body=body)
    cache = {"memory": "32MiB", "ssd": {"path": "cache", "capacity": "96MiB"}, "admit": "all"}
    larder = start_larder([s3_bucket(own_origin, consistency="immutable")], cache=cache)
    wrong, right, over = [], [], threading.Event()

    def read(seed):
        dice, client = random.Random(seed), larder.client()
        while not over.is_set():
            key = dice.choice(list(bodies))
            start = dice.randrange(6 << 20)
            end = min(start + dice.choice([100, 70_000, 3 << 20]), (6 << 20) - 1)
            try:
                got = client.get_object(Bucket="warehouse", Key=key, Range=f"bytes={start}-{end}")["Body"].read()
            except Exception:  # noqa: BLE001 - the process is gone, or not there yet
                continue
            (right if got == bodies[key][start : end + 1] else wrong).append((key, start, end))

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    larder.start()
    for reader in readers:
        reader.start()
    read_before = 0
    for _ in range(8):
        # Each life serves something before it ends.
        wait_until(lambda: len(right) > read_before + 20 or wrong, 60, "reads")
        time.sleep(dice.random() / 4)
        larder.kill()
        read_before = len(right)
        larder.start()
        taken = taken_below(larder.folder / "cache")
        assert taken <= 96 << 20, f"{taken} bytes on the disk"
    over.set()
    for reader in readers:
        reader.join()
    assert not wrong, wrong[:3]
    assert larder.metric("larder_tier_errors_total", tier="ssd", kind="checksum") == 0, "a kill damages no block"


def test_another_block_length_or_a_broken_tier_starts_afresh(start_larder, own_origin):
    body = os.urandom(4 << 20)
    own_origin.client().put_object(Bucket="raw", Key="hive/t/x.bin", Body=body)
    larder = start_larder([s3_bucket(own_origin)]).start()
    read = lambda: larder.client().get_object(Bucket="warehouse", Key="t/x.bin")["Body"].read()  # noqa: E731
    assert read() == body
    larder.settings["cache"]["block"] = "512KiB"
    larder.restart()
    assert read() == body
    assert larder.stop() == 0
    for file in (larder.folder / "cache").rglob("*"):
        if file.is_file() and file.stat().st_size:
            with file.open("r+b") as damaged:
                damaged.write(os.urandom(min(65536, file.stat().st_size)))
    larder.start()
    assert read() == body
    assert read() == body


def test_ssd_bytes_that_were_changed_are_never_served(start_larder, own_origin):
    body = os.urandom(16 << 20)
    own_origin.client().put_object(Bucket="raw", Key="hive/t/x.bin", Body=body)
    larder = start_larder([s3_bucket(own_origin, consistency="immutable")]).start()
    read = lambda: larder.client().get_object(Bucket="warehouse", Key="t/x.bin")["Body"].read()  # noqa: E731
    assert read() == body
    wait_until(lambda: larder.stat()["ssd_used_bytes"] >= len(body), what="the blocks on the SSD")
    assert larder.stop() == 0
    changed = 0
    for file in (larder.folder / "cache").rglob("*"):
        if not file.is_file():
            continue
        data = file.read_bytes()
        for start in range(0, len(body), 1 << 20):
            at = data.find(body[start + 1000 : start + 1064])
            if at >= 0:
                with file.open("r+b") as damaged:
                    damaged.seek(at)
                    damaged.write(b"rot!" * 4)
                changed += 1
    assert changed >= 8, "the blocks were not found on the SSD"
    larder.start()
    assert read() == body
    assert larder.metric("larder_tier_errors_total", tier="ssd") > 0 or larder.stat()["bytes_origin"] > 0


def test_sigterm_finishes_the_read_under_way(start_larder, own_origin):
    body = os.urandom(40 << 20)
    own_origin.client().put_object(Bucket="raw", Key="hive/t/x.bin", Body=body)
    larder = start_larder([s3_bucket(own_origin)]).start()
    stream = larder.client().get_object(Bucket="warehouse", Key="t/x.bin")["Body"]
    first = stream.read(1 << 20)
    larder.process.child.terminate()
    assert first + stream.read() == body
    # One signal: a second one would end it at once.
    assert larder.process.child.wait(30) == 0
