"""PrestoDB: one node with the Hive connector over a Hive Metastore, its jars resolved by a lock file each.

Presto has one S3 endpoint for a catalog, and none for a bucket or a prefix. `PrestoOverS3` shows the way around that: buckets
are host names (virtual-host style), and the cache's resolves to Larder.
"""

import socket
import time
from pathlib import Path

import requests

from . import parts, tables
from .metastore import Metastore
from .origin import KEY, SECRET, Origin, Relay
from .process import Process, free_port
from .spark import s3a, s3a_jars

LOCKS = Path(__file__).parent

# 0.287 is of the time of Java 11; on 17 it has to be let at what it looks into.
JVM = """-Xmx1G -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -XX:TieredStopAtLevel=1 -Djdk.attach.allowAttachSelf=true""".split()
JVM += [
    f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("io", "lang", "lang.reflect", "net", "nio", "util")
]


class PrestoError(Exception):
    """What a statement failed with, in Presto's words."""

    def __init__(self, error: dict):
        super().__init__(f"{error['errorName']}: {error['message']}")
        self.name = error["errorName"]


def hive_catalog(*metastores: str, endpoint: str, virtual: bool = False) -> dict:
    """A catalog of these metastores, the first one that answers, and of the S3 server `endpoint`."""
    return {
        "connector.name": "hive-hadoop2",
        "hive.metastore.uri": ",".join(metastores),
        "hive.s3.endpoint": endpoint,
        "hive.s3.path-style-access": str(not virtual).lower(),
        "hive.s3.ssl.enabled": "false",
        "hive.s3.aws-access-key": KEY,
        "hive.s3.aws-secret-key": SECRET,
        # By default Presto tries again for minutes what nobody answers.
        "hive.s3.max-error-retries": "4",
        "hive.storage-format": "PARQUET",
        "hive.non-managed-table-writes-enabled": "true",
        "hive.allow-drop-table": "true",
    }


