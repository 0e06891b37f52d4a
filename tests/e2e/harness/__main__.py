"""Runs one part by hand, until it is interrupted: `./test part NAME` prints where it listens."""

import signal
import sys
import tempfile
from pathlib import Path

from . import tables
from .alluxio import Alluxio
from .hdfs import Hdfs
from .iceberg import IcebergCatalog
from .kerberos import REALM, Kdc
from .larder import to_toml
from .metastore import Metastore
from .metastore4 import Metastore4
from .origin import KEY, SECRET, Origin
from .presto import PrestoOverS3
from .spark_by_hand import SparkByHand
from .trino import TrinoOverS3
from .trino_hdfs import TrinoOverHdfs


def s3(folder: Path):
    """The S3 server that plays the origin."""
    server = Origin(folder)
    return server, f"S3 at {server.direct}, key {KEY}, secret {SECRET}, files in {server.folder / 'objects'}"


def lake(folder: Path, domain: str | None = None) -> Origin:
    """An S3 server whose bucket `raw` holds the TPC-H tables under `hive/`."""
    tables.generate(folder / "tables")
    origin = Origin(folder / "origin", domain=domain)
    origin.client().create_bucket(Bucket="raw")
    origin.upload("raw", "hive/", folder / "tables")
    return origin


def trino(folder: Path):
    """Trino over TPC-H tables on an S3 server."""
    origin = lake(folder)
    server = TrinoOverS3(folder / "trino", origin)
    server.add_tables(folder / "tables")
    where = f"catalogs hive, uri and direct, schema tpch; S3 at {origin.direct}; mapping {server.mapping}"
    return Both(server, origin), f"Trino at {server.url}; {where}"


def trino_hdfs(folder: Path):
    """Trino over TPC-H tables on HDFS and a Hive Metastore."""
    tables.generate(folder / "tables")
    hdfs = Hdfs(folder / "hdfs", name_nodes=2)
    server = TrinoOverHdfs(folder / "trino", hdfs)
    server.add_tables(folder / "tables")
    where = f"catalogs hive, unstaged, either and direct, schema tpch; tables at {hdfs.url}{server.ROOT}; {server.metastore.url}"
    for table, settings in server.larder_settings().items():
        where += f"\nlarder.toml: {table} = {to_toml(settings)}"
    return Both(server, hdfs), f"Trino at {server.url}; {where}"


def presto(folder: Path):
    """PrestoDB over TPC-H tables on an S3 server."""
    origin = lake(folder, PrestoOverS3.DOMAIN)
    server = PrestoOverS3(folder / "presto", origin)
    server.add_tables(folder / "tables")
    where = f"catalogs hive and direct, schema tpch; S3 at {origin.direct}; {server.metastore.url}"
    for table, settings in server.larder_settings().items():
        where += f"\nlarder.toml: {table} = {to_toml(settings)}"
    return Both(server, origin), f"Presto at {server.url}; {where}"


def spark(folder: Path):
    """Spark SQL over TPC-H tables on an S3 server and a Hive Metastore."""
    origin = lake(folder)
    server = SparkByHand(folder / "spark", origin)
    server.add_tables(folder / "tables")
    where = f"database tpch; S3 at {origin.direct}, key {KEY}, secret {SECRET}; {server.metastore.url}"
    for table, settings in server.larder_settings().items():
        where += f"\nlarder.toml: {table} = {to_toml(settings)}"
    around = f"--conf spark.hadoop.hive.metastore.uris={server.metastore.url}"
    return Both(server, origin), f"{where}\nSpark SQL through this Larder, or without it by adding {around}:\n{server.command}"


def alluxio(folder: Path):
    """Alluxio over an S3 server with TPC-H tables."""
    origin = lake(folder)
    server = Alluxio(folder / "alluxio", origin, ["raw"])
    return Both(server, origin), f"Alluxio's S3 proxy at {server.endpoint}, any key; S3 at {origin.direct}; bucket raw"


class Both:
    """Two parts that stop together, the first one first."""

    def __init__(self, *parts):
        self.parts = parts

    def stop(self):
        for part in self.parts:
            part.stop()


def metastore(folder: Path):
    """A Hive Metastore."""
    server = Metastore(folder)
    return server, f"Hive Metastore at {server.url}, its log in {folder / 'hive.log'}"


def metastore_framed(folder: Path):
    """A Hive Metastore whose messages are framed."""
    server = Metastore(folder, framed=True)
    return server, f"Hive Metastore at {server.url}, framed, its log in {folder / 'hive.log'}"


def metastore4(folder: Path):
    """A Hive Metastore of Hive 4."""
    server = Metastore4(folder)
    return server, f"Hive Metastore at {server.url}, its log in {folder / 'metastore.log'}"


def hdfs(folder: Path):
    """HDFS with two DataNodes."""
    server = Hdfs(folder / "hdfs")
    return server, f"HDFS at {server.url}, its logs in {server.folder}"


def hdfs_kerberos(folder: Path):
    """HDFS that asks for Kerberos."""
    kdc = Kdc(folder / "kdc", "analyst")
    server = Hdfs(folder / "hdfs", secure=kdc.secures())
    server.fs("-mkdir", "-p", "/wh")
    server.fs("-chown", "analyst", "/wh")
    options = {"principal": f"analyst@{REALM}", "keytab": kdc.keytab("analyst"), "dfs.data.transfer.protection": "integrity"}
    where = f"HDFS at {server.url}, folder /wh of the user analyst; run Larder with KRB5_CONFIG={folder}/kdc/krb5.conf"
    return Both(server, kdc), f"{where}\nlarder.toml: options = {to_toml(options)}"


def iceberg(folder: Path):
    """An Iceberg REST catalog whose tables lie at an S3 server."""
    origin = Origin(folder / "origin", keep_alive=False)
    origin.client().create_bucket(Bucket="raw")
    catalog = IcebergCatalog(folder / "catalog", origin, "s3://raw/lake")
    where = f"S3 at {origin.direct}, key {KEY}, secret {SECRET}"
    return Both(catalog, origin), f"Iceberg REST catalog at {catalog.url}, tables at s3://raw/lake; {where}"


PARTS = {
    "s3": s3,
    "hdfs": hdfs,
    "hdfs-kerberos": hdfs_kerberos,
    "metastore": metastore,
    "metastore-framed": metastore_framed,
    "metastore4": metastore4,
    "iceberg": iceberg,
    "trino": trino,
    "trino-hdfs": trino_hdfs,
    "presto": presto,
    "spark": spark,
    "alluxio": alluxio,
}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in PARTS:
        print(f"usage: ./test part {{{','.join(PARTS)}}}", file=sys.stderr)
        return 2
    # Left to itself it would end this process at once, and leave the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix=f"larder-{name}-") as folder:
        part, where = PARTS[name](Path(folder))
        print(f"{where}\nCtrl-C stops it", flush=True)
        try:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            part.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
