"""Runs one part by hand, until it is interrupted: `./test part NAME` prints where it listens."""

import signal
import sys
import tempfile
from pathlib import Path

from .metastore import Metastore
from .origin import KEY, SECRET, Origin


def s3(folder: Path):
    """The S3 server that plays the origin."""
    server = Origin(folder)
    return server, f"S3 at {server.direct}, key {KEY}, secret {SECRET}, files in {server.folder / 'objects'}"


def metastore(folder: Path):
    """A Hive Metastore."""
    server = Metastore(folder)
    return server, f"Hive Metastore at {server.url}, its log in {folder / 'hive.log'}"


PARTS = {"s3": s3, "metastore": metastore}


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
