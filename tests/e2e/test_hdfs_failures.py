"""HDFS that fails: DataNodes and NameNodes that die, hang and come back while Larder reads."""

import os
import signal
import threading

import pytest

from harness.hdfs import BLOCK_BYTES, Hdfs
from harness.larder import Larder
from harness.process import wait_until
from test_hdfs import bucket, got
from test_reads import error_of

pytestmark = pytest.mark.timeout(600)

BIG = os.urandom(48 * BLOCK_BYTES)


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    """A name service with two NameNodes."""
    cluster = Hdfs(tmp_path_factory.mktemp("ha"), name_nodes=2)
    cluster.put("/wh/big", BIG)
    cluster.put("/wh/small", b"small")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def larder(hdfs, tmp_path_factory):
    """It reads all of `direct` directly, because its whitelist is of another bucket, and all of `lake` through the tiers."""
    shared = {"options": hdfs.properties, "stall": "6s"}
    larder = Larder(tmp_path_factory.mktemp("larder"), [bucket(hdfs, "lake", "/wh", **shared)]).start()
    yield larder
    assert larder.stop() == 0, larder.process.output()


def eventually(read, seconds: float = 60):
    """What `read` returns, after the tries that a client makes."""
    return wait_until(lambda: (read(),), seconds, "a read")[0]
