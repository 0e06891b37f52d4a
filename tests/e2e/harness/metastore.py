"""A real Hive Metastore, from the jars that pyspark brings, and a client of it."""

import importlib.util
import socket
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from hmsclient import hmsclient
from hmsclient.genthrift.hive_metastore import ttypes

from .parts import java_command
from .process import Process, free_port

SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
INPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
OUTPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"


def jars() -> Path:
    """Spark's own jars, Hive's and Hadoop's among them."""
    (package,) = importlib.util.find_spec("pyspark").submodule_search_locations
    return Path(package) / "jars"


def site_xml(properties: dict) -> str:
    """A configuration as Hadoop reads it."""
    lines = [f"<property><name>{escape(k)}</name><value>{escape(str(v))}</value></property>" for k, v in properties.items()]
    return "<configuration>\n" + "\n".join(lines) + "\n</configuration>\n"


class Metastore:
    """A metastore with a database of its own in `folder`. It makes the folders of tables itself, so `hadoop` says how it
    reaches their storage, and `more_jars` with what."""

    def __init__(self, folder: Path, hadoop: dict | None = None, more_jars: list[Path] = (), framed: bool = False):
        self.folder = folder
        self.port = free_port()
        self.framed = framed
        self.more_jars = list(more_jars)
        (folder / "conf").mkdir(parents=True, exist_ok=True)
        site = {
            "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/db;create=true",
            "javax.jdo.option.ConnectionDriverName": "org.apache.derby.iapi.jdbc.AutoloadedDriver",
            "datanucleus.schema.autoCreateAll": "true",
            "hive.metastore.schema.verification": "false",
            "hive.metastore.warehouse.dir": f"file://{folder}/warehouse",
            "hive.async.log.enabled": "false",
            "hive.metastore.thrift.framed.transport.enabled": str(framed).lower(),
            # A test that lists 10,000 partitions must not meet the default limit of one answer.
            "hive.metastore.limit.partition.request": "-1",
            **(hadoop or {}),
        }
        (folder / "conf" / "hive-site.xml").write_text(site_xml(site))
        self.process: Process | None = None
        self.start()

    def classpath(self) -> list:
        """Hive's jars, and Hadoop's."""
        return [jars() / "*"]

    def start(self) -> "Metastore":
        path = ":".join(map(str, [self.folder / "conf", *self.classpath(), *self.more_jars]))
        command = [*java_command(17, self.folder), "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", path]
        command += [f"-Dhive.log.dir={self.folder}", "-Dhive.log.file=hive.log"]
        command += ["-Dderby.system.durability=test", f"-Dderby.stream.error.file={self.folder}/derby.log"]
        command += ["org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", self.port]
        self.process = Process(command, self.folder / "metastore.log", cwd=self.folder)
        self.process.wait_ready(self._answers, seconds=120)
        return self

    def _answers(self) -> bool:
        # The client library logs each failed attempt, so it is not asked before somebody listens.
        socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        with client(self.port, framed=self.framed) as metastore:
            return "default" in metastore.get_all_databases()

    def stop(self):
        self.process.stop()

    @property
    def url(self) -> str:
        return f"thrift://127.0.0.1:{self.port}"


@contextmanager
def client(port: int, framed: bool = False):
    """A client of the metastore at this port, be it the real one or a proxy."""
    if framed:
        from hmsclient.genthrift.hive_metastore import ThriftHiveMetastore
        from thrift.protocol import TBinaryProtocol
        from thrift.transport import TSocket, TTransport

        transport = TTransport.TFramedTransport(TSocket.TSocket("127.0.0.1", port))
        made = ThriftHiveMetastore.Client(TBinaryProtocol.TBinaryProtocolAccelerated(transport))
        transport.open()
        try:
            yield made
        finally:
            transport.close()
    else:
        with hmsclient.HMSClient(host="127.0.0.1", port=port) as made:
            yield made


def storage(location: str, columns=(("id", "bigint"), ("name", "string"))) -> ttypes.StorageDescriptor:
    return ttypes.StorageDescriptor(
        cols=[ttypes.FieldSchema(name, kind, None) for name, kind in columns],
        location=location,
        inputFormat=INPUT,
        outputFormat=OUTPUT,
        compressed=False,
        numBuckets=-1,
        serdeInfo=ttypes.SerDeInfo(None, SERDE, {"serialization.format": "1"}),
        bucketCols=[],
        sortCols=[],
        parameters={},
        skewedInfo=ttypes.SkewedInfo([], [], {}),
        storedAsSubDirectories=False,
    )


def table(database: str, name: str, location: str, partitioned: bool = False, **more) -> ttypes.Table:
    """An external table of Parquet files, partitioned by `dt` or not at all."""
    fields = {
        "tableName": name,
        "dbName": database,
        "owner": "larder",
        "sd": storage(location),
        "partitionKeys": [ttypes.FieldSchema("dt", "string", None)] if partitioned else [],
        "parameters": {"EXTERNAL": "TRUE"},
        "tableType": "EXTERNAL_TABLE",
    }
    return ttypes.Table(**(fields | more))


def partition(database: str, name: str, value: str, location: str) -> ttypes.Partition:
    return ttypes.Partition([value], database, name, 0, 0, storage(location), {})
