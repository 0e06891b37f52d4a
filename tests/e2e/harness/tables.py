"""TPC-H tables as Parquet, laid out as Hive lays them out, and the statements the engines run over them."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

SCALE = 0.05
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
PARTITIONED_BY = {"orders": ("o_year", "year(o_orderdate)"), "lineitem": ("l_year", "year(l_shipdate)")}


def extension(name: str) -> Path:
    """DuckDB's extension as its wheel brought it, so that nothing is downloaded."""
    (package,) = importlib.import_module(f"duckdb_extension_{name}").__path__
    (file,) = Path(package).glob(f"extensions/*/{name}.duckdb_extension")
    return file


def connect(*extensions: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "2"})
    for name in extensions:
        connection.execute(f"LOAD '{extension(name)}'")
    return connection


def generate(folder: Path):
    """Writes the tables as `tpch/TABLE/[k=v/]FILE.parquet` below `folder`."""
    connection = connect("tpch")
    connection.execute(f"CALL dbgen(sf={SCALE})")
    for table in TABLES:
        target = folder / "tpch" / table
        target.mkdir(parents=True)
        if table in PARTITIONED_BY:
            column, expression = PARTITIONED_BY[table]
            connection.execute(
                f"COPY (SELECT *, {expression} AS {column} FROM {table}) TO '{target}' "
                f"(FORMAT parquet, PARTITION_BY ({column}), OVERWRITE_OR_IGNORE, ROW_GROUP_SIZE 20480)"
            )
        else:
            connection.execute(f"COPY {table} TO '{target}/0.parquet' (FORMAT parquet)")


def declarations(files: Path, schema: str, catalog: str, at: str) -> Iterator[str]:
    """The statements by which Trino and Presto tell a catalog's metastore of the tables at `at` whose files lie in the folder
    `files` too, as `SCHEMA/TABLE/...`. The schema must be there."""
    describe = connect()
    for table in sorted(path.name for path in (files / schema).iterdir()):
        found = describe.execute(f"DESCRIBE SELECT * FROM '{files}/{schema}/{table}/**/*.parquet'").fetchall()
        columns = ", ".join(f"{name} {kind}" for name, kind, *_ in found)
        by = PARTITIONED_BY.get(table, [None])[0]
        by = by if any((files / schema / table).glob(f"{by}=*")) else None
        partitioned = f", partitioned_by = ARRAY['{by}']" if by else ""
        yield (
            f"CREATE TABLE {catalog}.{schema}.{table} ({columns}) "
            f"WITH (external_location = '{at}/{schema}/{table}/', format = 'PARQUET'{partitioned})"
        )
        if by:
            yield f"CALL {catalog}.system.sync_partition_metadata('{schema}', '{table}', 'ADD')"


# Three shapes of TPC-H: a full scan with aggregates (1), a join of three tables (3), a selective scan (6).
QUERIES = {
    "q01": """
        SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity, sum(l_extendedprice) AS price,
               avg(l_discount) AS discount, count(*) AS orders
        FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    "q03": """
        SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
        FROM customer, orders, lineitem
        WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
          AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
        GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10""",
    "q06": """
        SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
          AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
}

# Two tables that are read side by side.
TWO_TABLES = """
    SELECT 1 AS part, count(*), sum(l_extendedprice) FROM lineitem WHERE l_year = 1997
    UNION ALL SELECT 2, count(*), sum(c_acctbal) FROM customer ORDER BY part"""
