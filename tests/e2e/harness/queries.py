"""All queries of TPC-H and TPC-DS, as DuckDB's extensions bring them, and the tables they are over."""

import math
import re
from pathlib import Path

from . import tables

GENERATORS = {"tpch": "dbgen", "tpcds": "dsdgen"}
# Those of TPC-DS that every run of the suite asks, over tables of this scale, at which each of them has rows.
TPCDS_SCALE = 0.01
SOME_OF_TPCDS = ("q05", "q07", "q12", "q20", "q46", "q62", "q79", "q89")

# What DuckDB takes and Trino does not: dates as text, days as numbers, names of columns that are only being made.
FOR_TRINO = [
    (r"(?<!date )'(\d{4}-\d{2}-\d{2})'", r"DATE '\1'"),
    (r"(d1\.d_date) \+ (\d+)", r"\1 + INTERVAL '\2' DAY"),
    (r"GROUP BY\s+supplier_no", "GROUP BY l_suppkey"),
    (r"WHEN grouping\(\w+\)\+grouping\(\w+\) = 0", "WHEN lochierarchy = 0"),
]


def statements(suite: str) -> dict[str, str]:
    """The queries of a suite by name, `q01` and so on, in Trino's words."""
    found = tables.connect(suite).execute(f"SELECT query_nr, query FROM {suite}_queries()").fetchall()
    return {f"q{number:02}": for_trino(query.strip().rstrip(";")) for number, query in found}


def some_of_tpcds() -> dict[str, str]:
    return {name: text for name, text in statements("tpcds").items() if name in SOME_OF_TPCDS}


def for_trino(query: str) -> str:
    for pattern, words in FOR_TRINO:
        query = re.sub(pattern, words, query, flags=re.IGNORECASE)
    return query


def generate(suite: str, folder: Path, scale: float):
    """Writes the tables of a suite as `SUITE/TABLE/0.parquet` below `folder`."""
    connection = tables.connect(suite)
    connection.execute(f"CALL {GENERATORS[suite]}(sf={scale})")
    for (table,) in connection.execute("SHOW TABLES").fetchall():
        (folder / suite / table).mkdir(parents=True)
        connection.execute(f"COPY {table} TO '{folder}/{suite}/{table}/0.parquet' (FORMAT parquet)")


def same(one: list, other: list) -> bool:
    """Whether these are the same rows, in whatever order: queries that end with LIMIT need not break their ties. What was
    summed in another order may differ in its last digits."""

    def equal(a, b):
        return math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) and isinstance(b, float) else a == b

    def ordered(rows):
        return sorted(rows, key=lambda row: [f"{value:.6g}" if isinstance(value, float) else repr(value) for value in row])

    pairs = zip(ordered(one), ordered(other), strict=False)
    return len(one) == len(other) and all(len(a) == len(b) and all(map(equal, a, b)) for a, b in pairs)
