"""HDFS that fails while Larder reads: DataNodes and NameNodes that die, hang, come back and take over from each other."""

import os
import signal
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from harness.hdfs import BLOCK_BYTES, Hdfs
from harness.larder import Larder
from harness.metastore import site_xml
from harness.process import wait_until
from test_hdfs import bucket, got, ready, served
from test_reads import error_of

# Each test stops servers and waits for those that take over.
pytestmark = pytest.mark.timeout(900)

BIG = os.urandom(64 * BLOCK_BYTES)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A name service with two NameNodes, and two daemons: one reads all through the tiers and finds the NameNodes in Hadoop's
    configuration, and one reads all but a folder directly and has them in its own."""
    hdfs = Hdfs(tmp_path_factory.mktemp("ha"), name_nodes=2)
    hadoop = tmp_path_factory.mktemp("hadoop")
    (hadoop / "core-site.xml").write_text(site_xml({"fs.defaultFS": hdfs.url}))
    (hadoop / "hdfs-site.xml").write_text(site_xml(hdfs.properties))
    hdfs.put("/wh/db/cold/big", BIG)
    hdfs.put("/wh/db/cold/small", b"small")
    hdfs.put("/wh/db/hot/small", b"small")
    larders = {}
    for route, options in [("cached", {"conf_dir": str(hadoop)}), ("direct", hdfs.properties)]:
        lake = bucket(hdfs, "lake", "/wh", options=options, stall="6s")
        larders[route] = Larder(tmp_path_factory.mktemp(route), [lake], nightly={"schedule": ""}).start()
    larders["direct"].command("whitelist", "pin", "hive.db.hot")
    larders["direct"].command("nightly")
    larders["direct"].wait_for_whitelist(1)
    yield SimpleNamespace(hdfs=hdfs, larders=larders, s3={route: larder.client() for route, larder in larders.items()})
    for larder in larders.values():
        assert larder.stop() == 0, larder.process.output()
    hdfs.stop()


@pytest.fixture(params=["direct", "cached"])
def route(request, site):
    """A route, whose next read of the large file is cold."""
    site.hdfs.fs("-touch", "-m", "/wh/db/cold/big")
    return request.param


@contextmanager
def all_back(hdfs):
    """DataNodes that are killed inside are started at the end."""
    try:
        yield
    finally:
        for node in hdfs.data_nodes:
            if not node.runs:
                node.start()
        hdfs.wait_serving(hdfs.active)


def read_and_meanwhile(site, route: str, do):
    """Reads the large file, and does something after its first part."""
    before = served(site.larders[route])
    body = site.s3[route].get_object(Bucket="lake", Key="db/cold/big")["Body"]
    read = body.read(BLOCK_BYTES)
    do()
    read += body.read()
    # What is counted is counted when the answer has ended.
    grown = lambda: served(site.larders[route])[f"origin, {route}"] - before[f"origin, {route}"]  # noqa: E731
    wait_until(lambda: grown() == len(BIG), what=f"{len(BIG)} bytes by the route {route}")
    return read


def test_a_data_node_that_is_killed_costs_no_byte(site, route):
    with all_back(site.hdfs):
        assert read_and_meanwhile(site, route, site.hdfs.data_nodes[0].kill) == BIG


def test_a_data_node_that_hangs_costs_no_byte(site, route):
    child = site.hdfs.data_nodes[1].process.child
    try:
        assert read_and_meanwhile(site, route, lambda: child.send_signal(signal.SIGSTOP)) == BIG
    finally:
        child.send_signal(signal.SIGCONT)
    site.hdfs.wait_serving(site.hdfs.active)


def test_without_data_nodes_a_read_fails_cleanly_and_goes_on_with_them(site, route):
    with all_back(site.hdfs):
        for node in site.hdfs.data_nodes:
            node.kill()
        assert error_of(site.s3[route].get_object, Bucket="lake", Key="db/cold/big") == (503, "ServiceUnavailable")
        assert site.s3[route].head_object(Bucket="lake", Key="db/cold/big")["ContentLength"] == len(BIG)
    assert eventually(lambda: got(site.s3[route], "db/cold/big", "lake")) == BIG


def eventually(read):
    """What `read` returns in one of some tries."""
    return wait_until(lambda: (read(),), 60, "a read")[0]


def test_a_write_goes_on_without_a_data_node(site):
    body = os.urandom(3 * BLOCK_BYTES)
    with all_back(site.hdfs):
        site.hdfs.data_nodes[0].kill()
        # A write to a DataNode that the NameNode does not miss yet fails, and clients try again.
        eventually(lambda: site.s3["direct"].put_object(Bucket="lake", Key="db/written/one", Body=body))
        assert site.hdfs.get("/wh/db/written/one") == body
    assert site.hdfs.files("/wh/db/written") == {"/wh/db/written/one"}


def test_the_standby_takes_over_while_a_file_is_read(site, route):
    def fail_over():
        site.hdfs.name_nodes[site.hdfs.active].kill()
        site.hdfs.activate(1 - site.hdfs.active)

    dead = site.hdfs.active
    try:
        assert read_and_meanwhile(site, route, fail_over) == BIG
        assert site.hdfs.active != dead
        assert got(site.s3[route], "db/cold/small", "lake") == b"small"
        key = f"db/over/{route}"
        site.s3[route].put_object(Bucket="lake", Key=key, Body=b"written")
        assert site.hdfs.get(f"/wh/{key}") == b"written"
    finally:
        if not site.hdfs.name_nodes[dead].runs:
            site.hdfs.name_nodes[dead].start()
        site.hdfs.wait_serving(dead)


def test_a_name_node_that_hangs_is_left_for_the_other(site, route):
    hung = site.hdfs.active
    child = site.hdfs.name_nodes[hung].process.child
    assert got(site.s3[route], "db/cold/small", "lake") == b"small"
    child.send_signal(signal.SIGSTOP)
    try:
        site.hdfs.activate(1 - hung)
        assert eventually(lambda: got(site.s3[route], "db/cold/small", "lake")) == b"small"
        assert eventually(lambda: got(site.s3[route], "db/cold/big", "lake")) == BIG
        wait_until(lambda: '"ready":true' in ready(site.larders[route]), 60, "readiness")
    finally:
        # It would take itself for the active one.
        child.kill()
        child.wait()
        site.hdfs.name_nodes[hung].start()
        site.hdfs.wait_serving(hung)


def test_name_nodes_that_are_away_are_said_to_be_and_come_back(site):
    hdfs, larder, s3 = site.hdfs, site.larders["direct"], site.s3["direct"]
    for node in hdfs.name_nodes:
        node.kill()
    try:
        assert error_of(s3.get_object, Bucket="lake", Key="db/cold/small") == (503, "ServiceUnavailable")
        assert error_of(s3.list_objects_v2, Bucket="lake") == (503, "ServiceUnavailable")
        assert error_of(s3.put_object, Bucket="lake", Key="db/x", Body=b"x") == (503, "ServiceUnavailable")
        wait_until(lambda: "lake" in ready(larder), 60, "the bucket in /readyz")
    finally:
        for node in hdfs.name_nodes:
            node.start()
        for i in range(2):
            wait_until(lambda i=i: hdfs.info(i), 60, f"NameNode {i}")
        hdfs.activate(0)
        hdfs.wait_serving(0)
    assert eventually(lambda: got(s3, "db/cold/small", "lake")) == b"small"
    assert eventually(lambda: got(site.s3["cached"], "db/cold/small", "lake")) == b"small"
