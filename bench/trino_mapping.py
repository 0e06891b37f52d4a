"""How large a security mapping Trino bears: the same queries beside 0 to 100,000 prefixes, none of which match.

`./test trino-mapping` runs it; what it printed last stands in docs/trino.md.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness import tables
from harness.origin import Origin
from harness.trino import Trino, hive_catalog, mapped

SIZES = (0, 1_000, 10_000, 100_000)
PARTITIONS = 400


def document(prefixes: int) -> str:
    """A mapping as Larder writes it, of tables with a partition for each day of a year."""
    entries = [
        {
            "prefix": f"s3://raw/hive/sales.db/table_{number // 365:04d}/dt=2026-{number % 365:03d}/",
            "endpoint": "http://127.0.0.1:9000",
            "accessKey": "analyst",
            "secretKey": "analyst-secret-0123456789",
        }
        for number in range(prefixes)
    ]
    return json.dumps({"mappings": [*entries, {"useClusterDefault": True}]}, separators=(",", ":"))


def catalogs(folder: Path, origin: Origin) -> dict[str, dict]:
    """A catalog for each size, all over the tables of one metastore. None reads its mapping a second time."""
    made = {"direct": hive_catalog(folder / "metastore", origin.direct)}
    for size in SIZES:
        file = folder / f"mapping-{size}.json"
        file.write_text(document(size))
        made[f"size_{size}"] = mapped(folder / "metastore", origin.direct, config_file=file, refresh_period="1d")
    for properties in made.values():
        # Each query lists its folders, as a query of cold data does.
        properties.pop("hive.file-status-cache-tables")
    return made


def add_tables(folder: Path, origin: Origin, trino: Trino):
    """`few` is one small file, `many` is a partition of one small file for each of its keys."""
    rows = "SELECT range AS n FROM range(1000)"
    tables.connect().execute(f"COPY ({rows}) TO '{folder}/file.parquet' (FORMAT parquet)")
    body = (folder / "file.parquet").read_bytes()
    client = origin.client()
    client.create_bucket(Bucket="raw")
    client.put_object(Bucket="raw", Key="few/file.parquet", Body=body)
    for key in range(PARTITIONS):
        client.put_object(Bucket="raw", Key=f"many/k={key}/file.parquet", Body=body)
    trino.rows("CREATE SCHEMA direct.m")
    for table, more in (("few (n bigint)", ""), ("many (n bigint, k bigint)", ", partitioned_by = ARRAY['k']")):
        location = f"s3://raw/{table.split()[0]}/"
        trino.rows(f"CREATE TABLE direct.m.{table} WITH (external_location = '{location}', format = 'PARQUET'{more})")
    trino.rows("CALL direct.system.sync_partition_metadata('m', 'many', 'ADD')")


def seconds(trino: Trino, table: str, catalog: str) -> float:
    began = time.perf_counter()
    trino.rows(f"SELECT sum(n) FROM {catalog}.m.{table}")
    return time.perf_counter() - began


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="larder-trino-mapping-") as name:
        folder = Path(name)
        (folder / "metastore").mkdir()
        origin = Origin(folder / "origin")
        try:
            trino = Trino(folder / "trino", catalogs(folder, origin))
            try:
                add_tables(folder, origin, trino)
                measure(folder, trino)
            finally:
                trino.stop()
        finally:
            origin.stop()
    return 0


def measure(folder: Path, trino: Trino):
    for _ in range(3):
        # Java and the storage get warm.
        seconds(trino, "many", "direct")
    print("| prefixes | document | first query, reads it | a query of one file | a query of 400 partitions |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for size in SIZES:
        catalog, file = f"size_{size}", folder / f"mapping-{size}.json"
        first = seconds(trino, "few", catalog)
        few = statistics.median(seconds(trino, "few", catalog) for _ in range(5))
        many = statistics.median(seconds(trino, "many", catalog) for _ in range(3))
        megabytes = file.stat().st_size / 1e6
        print(f"| {size:,} | {megabytes:.1f} MB | {first:.2f} s | {few:.2f} s | {many:.1f} s |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
