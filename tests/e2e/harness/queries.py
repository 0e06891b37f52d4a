"""All queries of TPC-H and TPC-DS, as DuckDB's extensions bring them, and the tables they are over."""

from pathlib import Path

from . import tables

GENERATORS = {"tpch": "dbgen", "tpcds": "dsdgen"}


def statements(suite: str) -> dict[str, str]:
    """The queries of a suite by name, `q01` and so on."""
    found = tables.connect(suite).execute(f"SELECT query_nr, query FROM {suite}_queries()").fetchall()
    return {f"q{number:02}": query.strip().rstrip(";") for number, query in found}


def generate(suite: str, folder: Path, scale: float):
    """Writes the tables of a suite as `SUITE/TABLE/0.parquet` below `folder`."""
    connection = tables.connect(suite)
    connection.execute(f"CALL {GENERATORS[suite]}(sf={scale})")
    for (table,) in connection.execute("SHOW TABLES").fetchall():
        (folder / suite / table).mkdir(parents=True)
        connection.execute(f"COPY {table} TO '{folder}/{suite}/{table}/0.parquet' (FORMAT parquet)")
