"""Alluxio 2.9, a peer that Larder is measured against: a master, one worker and the S3 proxy, its jars named by a lock file."""

import subprocess
from pathlib import Path

import requests

from . import parts
from .distance import Distance
from .origin import KEY, SECRET, Origin
from .process import Process, free_port

LOCK = Path(__file__).parent / "alluxio.lock"

JVM = "-Xmx300m -XX:+UseSerialGC -XX:TieredStopAtLevel=1".split()


class Alluxio:
    """Alluxio whose cache is a folder of at most `capacity`. Each of the origin's `buckets` is mounted under its own name, so
    that the S3 proxy has it as a bucket. The proxy checks no signature."""

    def __init__(
        self,
        folder: Path,
        origin: Origin | Distance,
        buckets: list[str],
        capacity: str = "256MB",
        jvm: list[str] = JVM,
    ):
        self.folder = folder
        self.jvm = jvm
        for name in ("conf", "logs", "root", "cache"):
            (folder / name).mkdir(parents=True)
        names = ["master.rpc", "master.web", "worker.rpc", "worker.web", "proxy.web"]
        self.ports = {name: free_port() for name in names}
        level = "alluxio.worker.tieredstore.level0"
        self.settings = {
            "alluxio.home": folder,
            "alluxio.conf.dir": folder / "conf",
            "alluxio.logs.dir": folder / "logs",
            "alluxio.work.dir": folder,
            **{f"alluxio.{part}.hostname": "127.0.0.1" for part in ("master", "worker", "proxy", "user")},
            **{f"alluxio.{name}.port": port for name, port in self.ports.items()},
            # One master, so neither its journal nor what it knows has to outlive it.
            "alluxio.master.journal.type": "UFS",
            "alluxio.master.journal.folder": folder / "journal",
            "alluxio.master.metastore": "HEAP",
            "alluxio.master.mount.table.root.ufs": folder / "root",
            # Else it writes an empty object `folder/` for each folder that it lists.
            "alluxio.underfs.object.store.breadcrumbs.enabled": "false",
            "alluxio.security.authorization.permission.enabled": "false",
            "alluxio.security.authentication.type": "NOSASL",
            "alluxio.worker.tieredstore.levels": 1,
            f"{level}.alias": "SSD",
            f"{level}.dirs.path": folder / "cache",
            f"{level}.dirs.quota": capacity,
            f"{level}.dirs.mediumtype": "SSD",
        }
        self.command("alluxio.cli.Format", "master")
        self.processes = []
        try:
            self._start("alluxio.master.AlluxioMaster", lambda: self._info()["version"])
            self._start("alluxio.worker.AlluxioWorker", lambda: self._info()["capacity"]["total"])
            self._start("alluxio.proxy.AlluxioProxy", lambda: requests.get(f"{self.endpoint}/", timeout=5).ok)
            for bucket in buckets:
                self._mount(bucket, origin)
        except BaseException:
            self.stop()
            raise

    @property
    def endpoint(self) -> str:
        """Where S3 is spoken, path style only."""
        return f"http://127.0.0.1:{self.ports['proxy.web']}/api/v1/s3"

    def _line(self, main: str, *arguments: str) -> list:
        settings = [f"-D{key}={value}" for key, value in self.settings.items()]
        jars = ":".join(map(str, parts.jars(LOCK)))
        return [*parts.java_command(17, self.folder), *self.jvm, *settings, "-cp", jars, main, *arguments]

    def _start(self, main: str, ready):
        process = Process(self._line(main), self.folder / f"{main.rsplit('.')[-1]}.log", cwd=self.folder)
        self.processes.append(process)
        process.wait_ready(ready, 120)

    def _info(self) -> dict:
        return requests.get(f"http://127.0.0.1:{self.ports['master.web']}/api/v1/master/info", timeout=5).json()

    def command(self, main: str, *arguments: str):
        """Runs one of Alluxio's own programs, to its end."""
        subprocess.run(self._line(main, *arguments), cwd=self.folder, check=True, capture_output=True, timeout=120)

    def _mount(self, bucket: str, origin: Origin | Distance):
        options = {
            "alluxio.underfs.s3.endpoint": origin.endpoint,
            "alluxio.underfs.s3.disable.dns.buckets": "true",
            "alluxio.underfs.s3.inherit.acl": "false",
            "s3a.accessKeyId": KEY,
            "s3a.secretKey": SECRET,
        }
        given = [part for key, value in options.items() for part in ("--option", f"{key}={value}")]
        self.command("alluxio.cli.fs.FileSystemShell", "mount", *given, f"/{bucket}", f"s3://{bucket}/")

    def stop(self):
        """What it holds is a copy, so none of it is asked to put anything in order."""
        for process in reversed(self.processes):
            process.kill()
