"""Larder as a user runs it: a configuration file, `larder serve`, and the other commands beside it."""

import contextlib
import datetime
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import requests

from . import origin as origin_module
from .process import Process, free_port, wait_until

WRITER, WRITER_SECRET = "writer", "writer-secret-0123456789"
READER, READER_SECRET = "analyst", "analyst-secret-0123456789"
OTHER, OTHER_SECRET = "stranger", "stranger-secret-0123456789"


def binary(name: str = "larder") -> str:
    folder = os.environ.get("LARDER_BIN")
    found = str(Path(folder) / name) if folder else shutil.which(name)
    if not found or not Path(found).exists():
        raise RuntimeError(f"`{name}` is not built: start the suite with ./test, which builds it")
    return found


def to_toml(value) -> str:
    """An inline TOML value; JSON's strings, numbers, booleans and arrays are TOML's too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {to_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(to_toml(item) for item in value) + "]"
    return json.dumps(value)


def s3_bucket(origin, name: str = "warehouse", at: str = "s3://raw/hive", consistency="strict", **more) -> dict:
    """A `[[bucket]]` whose origin is the test's S3 server."""
    options = {
        "endpoint": origin.endpoint,
        "region": origin_module.REGION,
        "allow_http": "true",
        "access_key_id": origin_module.KEY,
        "secret_access_key": origin_module.SECRET,
    }
    return {"name": name, "origin": at, "consistency": consistency, "options": options | more.pop("options", {}), **more}


