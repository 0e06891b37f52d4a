"""The origin: versitygw over a folder, reached through a relay that counts every byte it hands out.

Larder's own counters are among the things under test, so "no byte came from the origin" is asserted on the relay's.
"""

import contextlib
import os
import re
import shutil
import socket
import threading
from pathlib import Path

import boto3
import requests
from botocore.config import Config

from .process import Process, free_port, wait_until

KEY = "origin-key"
SECRET = "origin-secret"
REGION = "us-east-1"


def s3_client(endpoint: str, key: str = KEY, secret: str = SECRET, *, virtual: bool = False, **options):
    """A boto3 client without retries: the tests want to see the first answer."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual" if virtual else "path"},
        retries={"max_attempts": 0},
        read_timeout=60,
        **options.pop("config", {}),
    )
    session = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=REGION)
    return session.client("s3", endpoint_url=endpoint, config=config, **options)


class Relay:
    """Forwards TCP connections to `target` and counts what comes back; `close` cuts all and refuses new ones."""

    def __init__(self, target: int):
        self.target = target
        self.port = free_port()
        self.bytes_out = 0
        self._holding: re.Pattern | None = None
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.listen()

    def listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self):
        with self._lock:
            listener, self._listener = self._listener, None
            sockets, self._open = self._open, set()
        if listener:
            # close() alone does not wake the thread that sits in accept(), which would then take one more connection.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in sockets:
            self._shut(connection)

    @contextlib.contextmanager
    def holding(self, request: str):
        """Keeps back requests that begin as this pattern says, a method and a path, for as long as it is entered."""
        self._released.clear()
        self._holding = re.compile(request.encode())
        try:
            yield
        finally:
            self._holding = None
            self._released.set()

    @staticmethod
    def _shut(connection: socket.socket):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def _accept(self, listener: socket.socket):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, count: bool):
        buffer = bytearray(1 << 18)
        view = memoryview(buffer)
        try:
            while received := source.recv_into(buffer):
                if count:
                    with self._lock:
                        self.bytes_out += received
                elif (holding := self._holding) and holding.match(view[:received]):
                    self._released.wait()
                sink.sendall(view[:received])
        except OSError:
            pass
        for end in (source, sink):
            self._shut(end)
        with self._lock:
            self._open -= {source, sink}


class Origin:
    """An S3 server in another process, on a folder of its own; below `domain`, if there is one, host names are buckets."""

    def __init__(self, folder: Path, *, keep_alive: bool = True, domain: str | None = None):
        self.folder = folder
        # With it, versitygw takes some of PyArrow's uploads for malformed.
        self.keep_alive = keep_alive
        self.domain = domain
        self.port = free_port()
        (folder / "objects").mkdir(parents=True)
        self.access_log = folder / "access.log"
        self.process: Process | None = None
        self.start()
        self.relay = Relay(self.port)

    @property
    def direct(self) -> str:
        """The server itself, for the direct side of comparisons and for changes behind Larder's back."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        """The counted way in, for Larder."""
        return f"http://127.0.0.1:{self.relay.port}"

    @property
    def bytes_out(self) -> int:
        """What Larder has read from here, headers and listings included."""
        return self.relay.bytes_out

    def requests(self, operation: str = "", client: str = "") -> int:
        """How many requests of this operation (`GetObject`, ...; all when empty) the server has logged, of clients that
        name themselves so."""
        lines = self.access_log.read_text(errors="replace").splitlines()
        return sum(f" s3_{operation}" in line and client in line for line in lines)

    def start(self):
        command = [versitygw(), "--access", KEY, "--secret", SECRET, "--region", REGION, "--quiet"]
        command += ["--keep-alive"] if self.keep_alive else []
        command += ["--port", f"127.0.0.1:{self.port}", "--health", "/health", "--access-log", self.access_log]
        command += ["--virtual-domain", self.domain] if self.domain else []
        command += ["posix", self.folder / "objects"]
        self.process = Process(command, self.folder / "versitygw.log")
        self.process.wait_ready(lambda: requests.get(f"{self.direct}/health", timeout=2).ok)

    def stop(self):
        self.relay.close()
        self.process.stop()

    def unplug(self):
        """Nobody answers any more at the address Larder knows."""
        self.relay.close()

    def plug_in(self):
        wait_until(lambda: self.relay.listen() is None, what="the relay's port")

    def client(self):
        return s3_client(self.direct)

    def upload(self, bucket: str, prefix: str, folder: Path) -> list[str]:
        """Every file below `folder`, under `prefix`; returns the keys in order."""
        client = self.client()
        keys = []
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = f"{prefix}{file.relative_to(folder).as_posix()}"
            client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
            keys.append(key)
        return keys


def versitygw() -> str:
    found = os.environ.get("LARDER_VERSITYGW") or shutil.which("versitygw")
    if not found:
        raise RuntimeError("versitygw is not installed: start the suite with ./test, which installs it")
    return found
