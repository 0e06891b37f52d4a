"""Protocol suites of other projects, run against Larder's S3 endpoint.

Such a suite makes and deletes buckets as it goes. Larder's buckets are lines of its configuration, so a `Front` stands
between the two: it hands requests on as they are, bytes and signatures untouched, and only chooses who answers.
CreateBucket and DeleteBucket go to the origin. All else goes to a daemon that has every bucket of the suite configured,
or, as long as the origin has no such bucket, to one that has none of them.
"""

import asyncio
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import requests

from .larder import Larder, s3_bucket
from .origin import KEY, SECRET, Origin
from .process import free_port

HEAD_BYTES_MAX = 1 << 20


class Front:
    """Listens on a port of its own until `stop`."""

    def __init__(self, buckets: Path, origin: int, with_buckets: int, without: int):
        self.buckets = buckets
        self.origin, self.with_buckets, self.without = origin, with_buckets, without
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        listening = asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=HEAD_BYTES_MAX)
        self._server = self._loop.run_until_complete(listening)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        """Ends it, and what it is still handing on."""

        async def end():
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _choose(self, line: str) -> int:
        method, target, _ = line.split(" ", 2)
        parts = urlsplit(target)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        if method in ("PUT", "DELETE") and bucket and not key and not parts.query:
            return self.origin
        exists = not bucket or (self.buckets / bucket).is_dir()
        return self.with_buckets if exists else self.without

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            answers, requests = await asyncio.open_connection("127.0.0.1", self._choose(line.decode("latin-1")))
            # The next request of the connection may be another server's. This header is never among the signed ones.
            requests.write(line + b"\r\nConnection: close\r\n" + rest)
            sending = asyncio.create_task(_pump(reader, requests))
            await _pump(answers, writer)
            sending.cancel()
            requests.close()
        except (OSError, asyncio.IncompleteReadError):
            pass  # The client or the server is gone, which the other one notices.
        finally:
            writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter):
    try:
        while part := await source.read(1 << 18):
            sink.write(part)
            await sink.drain()
    except OSError:
        pass


class Stand:
    """An origin and Larder's daemons behind a `Front`. Larder and the origin know the same key, so that what is signed
    for the one is signed for the other."""

    def __init__(self, folder: Path, buckets: list[str]):
        self.buckets = buckets
        self.origin = Origin(folder / "origin")
        self.with_buckets = self._start(folder / "with", [s3_bucket(self.origin, name, f"s3://{name}") for name in buckets])
        self.without = self._start(folder / "without", [])
        self.client = self.with_buckets.client(KEY, SECRET)
        objects = self.origin.folder / "objects"
        self.front = Front(objects, self.origin.port, self.with_buckets.s3_port, self.without.s3_port)

    def _start(self, folder: Path, buckets: list[dict]) -> Larder:
        keys = [{"id": KEY, "secret": SECRET, "buckets": ["*"], "access": "write"}]
        larder = Larder(folder, buckets, s3={"keys": keys}).spawn()
        # It is not ready before the suite has made the buckets at the origin.
        larder.process.wait_ready(lambda: requests.get(f"{larder.admin}/healthz", timeout=2).ok)
        return larder

    def clear(self):
        """Ends what a case has left behind, because the next one names its bucket the same."""
        for bucket in self.buckets:
            for upload in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            shutil.rmtree(self.origin.folder / "objects" / bucket, ignore_errors=True)

    def stop(self):
        self.front.stop()
        for larder in (self.with_buckets, self.without):
            assert larder.stop() == 0, larder.process.output()
        self.origin.stop()


def run(command: list, seconds: float = 120, **environment: str) -> tuple[int, str]:
    """Runs a suite's command to its end; its exit status, and what it printed, without colours."""
    # What the machine's own AWS settings say is not for the suites.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    line = [str(part) for part in command]
    done = subprocess.run(line, env=inherited | environment, timeout=seconds, check=False, capture_output=True)
    printed = (done.stdout + done.stderr).decode(errors="replace")
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", printed)