def local_bucket(folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    return {"name": "lake", "origin": f"file://{folder}", "consistency": "immutable"}


def fill_up(file: Path):
    """Writes to it until its file system is full."""
    with contextlib.suppress(OSError), file.open("wb") as filler:
        while True:
            filler.write(bytes(1 << 20))
            filler.flush()


class Larder:
    """One daemon with a folder of its own. Settings are the configuration's tables; `settings` may be changed between
    two starts."""

    def __init__(self, folder: Path, buckets: list[dict], **tables):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # A bucket that only the stranger's key names.
        (folder / "elsewhere").mkdir(exist_ok=True)
        buckets = [*buckets, {"name": "elsewhere", "origin": f"file://{folder}/elsewhere"}]
        self.s3_port, self.admin_port = free_port(), free_port()
        self.settings = {
            "s3": {
                "listen": f"127.0.0.1:{self.s3_port}",
                "keys": [
                    {"id": WRITER, "secret": WRITER_SECRET, "buckets": ["*"], "access": "write"},
                    {"id": READER, "secret": READER_SECRET, "buckets": ["*"], "access": "read"},
                    {"id": OTHER, "secret": OTHER_SECRET, "buckets": ["elsewhere"], "access": "write"},
                ],
            },
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "store": {"url": f"sqlite://{folder}/larder.db"},
            "logs": {"path": str(folder / "logs")},
            "cache": {"memory": "64MiB", "ssd": {"path": str(folder / "cache"), "capacity": "512MiB"}},
            "bucket": buckets,
        }
        for table, values in tables.items():
            self.settings[table] = self.settings.get(table, {}) | values
        self.process: Process | None = None
        self.scheme = "http"
        # What requests to the admin API carry, such as a token.
        self.admin_headers: dict[str, str] = {}

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.s3_port}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def config(self) -> Path:
        """The configuration file, written anew from `settings`."""
        lines = []
        for table, values in self.settings.items():
            for entry in values if isinstance(values, list) else [values]:
                lines.append(f"[[{table}]]" if isinstance(values, list) else f"[{table}]")
                lines += [f"{key} = {to_toml(value)}" for key, value in entry.items()]
        path = self.folder / "larder.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def spawn(self, before: list = (), **options) -> "Larder":
        """Starts the daemon without waiting for it, by the command `before` if there is one."""
        log = self.folder / "larder.log"
        # The folder is the working directory, so that a default path of the daemon can never land in the clone.
        self.process = Process([*before, binary(), "serve", "--config", self.config], log, cwd=self.folder, **options)
        return self

    def start(self, **options) -> "Larder":
        self.spawn(**options)
        self.process.wait_ready(lambda: requests.get(f"{self.admin}/readyz", timeout=2).ok)
        return self

    def start_on_small_disk(self) -> Path:
        """Starts it with its folder `small` on a file system of 160 MiB of its own, and returns the path of a file there
        as others see it, for `fill_up`."""
        (self.folder / "small").mkdir()
        mount = f"mount -t tmpfs -o size=160m tmpfs {self.folder}/small"
        self.start(before=["unshare", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec "$0" "$@"'])
        return Path(f"/proc/{self.process.pid}/root{self.folder}/small/filler")

    def stop(self) -> int:
        return self.process.stop()

    def kill(self):
        self.process.kill()

    def restart(self, *, kill: bool = False) -> "Larder":
        if kill:
            self.kill()
        else:
            assert self.stop() == 0, self.process.output()
        return self.start()

    @contextlib.contextmanager
    def killed_during(
        self, query: Callable, bucket: str, prefix: str, origin_held: contextlib.AbstractContextManager
    ) -> Iterator[Future]:
        """Kills it in the middle of the reads of `query`, and yields the future of that, which has ended when this is left.

        What is below `prefix` is dropped first, and the origin hands none of it out as long as `origin_held` is entered;
        all else that the query reads is held. So of that the bytes come at once, and for the others the query waits."""
        dropped = self.post("drop", {"locations": [{"bucket": bucket, "prefix": prefix}]})
        assert dropped.json()["bytes"] > 0
        sent = self.metric("larder_get_bytes_total")

        def in_the_middle() -> bool:
            return self.metric("larder_get_bytes_total") > sent and self.metric("larder_fills_in_flight") > 0

        with ThreadPoolExecutor(1) as pool:
            with origin_held:
                answer = pool.submit(query)
                wait_until(in_the_middle, 60, "bytes that are held and a wait for others")
                self.kill()
            yield answer

    def client(self, key: str = WRITER, secret: str = WRITER_SECRET, **options):
        return origin_module.s3_client(self.endpoint, key, secret, **options)

    def command(self, *arguments, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess:
        """Another `larder` command on the same configuration."""
        line = [binary(), *map(str, arguments), "--config", str(self.config)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=seconds, cwd=self.folder, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(line)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def get(self, path: str, /, **query):
        """A JSON answer of the admin API."""
        answer = requests.get(f"{self.admin}/api/v1/{path}", params=query, headers=self.admin_headers, timeout=30)
        assert answer.ok, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body, seconds: float = 30) -> requests.Response:
        return requests.post(f"{self.admin}/api/v1/{path}", json=body, headers=self.admin_headers, timeout=seconds)

    def stat(self) -> dict:
        return self.get("stat")

    def metric(self, name: str, **labels) -> float:
        """The sum of a metric's samples that carry these labels; an absent one has not counted yet."""
        total = 0.0
        for line in requests.get(f"{self.admin}/metrics", timeout=30).text.splitlines():
            match = re.fullmatch(r"([a-zA-Z_:]+)(?:\{(.*)\})? ([^ ]+)(?: [0-9]+)?", line)
            if match and match[1] == name:
                found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if labels.items() <= found.items():
                    total += float(match[3])
        return total

    def night(self) -> dict:
        """Runs a night with today's reads, and waits until its whitelist is followed and held."""
        self.command("nightly", "--date", datetime.datetime.now(datetime.UTC).date().isoformat())
        document = json.loads(self.command("whitelist", "show", "--json").stdout)
        self.wait_for_whitelist(document["version"])
        self.wait_for_preload()
        return document

    def pin(self, *items: str):
        for item in items:
            self.command("whitelist", "pin", item)
        self.night()

    def list_only(self, *items: str):
        """Pins these, and brings a list of them into force for which nothing is loaded."""
        for item in items:
            self.command("whitelist", "pin", item)
        self.command("whitelist", "plan")
        version = json.loads(self.command("whitelist", "history", "--json").stdout)[0]["version"]
        self.command("whitelist", "approve", version)
        self.wait_for_whitelist(version)

    def wait_for_whitelist(self, version: int):
        """Until the data path follows this version."""
        wait_until(lambda: self.stat()["whitelist_version"] == version, what=f"whitelist {version} in the data path")

    def wait_for_preload(self) -> dict:
        """Until the preload under way has ended; its status."""

        def ended():
            status = self.get("preload")
            return None if status["running"] else status

        return wait_until(ended, 60, "the end of the preload")
