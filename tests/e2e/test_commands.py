"""The commands that are not the daemon: what they print is what their users and scripts rely on."""

import contextlib
import datetime
import json
import signal
import socket
import sqlite3
import subprocess
import threading
from xml.etree import ElementTree

import pytest
import requests

from harness.larder import binary
from harness.process import free_port, wait_until


def test_the_demo_tells_the_whole_story_in_figures(tmp_path):
    command = [binary(), "demo", "--scale", "0.01", "--exit", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    figures = json.loads(done.stdout)
    assert {
        "templates",
        "byte_hit_ratio",
        "io_seconds_saved",
        "whitelist_items",
        "preloaded_bytes",
        "origin_bytes",
    } <= set(figures)
    assert figures["templates"]
    for template in figures["templates"]:
        assert template["name"]
        for field in ("local_ms", "direct_ms", "cold_ms", "preloaded_ms"):
            assert template[field] > 0, template
    # Ratios in one run, never times: after the preload, reads no longer pay the remote storage's latency.
    faster = [template["direct_ms"] / template["preloaded_ms"] for template in figures["templates"]]
    assert sorted(faster)[len(faster) // 2] > 1.5, faster
    assert 0 < figures["byte_hit_ratio"] <= 1
    assert figures["io_seconds_saved"] > 0
    assert figures["whitelist_items"] > 0 and figures["preloaded_bytes"] > 0 and figures["origin_bytes"] > 0


def test_simulate_compares_policies_on_the_same_history(tmp_path):
    def simulate(*arguments):
        command = [binary(), "simulate", "--json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    result = simulate("--seed", "7", "--capacity", "0.1")
    assert result["capacity_bytes"] > 0
    policies = {policy["name"]: policy for policy in result["policies"]}
    assert len(policies) >= 3
    for policy in policies.values():
        assert 0 <= policy["byte_hit_ratio"] <= 1 and 0 <= policy["request_hit_ratio"] <= 1
        assert {"io_time_saved", "origin_bytes", "written_bytes", "regret_b0"} <= set(policy)
    assert simulate("--seed", "7", "--capacity", "0.1") == result, "the same seed, the same figures"


def test_simulate_draws_what_each_policy_saves_by_capacity(tmp_path):
    command = [binary(), "simulate", "--curve", "--sample", "0.05", "--json", "--svg"]
    done = subprocess.run(
        [*command, tmp_path / "curve.svg"], capture_output=True, text=True, timeout=280, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    points = json.loads(done.stdout)["points"]
    assert len(points) == 12 and all(0 < point["b1"] <= point["b2"] <= 1.001 for point in points)
    assert ElementTree.parse(tmp_path / "curve.svg").getroot().tag.endswith("svg")
    done = subprocess.run(
        [*command, tmp_path / "absent/curve.svg"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1 and "no folder" in done.stderr


def test_live_commands_count_what_is_read_meanwhile(shared):
    """`stat` and `top` show rates between two looks, so there must be reads between them."""
    begun, stop = threading.Event(), threading.Event()

    def keep_reading():
        client = shared.client()
        while not stop.is_set():
            client.get_object(Bucket="warehouse", Key="tpch/nation/0.parquet")["Body"].read()
            begun.set()

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        assert begun.wait(60), "nothing could be read"
        stat = json.loads(shared.command("stat", "--json", "--count", 1).stdout)
        top = json.loads(shared.command("top", "--json", "--count", 1).stdout)
    finally:
        stop.set()
        reader.join()
    assert stat["get_per_second"] > 0 and stat["errors_per_second"] == 0
    assert top["tables"][0]["table"] == "warehouse.tpch.nation" and top["tables"][0]["requests"] > 0
    for line in (stat, top):
        assert line["problem"] is None and datetime.datetime.fromisoformat(line["time"]).tzinfo


def add_worker(larder, name: str, admin: str):
    """To the fleet that the daemon knows, as if it had been seen now."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    with contextlib.closing(sqlite3.connect(larder.folder / "larder.db")) as store, store:
        store.execute("INSERT INTO worker (id, admin_url, last_seen) VALUES (?, ?, ?)", (name, admin, now))


@contextlib.contextmanager
def watching(larder, *arguments):
    """The JSON lines of a live command, as they come, while it runs."""
    line = [binary(), *arguments, "--json", "--config", str(larder.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=larder.folder) as child:
        try:
            yield (json.loads(said) for said in child.stdout)
            assert child.poll() is None, f"it ended with {child.returncode}"
        finally:
            child.kill()


def test_stat_shows_each_worker_of_the_fleet_and_who_does_not_answer(shared):
    add_worker(shared, "a-gone", f"http://127.0.0.1:{free_port()}")
    try:
        lines = [json.loads(line) for line in shared.command("stat", "--all", "--json", "-n", 1).stdout.splitlines()]
        shown = shared.command("stat", "--all", "-n", 1).stdout.splitlines()
    finally:
        with contextlib.closing(sqlite3.connect(shared.folder / "larder.db")) as store, store:
            store.execute("DELETE FROM worker WHERE id = 'a-gone'")
    assert [line["worker"] == "a-gone" for line in lines] == [True, False]
    assert "no daemon answers" in lines[0]["problem"] and lines[1]["problem"] is None and "get_per_second" in lines[1]
    assert shown[0].startswith("worker") and "no data" in shown[1] and "no data" not in shown[2]


def test_a_worker_that_hangs_keeps_no_other_from_its_line(start_larder):
    larder, other = start_larder().start(), start_larder(name="other").start()
    add_worker(larder, "a-hung", other.admin)
    with watching(larder, "stat", "--all") as lines:
        other.process.child.send_signal(signal.SIGSTOP)
        try:
            hung = next(line for line in lines if line["worker"] == "a-hung" and line["problem"])
            assert "no answer within" in hung["problem"] and "get_per_second" not in hung
            # The next line is of the same look, and the other's.
            healthy = next(lines)
            assert healthy["worker"] != "a-hung" and healthy["problem"] is None and "get_per_second" in healthy
        finally:
            other.process.child.send_signal(signal.SIGCONT)
        assert next(line for line in lines if line["worker"] == "a-hung" and "get_per_second" in line)


@pytest.mark.parametrize("command", ["stat", "top"])
def test_live_commands_outlive_a_restart_of_the_daemon(start_larder, command):
    larder = start_larder().start()
    with watching(larder, command) as lines:
        assert next(lines)["problem"] is None
        assert larder.stop() == 0
        assert next(line for line in lines if "no daemon answers" in (line["problem"] or ""))
        larder.start()
        assert next(line for line in lines if not line["problem"])
    # At the first look it is no daemon that restarts, but perhaps a wrong address.
    assert larder.stop() == 0
    failed = larder.command(command, "--count", 1, check=False)
    assert failed.returncode == 1 and "no daemon answers" in failed.stderr, failed.stderr


def test_without_a_configuration_it_serves_a_folder_and_makes_keys(tmp_path):
    """Design section 7: loopback, `data/objects` as bucket `demo`, a key pair that only its owner can read."""

    def free(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    # The ports are fixed here, so a demo or another run of this test may have them for a while.
    wait_until(lambda: free(9000) and free(9001), 150, "a moment in which nobody has ports 9000 and 9001")
    log = tmp_path / "log"
    with log.open("wb") as out:
        child = subprocess.Popen([binary(), "serve"], cwd=tmp_path, stdout=out, stderr=out)
    try:
        wait_until(lambda: requests.get("http://127.0.0.1:9001/healthz", timeout=2).ok, what="larder without a file")
        kept = [f for f in (tmp_path / "data").rglob("*") if f.is_file() and "key" in f.name.lower()]
        assert kept, list((tmp_path / "data").rglob("*"))
        assert all(f.stat().st_mode & 0o077 == 0 for f in kept)
        assert "demo" in log.read_text()
    finally:
        child.terminate()
        assert child.wait(20) == 0, log.read_text()
