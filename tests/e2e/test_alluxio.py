"""Alluxio, a peer in the benchmarks: what it is measured by has to be right first, so here it serves objects and a table."""

import pytest
import requests

from harness import tables
from harness.alluxio import Alluxio
from harness.trino import Trino, hive_catalog

# The first test may have to fetch Alluxio and Trino.
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def alluxio(tmp_path_factory, origin):
    server = Alluxio(tmp_path_factory.mktemp("alluxio") / "alluxio", origin, ["raw"])
    yield server
    server.stop()


def test_its_s3_proxy_serves_right_bytes_cold_and_warm(alluxio, origin, table_files):
    (file,) = (table_files / "tpch" / "lineitem" / "l_year=1995").iterdir()
    url = f"{alluxio.endpoint}/raw/hive/{file.relative_to(table_files)}"
    assert requests.get(url, timeout=60).content == file.read_bytes()
    assert origin.bytes_out > file.stat().st_size
    before = origin.bytes_out
    assert requests.get(url, timeout=60).content == file.read_bytes()
    middle = requests.get(url, headers={"Range": "bytes=1000-1999"}, timeout=60)
    assert middle.status_code == 206 and middle.content == file.read_bytes()[1000:2000]
    assert origin.bytes_out == before, "no byte of it came from the origin"


def test_trino_reads_a_table_through_it(alluxio, origin, table_files, tmp_path):
    (tmp_path / "metastore").mkdir()
    trino = Trino(tmp_path / "trino", {"alluxio": hive_catalog(tmp_path / "metastore", alluxio.endpoint)})
    try:
        trino.rows("CREATE SCHEMA alluxio.tpch")
        trino.rows(
            "CREATE TABLE alluxio.tpch.orders (o_orderkey bigint, o_totalprice decimal(15,2), o_year bigint) WITH "
            "(external_location = 's3://raw/hive/tpch/orders/', format = 'PARQUET', partitioned_by = ARRAY['o_year'])"
        )
        trino.rows("CALL alluxio.system.sync_partition_metadata('tpch', 'orders', 'ADD')")
        query = "SELECT o_year, count(*), sum(o_totalprice) FROM {} GROUP BY o_year ORDER BY o_year"
        files = f"read_parquet('{table_files}/tpch/orders/*/*.parquet', hive_partitioning = true)"
        expected = tables.connect().execute(query.format(files)).fetchall()
        assert [tuple(row) for row in trino.rows(query.format("alluxio.tpch.orders"))] == expected
        before = origin.requests("GetObject")
        assert [tuple(row) for row in trino.rows(query.format("alluxio.tpch.orders"))] == expected
        assert origin.requests("GetObject") == before
    finally:
        trino.stop()
