"""Child processes: started with their output in a file, waited for by a condition, stopped by signal."""

import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# A file of no bytes, of which byte N is locked by the process that was given port N. It is opened once and stays open: a
# process that closes a descriptor of it, whichever, gives all of its ports back.
PORTS_FILE = os.open(f"{tempfile.gettempdir()}/larder-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
# Below the range that outgoing connections take, so that none of those can grab one. Each is tried once: a process's own
# locks do not keep it from a port.
PORTS = iter(random.sample(range(12_000, 30_001), 18_001))


def free_port() -> int:
    """A port nobody listens on, and which no other process of this user is given until this one has ended.

    A server may take its time to start, or be away for a restart. The kernel lets go of the locks of a process, however
    that ends."""
    for port in PORTS:
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            fcntl.lockf(PORTS_FILE, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("this process has tried every port")


def wait_until(condition, seconds: float = 20, what: str = "the condition"):
    """Asks `condition` until it returns something true, and returns that; what it raises counts as not yet."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if last := condition():
                return last
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown if the time runs out
            last = error
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds:g} s; last seen: {last!r}")


class Process:
    """A child process whose output goes to `log`."""

    def __init__(self, command: list, log: Path, **options):
        self.log = log
        self.name = Path(command[0]).name
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self.child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, **options)

    @property
    def pid(self) -> int:
        return self.child.pid

    def wait_ready(self, condition, seconds: float = 30):
        """Waits for `condition`; a child that ends before it fails at once, with its output."""

        def ready():
            if self.child.poll() is not None:
                return "ended"
            return condition()

        try:
            answer = wait_until(ready, seconds, f"{self.name}")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.output()}") from None
        if answer == "ended":
            raise AssertionError(f"{self.name} ended with {self.child.returncode} before it was ready\n{self.output()}")

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM, then the exit status; a child that does not leave is killed and fails the test."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {seconds:g} s\n{self.output()}") from None

    def kill(self):
        """SIGKILL: what a power loss looks like from inside."""
        self.child.kill()
        self.child.wait()

    def output(self, lines: int = 60) -> str:
        """The end of what it printed."""
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join([f"--- {self.log} (last {lines} lines)", *text[-lines:]])

    def cpu_seconds(self) -> float:
        """CPU time that it has spent, user and system."""
        # The command's name, in parentheses, may hold spaces; what follows it is numbers, in ticks the 12th and 13th.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes_max(self) -> int:
        """The most memory it ever had in RAM (VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} has no VmHWM")
