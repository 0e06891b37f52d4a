"""HDFS that asks for Kerberos: a keytab and a ticket open it, and without either the daemon says what is missing."""

import ctypes
import os
from types import SimpleNamespace

import pytest

from harness.hdfs import BLOCK_BYTES, Hdfs
from harness.kerberos import REALM, Kdc
from harness.larder import Larder
from harness.process import wait_until
from test_hdfs import bucket, got, keys, ready
from test_reads import error_of

pytestmark = pytest.mark.timeout(600)

BODY = os.urandom(3 * BLOCK_BYTES + 5)
USER = "analyst"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A secured cluster, whose folder `/wh` is the user's."""
    # Larder loads it when Kerberos is asked for; Debian's package is libgssapi-krb5-2.
    ctypes.CDLL("libgssapi_krb5.so.2")
    kdc = Kdc(tmp_path_factory.mktemp("kdc") / "kdc", USER, "stranger")
    hdfs = Hdfs(tmp_path_factory.mktemp("secured"), secure=kdc.secures())
    hdfs.put("/wh/f", BODY)
    hdfs.fs("-chown", "-R", USER, "/wh")
    hdfs.fs("-chmod", "-R", "700", "/wh")
    yield SimpleNamespace(kdc=kdc, hdfs=hdfs)
    hdfs.stop()
    kdc.stop()


def options(site, login: str, user: str = USER) -> dict:
    common = {"dfs.data.transfer.protection": "integrity"}
    kerberos = {"hadoop.security.authentication": "kerberos"}
    return common | {
        "keytab": {"principal": f"{user}@{REALM}", "keytab": site.kdc.keytab(user)},
        "ticket": {"principal": f"{user}@{REALM}", "ticket_cache": site.kdc.ticket(user)},
        "the environment's ticket": kerberos,
        "nothing": kerberos,
        "simple": {},
    }[login]


@pytest.fixture
def start(site, tmp_path):
    made = []

    def start(login: str, user: str = USER) -> Larder:
        larder = Larder(tmp_path / "larder", [bucket(site.hdfs, "lake", "/wh", options=options(site, login, user))])
        made.append(larder)
        environment = site.kdc.environment
        if login.startswith("the environment"):
            environment |= {"KRB5CCNAME": site.kdc.ticket(user)}
        return larder.spawn(env=environment)

    yield start
    for larder in made:
        assert larder.stop() == 0, larder.process.output()


@pytest.mark.parametrize("login", ["keytab", "ticket", "the environment's ticket"])
def test_who_has_a_key_or_a_ticket_reads_and_writes(site, start, login):
    larder = start(login)
    wait_until(lambda: '"ready":true' in ready(larder), what="readiness")
    s3 = larder.client()
    assert got(s3, "f", "lake") == BODY
    assert got(s3, "f", "lake", Range=f"bytes={BLOCK_BYTES - 3}-{BLOCK_BYTES + 3}") == BODY[BLOCK_BYTES - 3 : BLOCK_BYTES + 4]
    key = login.replace("'", "")
    s3.put_object(Bucket="lake", Key=f"written/{key}", Body=BODY)
    assert site.hdfs.get(f"/wh/written/{key}") == BODY
    assert f"written/{key}" in keys(s3, "written/", "lake")
    assert USER in site.hdfs.fs("-stat", "%u", f"/wh/written/{key}")


@pytest.mark.parametrize(
    ("login", "user", "expected"),
    [
        ("nothing", USER, "refuses access with the configured credentials (No credentials were supplied"),
        ("keytab", "stranger", "refuses access with the configured credentials (AccessControlException)"),
        # A NameNode that wants Kerberos hangs up on who does not begin with it.
        ("simple", USER, "no NameNode answered"),
    ],
)
def test_who_has_none_is_told_so(start, login, user, expected):
    larder = start(login, user)
    wait_until(lambda: expected in ready(larder), what=f"{expected} in /readyz")
    assert error_of(larder.client().get_object, Bucket="lake", Key="f") == (503, "ServiceUnavailable")
