"""Direct reads sent to the origin itself: who follows gets the exact bytes, and none of them pass through Larder."""

import json
import subprocess
import urllib.request
from urllib.parse import unquote

import pytest
import requests

from harness import tables
from harness.larder import s3_bucket

HOT, COLD = "tpch/lineitem/l_year=1997/", "tpch/lineitem/l_year=1993/"
CURL = ["curl", "--silent", "--show-error", "--fail"]


@pytest.fixture
def larder(start_larder, origin):
    """A daemon that redirects some clients, and whose whitelist holds the hot partition only."""
    redirect = ["curl", "python-requests", "boto3"]
    bucket = s3_bucket(origin, consistency="immutable", catalog="hive", redirect=redirect)
    larder = start_larder([bucket], nightly={"schedule": ""}).start()
    larder.command("whitelist", "pin", "hive.tpch.lineitem/l_year=1997")
    larder.command("nightly")
    version = json.loads(larder.command("whitelist", "show", "--json").stdout)["version"]
    larder.wait_for_whitelist(version)
    larder.wait_for_preload()
    return larder


def object_in(origin, prefix: str) -> tuple[str, bytes]:
    """A key of a partition, and its bytes."""
    key = origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}")["Contents"][0]["Key"]
    return key.removeprefix("hive/"), origin.client().get_object(Bucket="raw", Key=key)["Body"].read()


def presigned(larder, key: str) -> str:
    return larder.client().generate_presigned_url("get_object", {"Bucket": "warehouse", "Key": key}, ExpiresIn=60)


def counted(larder) -> tuple[float, float]:
    """Redirects, and bytes that passed through."""
    return larder.metric("larder_redirects_total"), larder.metric("larder_origin_bytes_total", cause="direct")


def test_who_follows_gets_the_bytes_from_the_origin(larder, origin):
    key, body = object_in(origin, COLD)
    url = presigned(larder, key)
    sent = requests.get(url, allow_redirects=False, timeout=30)
    assert (sent.status_code, sent.headers["Cache-Control"]) == (307, "no-store")
    there = unquote(sent.headers["Location"])
    assert there.startswith(f"{origin.endpoint}/raw/hive/{key}?"), there
    assert "<Code>TemporaryRedirect</Code>" in sent.text
    assert requests.get(url, timeout=30).content == body
    ranged = requests.get(url, headers={"Range": "bytes=100-299"}, timeout=30)
    assert (ranged.status_code, ranged.content) == (206, body[100:300])
    assert subprocess.run([*CURL, "--location", url], check=True, capture_output=True).stdout == body
    ranged = subprocess.run([*CURL, "--location", "--range", "-50", url], check=True, capture_output=True)
    assert ranged.stdout == body[-50:]
    assert counted(larder) == (5, 0)


def test_duckdb_follows_from_a_presigned_url(larder, origin):
    key, _ = object_in(origin, COLD)
    rows = "SELECT count(*), sum(l_orderkey) FROM read_parquet(?)"
    larder.settings["bucket"][0]["redirect"] = ["duckdb"]
    larder.restart()
    with tables.connect("httpfs") as connection:
        direct = origin.client().generate_presigned_url("get_object", {"Bucket": "raw", "Key": f"hive/{key}"})
        expected = connection.execute(rows, [direct]).fetchall()
        assert connection.execute(rows, [presigned(larder, key)]).fetchall() == expected
    redirects, through = counted(larder)
    assert redirects > 0 and through == 0


def test_others_and_what_is_cached_are_answered_here(larder, origin):
    key, body = object_in(origin, COLD)
    assert larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read() == body
    assert counted(larder) == (0, len(body)), "who signs in headers could do nothing with another URL"
    assert urllib.request.urlopen(presigned(larder, key), timeout=30).read() == body
    assert counted(larder) == (0, 2 * len(body)), "an engine that is not named gets the bytes through Larder"
    head = subprocess.run([*CURL, "--head", presigned(larder, key)], check=False, capture_output=True, text=True)
    assert "307" not in head.stdout
    key, body = object_in(origin, HOT)
    assert requests.get(presigned(larder, key), allow_redirects=False, timeout=30).content == body
    assert counted(larder)[0] == 0


def test_a_redirect_to_an_origin_without_urls_is_named_with_its_line(start_larder, tmp_path):
    larder = start_larder([{"name": "local", "origin": f"file://{tmp_path}", "redirect": ["*"]}])
    refused = larder.command("check-config", check=False)
    assert refused.returncode != 0
    assert "line " in refused.stderr and "redirect" in refused.stderr and "presigned URLs" in refused.stderr
