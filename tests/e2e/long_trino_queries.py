"""All 22 queries of TPC-H and all 99 of TPC-DS on Trino, by its security mapping: direct, through a Larder that fills, and
through one that was preloaded. `./test trino-queries` runs it."""

from types import SimpleNamespace

import pytest

from harness import queries
from harness.larder import WRITER, Larder, s3_bucket
from harness.origin import Origin
from harness.trino import TrinoOverS3

pytestmark = pytest.mark.timeout(1800)

SCALE = 0.1
STATEMENTS = {(suite, name): text for suite in queries.GENERATORS for name, text in queries.statements(suite).items()}

# Whose conditions nothing meets at this scale.
EMPTY = {("tpcds", f"q{number:02}") for number in (4, 8, 24, 25, 29, 37, 41, 44, 54, 58, 64, 65, 73, 82, 83, 85, 91, 93)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The tables of both suites at S3, all of them whitelisted, nothing preloaded."""
    folder = tmp_path_factory.mktemp("queries")
    origin = Origin(folder / "origin")
    origin.client().create_bucket(Bucket="raw")
    trino = TrinoOverS3(folder / "trino", origin)
    larder = Larder(
        folder / "larder",
        [s3_bucket(origin, "raw", "s3://raw", "immutable", catalog="hive")],
        nightly={"schedule": "", "budget": "400MiB", "landing_poll": "1d"},
        hook={"key": WRITER, "mapping_file": str(trino.mapping)},
    )
    trino.admin.target = larder.admin_port
    larder.start()
    tables = []
    for suite in queries.GENERATORS:
        queries.generate(suite, folder / "files", SCALE)
        origin.upload("raw", f"hive/{suite}/", folder / "files" / suite)
        trino.add_tables(folder / "files", suite)
        tables += [(suite, table.name) for table in (folder / "files" / suite).iterdir()]
    larder.list_only(*[f"hive.{suite}.{table}" for suite, table in tables])
    trino.wait_for_mapping(*[f"s3://raw/hive/{suite}/{table}/" for suite, table in tables])
    yield SimpleNamespace(origin=origin, trino=trino, larder=larder, direct={}, is_preloaded=False)
    trino.stop()
    assert larder.stop() == 0, larder.process.output()
    origin.stop()


def direct(site, suite: str, name: str) -> list:
    if (suite, name) not in site.direct:
        site.direct[suite, name] = site.trino.rows(STATEMENTS[suite, name], "direct", schema=suite)
    return site.direct[suite, name]


@pytest.mark.parametrize("suite, name", STATEMENTS)
def test_while_larder_fills_rows_are_those_of_direct_reads(site, suite, name):
    assert not site.is_preloaded
    rows, around = direct(site, suite, name), site.trino.storage.bytes_out
    assert queries.same(site.trino.rows(STATEMENTS[suite, name], "hive", schema=suite), rows)
    assert site.trino.storage.bytes_out == around, "all of it is Larder's"


@pytest.mark.parametrize("suite, name", STATEMENTS)
def test_after_the_preload_they_are_the_same_and_nothing_is_read_from_the_origin(site, suite, name):
    if not site.is_preloaded:
        site.larder.command("preload")
        site.larder.wait_for_preload()
        site.is_preloaded = True
    rows = direct(site, suite, name)
    around, read = site.trino.storage.bytes_out, site.larder.metric("larder_origin_bytes_total")
    assert queries.same(site.trino.rows(STATEMENTS[suite, name], "hive", schema=suite), rows)
    assert site.trino.storage.bytes_out == around
    assert site.larder.metric("larder_origin_bytes_total") == read


def test_most_answers_have_rows(site):
    """Equal answers of nothing would say little."""
    assert {key for key in STATEMENTS if not direct(site, *key)} <= EMPTY
