"""Trino: one node with the Hive connector over S3, its tables in a metastore of files, its query log posted by HTTP."""

import contextlib
import json
import os
import re
import time
from pathlib import Path

import requests
from trino.dbapi import connect
from trino.exceptions import TrinoQueryError

from . import parts, tables
from .origin import KEY, REGION, SECRET, Origin, Relay
from .process import Process, free_port, wait_until

VERSION = "476"
SHA256 = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
PLUGINS = ("hive", "tpch", "http-event-listener")
# The archive holds each jar once, in the plugin that is first by name; the others are links to it.
WANTED = re.compile(
    rf"trino-server-{VERSION}/(lib|plugin/({'|'.join(PLUGINS)}|bigquery|cassandra|clickhouse|delta-lake))(/|$)"
)

# What Trino calls a read that failed, by how far it was.
READ_FAILED = ("HIVE_CANNOT_OPEN_SPLIT", "HIVE_CURSOR_ERROR", "HIVE_FILESYSTEM_ERROR")

# The least that Trino asks for beside a heap; the last makes it start faster, and slower at long queries.
JVM = """-Xmx2G -XX:+UseG1GC -XX:G1HeapRegionSize=16M -XX:+ExitOnOutOfMemoryError -Djdk.attach.allowAttachSelf=true
    -Dfile.encoding=UTF-8 --enable-native-access=ALL-UNNAMED --add-modules=jdk.incubator.vector
    -XX:TieredStopAtLevel=1""".split()


def hive_catalog(metastore: Path | str, endpoint: str) -> dict:
    """A catalog whose tables are told of in a folder, or below an `s3://` URL where then those that Trino manages lie too,
    and whose data is at the S3 server `endpoint`."""
    local = {"fs.native-local.enabled": "true", "local.location": metastore}
    return {
        "connector.name": "hive",
        "hive.metastore": "file",
        "hive.metastore.catalog.dir": "local:///" if isinstance(metastore, Path) else metastore,
        "hive.non-managed-table-writes-enabled": "true",
        "hive.storage-format": "PARQUET",
        "hive.security": "allow-all",
        # Trino looks a partition's folder up without the slash at its end, so it always lists that at the storage.
        "hive.file-status-cache-tables": "tpch.*,tpcds.*",
        "fs.native-s3.enabled": "true",
        "s3.endpoint": endpoint,
        "s3.region": REGION,
        "s3.path-style-access": "true",
        "s3.aws-access-key": KEY,
        "s3.aws-secret-key": SECRET,
    } | (local if isinstance(metastore, Path) else {})


def mapped(metastore: Path | str, endpoint: str, **source) -> dict:
    """Such a catalog with a security mapping, from a file or a URI."""
    mapping = {"enabled": "true", "refresh-period": "1s"} | {key.replace("_", "-"): at for key, at in source.items()}
    return hive_catalog(metastore, endpoint) | {f"s3.security-mapping.{key}": value for key, value in mapping.items()}


