"""Wrong configuration, absent origins, broken logs: each is named, with its place, and nothing hangs or panics."""

import datetime
import json
import os
import socket
import subprocess
import time

import pytest
import requests

from harness.larder import Larder, binary, s3_bucket
from harness.origin import SECRET
from harness.process import wait_until

GOOD = """\
[s3]
listen = "127.0.0.1:9000"
[[s3.keys]]
id = "a"
secret = "b"
[cache]
memory = "64MiB"
ssd = { path = "FOLDER/cache", capacity = "128MiB" }
[store]
url = "sqlite://FOLDER/larder.db"
[[bucket]]
name = "lake"
origin = "file://FOLDER"
consistency = "strict"
[nightly]
window = "3h"
rate = "200MiB/s"
"""

SSD = 'ssd = { path = "FOLDER/cache", capacity = "128MiB" }'


def check_config(folder, text: str) -> subprocess.CompletedProcess:
    path = folder / "larder.toml"
    path.write_text(text)
    command = [binary(), "check-config", "--config", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=folder, check=False)


def test_a_good_configuration_passes(tmp_path):
    done = check_config(tmp_path, GOOD.replace("FOLDER", str(tmp_path)))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line, wrong, named",
    [
        ('memory = "64MiB"', 'memroy = "64MiB"', ["memroy"]),
        ('memory = "64MiB"', 'memory = "lots"', ["memory", "lots"]),
        ('memory = "64MiB"', "memory = -5", ["memory"]),
        ('memory = "64MiB"', 'memory = "64MiB"\nadmit = "some"', ["some", "whitelist", "all"]),
        (SSD, SSD.replace(" }", ', policy = "mru" }'), ["mru", "s3fifo", "lrfu"]),
        (SSD, SSD.replace(" }", ", lrfu_lambda = 2 }"), ["lrfu_lambda", "2", "0 to 1"]),
        (SSD, SSD.replace(" }", ", adaptive = 101 }"), ["adaptive", "101", "0 to 100"]),
        ('consistency = "strict"', 'consistency = "eventual"', ["eventual", "immutable", "strict", "revalidate"]),
        ('consistency = "strict"', 'consistency = { revalidate = "soon" }', ["soon"]),
        ('listen = "127.0.0.1:9000"', 'listen = "localhost"', ["listen"]),
        ('secret = "b"', 'access = "admin"\nsecret = "b"', ["admin", "read", "write"]),
        ('name = "lake"', 'name = "lake"\ncolour = "red"', ["colour"]),
        ('window = "3h"', 'window = "three hours"', ["three hours"]),
        ('rate = "200MiB/s"', 'rate = "200MiB"', ["200MiB", "/s"]),
        ("[nightly]", "[nightyl]", ["nightyl"]),
        ("[nightly]", "[nightly", ["line"]),
        ('origin = "file://FOLDER"', 'origin = "ftp://x"', ["ftp://", "s3://"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_line_is_named_with_what_it_allows(tmp_path, line, wrong, named):
    assert line in GOOD
    text, wrong = (part.replace("FOLDER", str(tmp_path)) for part in (GOOD.replace(line, wrong), wrong))
    done = check_config(tmp_path, text)
    assert done.returncode == 1, (done.stdout, done.stderr)
    shown = done.stdout + done.stderr
    for word in named:
        assert word in shown, shown
    assert "panicked" not in shown
    number = next(n for n, t in enumerate(text.splitlines(), 1) if t == wrong.splitlines()[-1])
    lines = {str(number), str(number - wrong.count("\n"))}
    assert any(f"line {n}" in shown or f":{n}" in shown for n in lines), f"no line number ({lines}):\n{shown}"


def test_an_unknown_key_warns_at_start_and_does_not_stop_it(start_larder, origin):
    larder = start_larder([s3_bucket(origin)])
    larder.settings["cache"]["memroy"] = "1GiB"
    larder.start()
    assert "memroy" in larder.process.log.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["serve", "--no-such-option"],
        ["nightly", "--date", "yesterday-ish"],
        ["ingest"],
        ["simulate", "--history", "--trace", "reads.csv"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments):
    done = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2, done.stderr
    assert "Usage" in done.stderr or "--help" in done.stderr


def test_every_command_has_help():
    commands = "demo serve nightly whitelist preload ingest simulate stat top check-config".split()
    for command in commands:
        done = subprocess.run([binary(), command, "--help"], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0 and "Usage" in done.stdout, command


def test_a_missing_configuration_file_is_named(tmp_path):
    command = [binary(), "serve", "--config", tmp_path / "absent.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "absent.toml" in done.stderr


def not_ready(larder: Larder) -> str:
    """What /readyz says while it is not 200."""
    larder.spawn()
    return wait_until(
        lambda: (answer := requests.get(f"{larder.admin}/readyz", timeout=30)).status_code == 503 and answer.text,
        40,
        "a /readyz of 503",
    )


def test_an_origin_that_does_not_answer_is_named(start_larder, own_origin):
    own_origin.unplug()
    larder = start_larder([s3_bucket(own_origin)])
    began = time.monotonic()
    assert "warehouse" in not_ready(larder)
    assert time.monotonic() - began < 40
    assert requests.get(f"{larder.admin}/healthz", timeout=5).ok, "alive, though not ready"
    with pytest.raises(Exception) as raised:
        larder.client().get_object(Bucket="warehouse", Key="a")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    own_origin.plug_in()
    wait_until(lambda: requests.get(f"{larder.admin}/readyz", timeout=30).ok, 60, "readiness once the origin is back")


def test_an_origin_that_refuses_the_credentials_is_named(start_larder, own_origin):
    larder = start_larder([s3_bucket(own_origin, options={"secret_access_key": "wrong-secret"})])
    text = not_ready(larder)
    assert "warehouse" in text and ("credential" in text or "refuse" in text), text
    for secret in (SECRET, "wrong-secret"):
        assert secret not in text


def test_a_missing_origin_bucket_is_named(start_larder, own_origin):
    larder = start_larder([s3_bucket(own_origin, at="s3://no-such-bucket/hive")])
    text = not_ready(larder)
    assert "warehouse" in text and "no-such-bucket" in text, text


def ends_with_an_error(larder: Larder) -> str:
    """The daemon must refuse to start: status 1, and words."""
    larder.spawn()
    status = larder.process.child.wait(30)
    text = larder.process.log.read_text(errors="replace")
    assert status == 1, text
    assert "panicked" not in text
    return text


def test_an_ssd_path_that_cannot_be_written_is_named(start_larder, origin, tmp_path):
    blocked = tmp_path / "a-file"
    blocked.write_text("in the way")
    larder = start_larder(cache={"ssd": {"path": str(blocked / "cache"), "capacity": "512MiB"}})
    assert str(blocked) in ends_with_an_error(larder)


def test_an_ssd_capacity_that_is_too_small_is_named(start_larder, origin, tmp_path):
    larder = start_larder(cache={"ssd": {"path": str(tmp_path / "cache"), "capacity": "1MiB"}})
    text = ends_with_an_error(larder)
    assert "capacity" in text and "64" in text, text


@pytest.mark.parametrize("which", ["s3", "admin"])
def test_a_port_in_use_is_named(start_larder, origin, which):
    larder = start_larder()
    port = larder.s3_port if which == "s3" else larder.admin_port
    with socket.create_server(("127.0.0.1", port)):
        assert str(port) in ends_with_an_error(larder)


def test_it_listens_beyond_loopback_only_with_keys(start_larder, origin):
    larder = start_larder()
    larder.settings["s3"]["listen"] = f"0.0.0.0:{larder.s3_port}"
    larder.settings["s3"]["keys"] = []
    assert "key" in ends_with_an_error(larder)


def test_a_log_with_broken_lines_is_taken_but_for_those(start_larder, origin, tmp_path):
    larder = start_larder()
    now = datetime.datetime.now(datetime.UTC).isoformat()
    good = {
        "query_id": "q{}",
        "engine": "trino",
        "created": now,
        "ended": now,
        "reads": [{"table": "warehouse.tpch.lineitem", "partitions": ["l_year=1997"], "bytes": 1000}],
    }
    lines = [json.dumps(good).replace("q{}", f"q{number}") for number in range(5)]
    lines.insert(1, "{ this is no JSON")
    lines.insert(3, json.dumps({"query_id": "x"}))
    lines.insert(6, '"only a string"')
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines) + "\n")
    done = larder.command("ingest", "generic", path, check=False)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    for number in (2, 4, 7):
        assert f"line {number}" in shown or f":{number}" in shown, shown
    assert "5" in shown and "3" in shown
    again = larder.command("ingest", "generic", path)
    assert "panicked" not in again.stdout + again.stderr


def test_an_absent_log_and_an_unknown_format_are_named(start_larder, origin, tmp_path):
    larder = start_larder()
    done = larder.command("ingest", "generic", tmp_path / "absent.jsonl", check=False)
    assert done.returncode == 1 and "absent.jsonl" in done.stderr
    done = larder.command("ingest", "csv", tmp_path / "absent.jsonl", check=False)
    assert done.returncode == 2 and "generic" in done.stderr


@pytest.mark.parametrize("path", ["events/trino", "events/presto", "events/generic", "preload", "drop"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"items": 5}', os.urandom(100)], ids=range(6))
def test_malformed_posts_are_client_errors_in_json(shared, path, body):
    answer = requests.post(
        f"{shared.admin}/api/v1/{path}", data=body, headers={"Content-Type": "application/json"}, timeout=30
    )
    assert answer.status_code < 500
    if answer.status_code >= 400:
        # Events are taken one by one, so their answer counts and names the broken ones.
        assert answer.json().get("error") or "broken_entries" in answer.json()
    assert requests.get(f"{shared.admin}/readyz", timeout=10).ok


def test_what_the_api_does_not_have_is_404_in_json(shared):
    answer = requests.get(f"{shared.admin}/api/v1/no-such-thing", timeout=10)
    assert answer.status_code == 404 and answer.json()["error"]
