"""A real Prometheus, and the `promtool` that comes with it, from Debian's package."""

import subprocess
from pathlib import Path

import requests
import yaml

from . import parts
from .process import Process, free_port


def program(name: str) -> Path:
    return parts.debian("prometheus") / "usr" / "bin" / name


def promtool(*arguments) -> str:
    """What `promtool ARGUMENTS` prints; an AssertionError with that if it finds something wrong."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, timeout=120, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed


class Prometheus:
    """A server that scrapes and evaluates its rules many times a second. `config` is its configuration but for that; its rule
    files are looked for in `folder`."""

    def __init__(self, folder: Path, config: dict):
        folder.mkdir(parents=True, exist_ok=True)
        often = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump({"global": often} | config))
        promtool("check", "config", file)
        self.port = free_port()
        command = [program("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
        # Debian's pages of the server are packages of their own.
        command += [f"--web.listen-address=127.0.0.1:{self.port}", f"--web.local-assets={folder}"]
        self.process = Process(command, folder / "prometheus.log", cwd=folder)
        self.process.wait_ready(lambda: requests.get(f"{self.url}/-/ready", timeout=5).ok)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, /, **query):
        """The `data` of an answer of its API."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=30)
        assert answer.ok, f"GET {path} {query}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    def values(self, expression: str) -> list[float]:
        """The value of each series that the expression has now."""
        return [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]

    def rules(self) -> list[dict]:
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def stop(self):
        self.process.stop()