class Presto:
    """A coordinator that is its own worker. `catalogs` are their properties by name; `hosts` are the addresses of names."""

    def __init__(self, folder: Path, catalogs: dict[str, dict], hosts: dict[str, str]):
        self.folder = folder
        self.port = free_port()
        (folder / "etc" / "catalog").mkdir(parents=True)
        (folder / "plugin" / "hive").mkdir(parents=True)
        for jar in parts.jars(LOCKS / "presto-hive.lock"):
            (folder / "plugin" / "hive" / jar.name).symlink_to(jar)
        config = {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": self.port,
            "discovery-server.enabled": "true",
            "discovery.uri": self.url,
            "plugin.dir": folder / "plugin",
            "catalog.config-dir": folder / "etc" / "catalog",
            "query.max-memory-per-node": "300MB",
            "query.max-total-memory-per-node": "400MB",
        }
        self._write("config.properties", config)
        for name, properties in catalogs.items():
            self._write(f"catalog/{name}.properties", properties)
        # The file stands for all that resolves names, so this machine's own has to be in it.
        names = hosts | {"localhost": "127.0.0.1", socket.gethostname(): "127.0.0.1"}
        self.hosts = folder / "etc" / "hosts"
        self.hosts.write_text("".join(f"{address} {name}\n" for name, address in names.items()))
        self.process: Process | None = None
        self.start()

    def _write(self, name: str, properties: dict):
        (self.folder / "etc" / name).write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        jars = ":".join(map(str, parts.jars(LOCKS / "presto-server.lock")))
        command = [*parts.java_command(17, self.folder), *JVM, f"-Djdk.net.hosts.file={self.hosts}", "-cp", jars]
        command += [f"-Dconfig={self.folder / 'etc' / 'config.properties'}", f"-Dnode.data-dir={self.folder / 'data'}"]
        command += ["-Dnode.environment=test", "-Dnode.internal-address=127.0.0.1"]
        command += ["com.facebook.presto.server.PrestoServer"]
        self.process = Process(command, self.folder / "presto.log", cwd=self.folder)
        self.process.wait_ready(self._ready, 180)

    def _ready(self) -> bool:
        """Queries run from when the node knows of itself as a worker."""
        if requests.get(f"{self.url}/v1/info", timeout=2).json()["starting"]:
            return False
        return self.rows("SELECT 1") == [[1]]

    def stop(self):
        self.process.stop(60)

    def rows(self, statement: str, catalog: str = "hive", **session) -> list[list]:
        """The rows of a statement. Tables without a catalog are those of `catalog`.tpch.

        The only node may for a moment not be known to have a catalog. A statement that finds no node has not begun, and is
        asked again."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._rows(statement, catalog, session)
            except PrestoError as error:
                if error.name != "NO_NODES_AVAILABLE" or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _rows(self, statement: str, catalog: str, session: dict) -> list[list]:
        headers = {"X-Presto-User": "ann", "X-Presto-Catalog": catalog, "X-Presto-Schema": "tpch"}
        headers["X-Presto-Session"] = ",".join(f"{catalog}.{key}={value}" for key, value in session.items())
        answer = requests.post(f"{self.url}/v1/statement", data=statement.encode(), headers=headers, timeout=60)
        rows = []
        while True:
            answer.raise_for_status()
            state = answer.json()
            rows += state.get("data", [])
            if "error" in state:
                raise PrestoError(state["error"])
            if "nextUri" not in state:
                return rows
            answer = requests.get(state["nextUri"], timeout=60)

    def query_infos(self) -> list[str]:
        """What `/v1/query/ID` says of each query that it remembers, word for word."""
        headers = {"X-Presto-User": "ann"}
        queries = requests.get(f"{self.url}/v1/query", headers=headers, timeout=30).json()
        answers = [requests.get(f"{self.url}/v1/query/{q['queryId']}", headers=headers, timeout=30) for q in queries]
        return [answer.text for answer in answers]


class PrestoOverS3(Presto):
    """Presto over the tables of the test's S3 server, `hive/tpch/...` in bucket `raw`: the catalog `hive` asks Larder's
    metastore proxy, and the metastore itself while there is none; `direct` always the latter. `folders` is for tables that
    are not at S3: it asks as `hive` does, and its only S3 server is Larder.

    `hive` and `direct` find bucket B at http://B.DOMAIN: catalogs of one Presto share their connections to a bucket, whatever
    S3 settings each has. `raw.DOMAIN` is the relay `storage`, which counts what Presto reads from the storage itself;
    `warehouse.DOMAIN` is the Larder with `larder_settings`, at the same port of another address.
    """

    DOMAIN = "lake.test"
    CACHE_ADDRESS = "127.0.0.2"

    def __init__(self, folder: Path, origin: Origin):
        self.storage = Relay(origin.port)
        self.proxy_port = free_port()
        self.metastore = Metastore(folder / "metastore", s3a(origin), s3a_jars())
        self.cache = f"{self.CACHE_ADDRESS}:{self.storage.port}"
        proxy = f"thrift://127.0.0.1:{self.proxy_port}"
        endpoint = f"http://{self.DOMAIN}:{self.storage.port}"
        catalogs = {
            "hive": hive_catalog(proxy, self.metastore.url, endpoint=endpoint, virtual=True),
            "direct": hive_catalog(self.metastore.url, endpoint=endpoint, virtual=True),
            "folders": hive_catalog(proxy, self.metastore.url, endpoint=f"http://{self.cache}"),
        }
        hosts = {f"warehouse.{self.DOMAIN}": self.CACHE_ADDRESS, f"raw.{self.DOMAIN}": "127.0.0.1"}
        try:
            super().__init__(folder / "presto", catalogs, hosts)
        except BaseException:
            self.metastore.stop()
            raise

    def larder_settings(self) -> dict:
        """What a Larder's configuration must say for `hive` to meet it."""
        key = {"id": KEY, "secret": SECRET, "buckets": ["*"], "access": "write"}
        return {
            "s3": {"listen": self.cache, "domain": self.DOMAIN, "keys": [key]},
            "metastore": {"listen": f"127.0.0.1:{self.proxy_port}", "upstream": [self.metastore.url]},
        }

    def stop(self):
        super().stop()
        self.metastore.stop()
        self.storage.close()

    def add_tables(self, files: Path):
        """Tells the metastore of the TPC-H tables whose files lie in the folder `files` too."""
        self.rows("CREATE SCHEMA direct.tpch WITH (location = 's3a://raw/hive/tpch')")
        for statement in tables.declarations(files, "tpch", "direct", "s3a://raw/hive"):
            self.rows(statement)
