"""Trino's mapping as a file: it names Larder while Larder is there, and never when it is gone."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest
import requests

from harness.larder import WRITER, s3_bucket
from harness.process import wait_until

ITEM, FOLDER = "hive.tpch.lineitem/l_year=1997", "s3://raw/hive/tpch/lineitem/l_year=1997/"
DEFAULT = {"useClusterDefault": True}


@pytest.fixture
def start(start_larder, origin, tmp_path):
    """Starts a daemon that keeps the mapping in one and the same file, and lists one partition."""

    def make(name: str, s3: dict | None = None, **hook):
        larder = start_larder(
            [s3_bucket(origin, "raw", "s3://raw", catalog="hive")],
            name=name,
            nightly={"schedule": ""},
            s3=s3 or {},
            hook={"key": WRITER, "mapping_file": str(tmp_path / "mapping.json")} | hook,
        ).start()
        larder.command("whitelist", "pin", ITEM)
        larder.command("nightly")
        larder.wait_for_whitelist(1)
        return larder

    make.file = tmp_path / "mapping.json"
    return make


def entries(file: Path) -> list[dict]:
    *others, last = json.loads(file.read_text())["mappings"]
    assert last == DEFAULT
    return others


def wait_for(file: Path, *endpoints: str):
    """Until the file names these endpoints for the one folder."""

    def named():
        assert all(entry["prefix"] == FOLDER for entry in entries(file))
        return [entry["endpoint"] for entry in entries(file)] == list(endpoints)

    # A Larder that hangs is left out after three times five seconds.
    wait_until(named, 60, f"{endpoints} in the mapping")


def guards(larder) -> list[int]:
    """Its child processes, whichever of its threads started them."""
    threads = Path(f"/proc/{larder.process.pid}/task").glob("*/children")
    return [int(pid) for thread in threads for pid in thread.read_text().split()]


def test_the_mapping_is_taken_back_at_a_normal_end_and_when_larder_is_killed(start):
    larder = start("larder")
    wait_for(start.file, larder.endpoint)
    assert larder.stop() == 0
    assert entries(start.file) == []
    larder.start()
    wait_for(start.file, larder.endpoint)
    larder.kill()
    wait_for(start.file)


def test_a_second_larder_waits_until_the_file_is_free(start):
    first = start("first")
    wait_for(start.file, first.endpoint)
    second = start("second")

    def by_http():
        mappings = requests.get(f"{second.admin}/api/v1/mappings/trino", timeout=10).json()["mappings"]
        return [entry.get("endpoint") for entry in mappings] == [second.endpoint, None]

    wait_until(by_http, what="the second one's own mapping")
    assert [entry["endpoint"] for entry in entries(start.file)] == [first.endpoint]
    first.kill()
    wait_for(start.file, second.endpoint)


def test_a_guard_that_is_killed_is_replaced(start):
    larder = start("larder")
    wait_for(start.file, larder.endpoint)
    (guard,) = guards(larder)
    os.kill(guard, signal.SIGKILL)
    # Larder is not named as long as nobody could take that back.
    wait_for(start.file)
    wait_for(start.file, larder.endpoint)
    assert guards(larder) not in ([], [guard])
    larder.kill()
    wait_for(start.file)


def test_the_mapping_by_http_wants_the_token_that_is_configured(start):
    larder = start("larder", token="open-sesame")
    url = f"{larder.admin}/api/v1/mappings/trino"
    refused = requests.get(url, timeout=10)
    assert refused.status_code == 403 and "token" in refused.text and "secret" not in refused.text
    assert requests.get(f"{url}?token=open-sesame", timeout=10).json()["mappings"][-1] == DEFAULT


def test_an_endpoint_that_has_no_room_is_left_out_until_it_has(start, start_larder):
    larder = start("one", s3={"connections_max": 4})
    wait_for(start.file, larder.endpoint)
    path = {"path": f"{FOLDER}part"}
    route = lambda: requests.get(f"{larder.admin}/api/v1/resolve", params=path, timeout=30).json()["route"]  # noqa: E731
    ready = lambda: requests.get(f"{larder.admin}/readyz", timeout=30)  # noqa: E731
    assert route() == "cached" and ready().ok
    held = [socket.create_connection(("127.0.0.1", larder.s3_port)) for _ in range(4)]
    try:
        wait_for(start.file)
        assert route() == "direct"
        assert ready().status_code == 503 and "does not answer" in ready().text
        assert larder.metric("larder_endpoint_answers") == 0
    finally:
        for connection in held:
            connection.close()
    wait_for(start.file, larder.endpoint)
    assert route() == "cached" and ready().ok
    assert larder.metric("larder_endpoint_answers") == 1


def test_a_larder_that_hangs_is_left_out_until_it_goes_on(start):
    larder = start("one")
    wait_for(start.file, larder.endpoint)
    os.kill(larder.process.pid, signal.SIGSTOP)
    try:
        wait_for(start.file)
    finally:
        os.kill(larder.process.pid, signal.SIGCONT)
    wait_for(start.file, larder.endpoint)
    # What the guard puts back is not in the way of what Larder says next.
    larder.command("whitelist", "deny", ITEM)
    larder.command("nightly")
    wait_for(start.file)
