"""All 22 queries of TPC-H and all 99 of TPC-DS on Trino over HDFS, by the metastore proxy: direct, through a Larder that fills, and
through one that was preloaded. `./test trino-queries` runs it after those over S3."""

from types import SimpleNamespace

import pytest

from harness import queries
from harness.hdfs import Hdfs
from harness.larder import Larder
from harness.trino_hdfs import TrinoOverHdfs
from long_trino_queries import EMPTY, SCALE, STATEMENTS, direct
from test_hdfs import bucket

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The tables of both suites on HDFS, all of them whitelisted, nothing preloaded."""
    folder = tmp_path_factory.mktemp("queries")
    hdfs = Hdfs(folder / "hdfs")
    trino = TrinoOverHdfs(folder / "trino", hdfs)
    for suite in queries.GENERATORS:
        queries.generate(suite, folder / "files", SCALE)
        trino.add_tables(folder / "files", suite)
    larder = Larder(
        folder / "larder",
        [bucket(hdfs, "warehouse", trino.ROOT, options=hdfs.properties)],
        nightly={"schedule": "", "budget": "400MiB", "landing_poll": "1d"},
        **trino.larder_settings(),
    ).start()
    tables = [(suite, table.name) for suite in queries.GENERATORS for table in (folder / "files" / suite).iterdir()]
    larder.list_only(*[f"hive.{suite}.{table}" for suite, table in tables])
    yield SimpleNamespace(folder=folder, trino=trino, larder=larder, direct={}, is_preloaded=False)
    trino.stop()
    assert larder.stop() == 0, larder.process.output()
    hdfs.stop()


@pytest.mark.parametrize("suite", queries.GENERATORS)
def test_every_table_is_larders(site, suite):
    for table in sorted((site.folder / "files" / suite).iterdir()):
        paths = site.trino.rows(f'SELECT DISTINCT "$path" FROM {table.name}', "hive", schema=suite)
        assert paths and all(path.startswith("s3a://warehouse/") for (path,) in paths), table.name


@pytest.mark.parametrize("suite, name", STATEMENTS)
def test_while_larder_fills_rows_are_those_of_direct_reads(site, suite, name):
    assert not site.is_preloaded
    rows = direct(site, suite, name)
    assert queries.same(site.trino.rows(STATEMENTS[suite, name], "hive", schema=suite), rows)


@pytest.mark.parametrize("suite, name", STATEMENTS)
def test_after_the_preload_they_are_the_same_and_nothing_is_read_from_the_origin(site, suite, name):
    if not site.is_preloaded:
        site.larder.command("preload", seconds=600)
        site.larder.wait_for_preload()
        site.is_preloaded = True
    rows, read = direct(site, suite, name), site.larder.metric("larder_origin_bytes_total")
    assert queries.same(site.trino.rows(STATEMENTS[suite, name], "hive", schema=suite), rows)
    assert site.larder.metric("larder_origin_bytes_total") == read


def test_most_answers_have_rows(site):
    assert {key for key in STATEMENTS if not direct(site, *key)} <= EMPTY
