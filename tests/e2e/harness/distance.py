"""A simulated distance before an S3 server: what a client reads through it comes from far away, and is counted."""

from pathlib import Path

import requests

from .larder import binary
from .process import Process, free_port


class Distance:
    """`larder-bench distance` before the server at the port `upstream`, reached at `endpoint`."""

    def __init__(self, folder: Path, upstream: int):
        self.port = free_port()
        command = [binary("larder-bench"), "distance", "--upstream", f"127.0.0.1:{upstream}"]
        self.process = Process([*command, "--listen", f"127.0.0.1:{self.port}"], folder / "distance.log")
        self.process.wait_ready(self.traffic)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def describe(self) -> dict[str, str]:
        """What is simulated in the quiet hour and in the busy one, in words."""
        return dict(line.split(": ", 1) for line in self.process.log.read_text().splitlines()[1:3])

    def traffic(self) -> dict[str, int]:
        """Requests it passed on and bytes of bodies that came back, since it started."""
        return requests.get(f"{self.endpoint}/_traffic", timeout=10).json()

    def begin(self, hour: str):
        """The `busy` hour, or the `quiet` one."""
        requests.put(f"{self.endpoint}/_hour/{hour}", timeout=10).raise_for_status()

    def stop(self):
        self.process.stop()
