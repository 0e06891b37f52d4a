"""The servers and tables that tests share. A test that changes a server's state starts one of its own."""

import contextlib
import subprocess
from pathlib import Path
from types import FunctionType, SimpleNamespace

import pytest

from harness import queries, tables
from harness.browser import Chromium, settle, watched
from harness.larder import Larder, s3_bucket
from harness.origin import Origin
from harness.trino import TrinoOverS3


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="session")
def table_files(session_folder) -> Path:
    """A folder of TPC-H tables; tests read it, and never write to it."""
    tables.generate(session_folder / "tables")
    return session_folder / "tables"


@pytest.fixture(scope="session")
def tpcds_files(session_folder) -> Path:
    """A folder of TPC-DS tables, small ones; tests read it, and never write to it."""
    queries.generate("tpcds", session_folder / "tpcds-tables", queries.TPCDS_SCALE)
    return session_folder / "tpcds-tables"


@pytest.fixture(scope="session")
def origin(session_folder, table_files):
    """An S3 server whose bucket `raw` holds the tables under `hive/`."""
    server = Origin(session_folder / "origin")
    try:
        server.client().create_bucket(Bucket="raw")
        server.client().create_bucket(Bucket="scratch")
        server.upload("raw", "hive/", table_files)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def trino(session_folder, origin, table_files):
    """Trino over the tables of `origin`. Which Larder it meets is the test's to say: `mapping`, `admin`."""
    server = TrinoOverS3(session_folder / "trino", origin)
    try:
        server.add_tables(table_files)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def shared(session_folder, origin):
    """A daemon for tests that read, or that write keys of their own: `warehouse` holds the tables, `scratch` nothing."""
    larder = Larder(
        session_folder / "shared",
        [s3_bucket(origin), s3_bucket(origin, "scratch", "s3://scratch")],
        s3={"domain": "larder.test"},
    ).start()
    yield larder
    assert larder.stop() == 0, larder.process.output()


@pytest.fixture(scope="session")
def over_tls(session_folder, origin):
    """Like `shared`, with a certificate of its own making."""
    folder = session_folder / "over-tls"
    folder.mkdir()
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    tls = {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    larder = Larder(folder, [s3_bucket(origin, "scratch", "s3://scratch")], s3={"tls": tls})
    larder.scheme = "https"
    yield larder.start()
    assert larder.stop() == 0, larder.process.output()


@pytest.fixture
def start_larder(tmp_path, origin):
    """Makes daemons for one test, and stops those that still run at its end."""
    made = []

    def make(buckets=None, name="larder", **tables) -> Larder:
        larder = Larder(tmp_path / name, buckets or [s3_bucket(origin)], **tables)
        made.append(larder)
        return larder

    make.made = made
    yield make
    for larder in made:
        if larder.process and larder.process.child.poll() is None:
            assert larder.stop() == 0, larder.process.output()


@pytest.fixture
def own_origin(tmp_path):
    """An S3 server for one test, with an empty bucket `raw`."""
    server = Origin(tmp_path / "own-origin")
    server.client().create_bucket(Bucket="raw")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chromium():
    chromium = Chromium()
    yield chromium
    chromium.stop()


@pytest.fixture
def visit(chromium, request):
    """Opens a page; at the test's end none of them may have logged an error, thrown one, or asked another machine."""
    contexts, faults, forgiven = [], [], []

    def open_page(url: str, settled=True, **options):
        contexts.append(chromium.context(**options))
        page = contexts[-1].new_page()
        faults.append(watched(page, url))
        page.goto(url)
        if settled:
            settle(page)
        return page

    def forgive(status: int):
        """The browser itself logs each answer of this status, now or later: what a page asked for may be under way."""
        forgiven.append(f"status of {status}")

    open_page.forgive = forgive
    yield open_page
    for context in contexts:
        context.close()
    assert not [fault for of_page in faults for fault in of_page if not any(part in fault for part in forgiven)]


def printed(name: str, value, seen: set[int]):
    """What the servers and sessions in a fixture's value printed last, each with where in the value it is."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if callable(getattr(value, "output", None)):
        with contextlib.suppress(OSError):
            yield name, value.output()
        return
    if isinstance(log := getattr(value, "log", None), Path) and log.exists():
        yield name, "\n".join(log.read_text(errors="replace").splitlines()[-60:])
    elif isinstance(value, dict):
        for key, part in list(value.items()):
            yield from printed(f"{name}.{key}", part, seen)
    elif isinstance(value, (list, tuple)):
        for at, part in enumerate(value):
            yield from printed(f"{name}.{at}", part, seen)
    # Factories keep what they made as attributes.
    elif isinstance(value, (SimpleNamespace, FunctionType)) or type(value).__module__.startswith("harness"):
        yield from printed(name, vars(value), seen)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the servers it used printed last."""
    report = (yield).get_result()
    if report.failed:
        seen = set()
        for name, value in getattr(item, "funcargs", {}).items():
            report.sections += list(printed(name, value, seen))


def pytest_sessionfinish(session):
    """Nothing is skipped silently: a run that leaves a test out has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and (reporter.stats.get("skipped") or reporter.stats.get("xfailed")):
        session.exitstatus = 1