class Trino:
    """A coordinator that is its own worker. `catalogs` are their properties by name; `events` takes its query log; `config`
    and `jvm` are for those who want more of it than tests do."""

    def __init__(
        self,
        folder: Path,
        catalogs: dict[str, dict],
        events: str | None = None,
        config: dict | None = None,
        jvm: list[str] = JVM,
    ):
        self.folder = folder
        self.jvm = jvm
        self.port = free_port()
        self.server = parts.unpacked(f"io.trino:trino-server:{VERSION}:tar.gz", SHA256, WANTED.match)
        etc = folder / "etc"
        (etc / "catalog").mkdir(parents=True)
        properties = {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": self.port,
            "discovery.uri": self.url,
            "plugin.dir": self._plugins(),
            "node.environment": "test",
            "node.internal-address": "127.0.0.1",
            "query.max-memory-per-node": "512MB",
        }
        if events:
            listener = {
                "event-listener.name": "http",
                "http-event-listener.log-completed": "true",
                "http-event-listener.connect-ingest-uri": events,
            }
            self._write(etc / "http-event-listener.properties", listener)
            properties["event-listener.config-files"] = etc / "http-event-listener.properties"
        self._write(etc / "config.properties", properties | (config or {}))
        for name, catalog in catalogs.items():
            self._write(etc / "catalog" / f"{name}.properties", catalog)
        self._write(etc / "catalog" / "tpch.properties", {"connector.name": "tpch"})
        self.process: Process | None = None
        self.start()

    @staticmethod
    def _write(path: Path, properties: dict):
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def _plugins(self) -> Path:
        """Of what was unpacked, only the plugins that are wanted: each one more makes the start slower."""
        chosen = self.folder / "plugin"
        chosen.mkdir(parents=True)
        for name in PLUGINS:
            (chosen / name).symlink_to(self.server / "plugin" / name)
        return chosen

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        etc = self.folder / "etc"
        command = [*parts.java_command(24, self.folder), *self.jvm, f"-Dconfig={etc / 'config.properties'}"]
        command += ["-cp", f"{self.server / 'lib'}/*", "io.trino.server.TrinoServer"]
        # The catalogs' folder is looked for in the working directory.
        # Java finds folders in other alphabets only where the locale has them.
        environment = os.environ | {"LC_ALL": "C.UTF-8"}
        self.process = Process(command, self.folder / "trino.log", cwd=self.folder, env=environment)
        self.process.wait_ready(self._ready, 180)

    def _ready(self) -> bool:
        """Queries run from when the node knows of itself as a worker."""
        if requests.get(f"{self.url}/v1/info", timeout=2).json()["starting"]:
            return False
        return self.rows("SELECT 1") == [[1]]

    def stop(self):
        self.process.stop(60)

    def rows(self, statement: str, catalog: str = "tpch", schema: str = "tpch", **session) -> list[list]:
        """The rows of a statement, which must succeed. Tables without a catalog are those of `catalog`.`schema`.

        On a busy machine the only node may for a moment not be known to have a catalog. A statement that finds no node
        has not begun, and is asked again."""
        deadline = time.monotonic() + 60
        while True:
            with contextlib.closing(
                connect("127.0.0.1", self.port, user="ann", catalog=catalog, schema=schema, session_properties=session)
            ) as connection:
                try:
                    return connection.cursor().execute(statement).fetchall()
                except TrinoQueryError as error:
                    if error.error_name != "NO_NODES_AVAILABLE" or time.monotonic() > deadline:
                        raise
            time.sleep(0.5)

    def states(self, text: str) -> set[str]:
        """The states that statements with this text are in, those that have ended among them."""
        queries = requests.get(f"{self.url}/v1/query", headers={"X-Trino-User": "ann"}, timeout=10).json()
        return {query["state"] for query in queries if text in query["query"]}

    def add_tables(self, files: Path, schema: str = "tpch", catalog: str = "direct", at: str = "s3://raw/hive"):
        """Tells the catalog's metastore of the tables at `at` whose files lie in the folder `files` too, as
        `SCHEMA/TABLE/...`."""
        self.rows(f"CREATE SCHEMA {catalog}.{schema}")
        for statement in tables.declarations(files, schema, catalog, at):
            self.rows(statement)


class TrinoOverS3(Trino):
    """Trino over the tables of the test's S3 server, `hive/tpch/...` in bucket `raw`, as catalogs of one metastore:
    `hive` reads as the file `mapping` says, `uri` as Larder's admin API says, and `direct` always from the storage.
    `managed` keeps tables of its own in bucket `managed` and reads them as `hive` does, `managed_direct` always directly.

    What `hive` and `uri` read from the storage themselves is counted by the relay `storage`; Larder's reads are counted
    by the origin's own. The admin API is reached by the relay `admin`, whose target is the Larder of the moment.
    """

    def __init__(self, folder: Path, origin: Origin):
        self.storage, self.admin = Relay(origin.port), Relay(0)
        metastore = folder / "metastore"
        metastore.mkdir(parents=True)
        self.mapping = folder / "mapping.json"
        self.mapping.write_text('{"mappings": [{"useClusterDefault": true}]}')
        api = f"http://127.0.0.1:{self.admin.port}/api/v1"
        endpoint = f"http://127.0.0.1:{self.storage.port}"
        catalogs = {
            "hive": mapped(metastore, endpoint, config_file=self.mapping),
            "uri": mapped(metastore, endpoint, config_uri=f"{api}/mappings/trino"),
            "direct": hive_catalog(metastore, origin.direct),
            "managed": mapped("s3://managed/", endpoint, config_file=self.mapping),
            "managed_direct": hive_catalog("s3://managed/", origin.direct),
        }
        origin.client().create_bucket(Bucket="managed")
        super().__init__(folder / "trino", catalogs, f"{api}/events/trino")

    def stop(self):
        super().stop()
        self.storage.close()
        self.admin.close()

    def prefixes(self) -> list[str]:
        """The prefixes that the mapping's file names."""
        return [entry["prefix"] for entry in json.loads(self.mapping.read_text())["mappings"] if "prefix" in entry]

    def wait_for_mapping(self, *prefixes: str):
        """Until the file names these and no others, and Trino has to have read it."""
        wait_until(lambda: sorted(self.prefixes()) == sorted(prefixes), what=f"the mapping of {prefixes}")
        wait_until(lambda: time.time() > self.mapping.stat().st_mtime + 1.1, what="the end of Trino's refresh period")
