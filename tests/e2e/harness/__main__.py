"""Runs one part by hand, until it is interrupted: `./test part NAME` prints where it listens."""

import signal
import sys
import tempfile
from pathlib import Path

from . import tables
from .hdfs import Hdfs
from .metastore import Metastore
from .origin import KEY, SECRET, Origin
from .trino import TrinoOverS3


def s3(folder: Path):
    """The S3 server that plays the origin."""
    server = Origin(folder)
    return server, f"S3 at {server.direct}, key {KEY}, secret {SECRET}, files in {server.folder / 'objects'}"


def trino(folder: Path):
    """Trino over TPC-H tables on an S3 server."""
    tables.generate(folder / "tables")
    origin = Origin(folder / "origin")
    origin.client().create_bucket(Bucket="raw")
    origin.upload("raw", "hive/", folder / "tables")
    server = TrinoOverS3(folder / "trino", origin)
    server.add_tables(folder / "tables")
    where = f"catalogs hive, uri and direct, schema tpch; S3 at {origin.direct}; mapping {server.mapping}"
    return Both(server, origin), f"Trino at {server.url}; {where}"


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


def hdfs(folder: Path):
    """HDFS with two DataNodes."""
    server = Hdfs(folder / "hdfs")
    return server, f"HDFS at {server.url}, its logs in {server.folder}"


PARTS = {"s3": s3, "hdfs": hdfs, "metastore": metastore, "trino": trino}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in PARTS:
        print(f"usage: ./test part {{{','.join(PARTS)}}}", file=sys.stderr)
        return 2
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
