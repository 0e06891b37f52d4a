"""The route: what the whitelist names goes through the tiers, everything else straight through, leaving nothing."""

import json

import pytest
import requests

from harness.larder import s3_bucket

HOT, COLD = "tpch/lineitem/l_year=1997/", "tpch/lineitem/l_year=1993/"


@pytest.fixture
def keys(origin):
    """The one object of a hot and of a cold partition."""

    def only(prefix):
        entries = origin.client().list_objects_v2(Bucket="raw", Prefix=f"hive/{prefix}")["Contents"]
        return [entry["Key"].removeprefix("hive/") for entry in entries]

    return {HOT: only(HOT), COLD: only(COLD)}


@pytest.fixture
def larder(start_larder, origin):
    """A daemon whose whitelist holds exactly the hot partition: it is the only one ever read or pinned."""
    larder = start_larder([s3_bucket(origin, consistency="immutable", catalog="hive")], nightly={"schedule": ""}).start()
    larder.command("whitelist", "pin", "hive.tpch.lineitem/l_year=1997")
    larder.command("nightly")
    version = json.loads(larder.command("whitelist", "show", "--json").stdout)["version"]
    larder.wait_for_whitelist(version)
    larder.wait_for_preload()
    return larder


def held(larder) -> int:
    stat = larder.stat()
    return stat["memory_used_bytes"] + stat["ssd_used_bytes"]


def test_what_is_not_whitelisted_admits_nothing(larder, origin, keys):
    client = larder.client()
    before, admitted = larder.stat(), held(larder)
    direct_before = larder.metric("larder_get_bytes_total", tier="origin", route="direct")
    sent = 0
    for _ in range(2):
        for key in keys[COLD]:
            body = client.get_object(Bucket="warehouse", Key=key)["Body"].read()
            assert body == origin.client().get_object(Bucket="raw", Key=f"hive/{key}")["Body"].read()
            sent += len(body)
    after = larder.stat()
    assert after["bytes_direct"] - before["bytes_direct"] == sent, "both reads went straight to the origin"
    assert held(larder) == admitted
    for name in ("bytes_memory", "bytes_ssd", "bytes_origin", "origin_bytes_demand"):
        assert after[name] == before[name], name
    assert larder.metric("larder_get_bytes_total", tier="origin", route="direct") - direct_before == sent
    assert larder.metric("larder_origin_bytes_total", cause="direct") >= sent


def test_what_is_whitelisted_comes_from_the_tiers(larder, origin, keys):
    before, origin_before = larder.stat(), origin.bytes_out
    sent = 0
    for key in keys[HOT]:
        sent += len(larder.client().get_object(Bucket="warehouse", Key=key)["Body"].read())
    after = larder.stat()
    assert origin.bytes_out == origin_before
    tiers = ("bytes_memory", "bytes_ssd")
    assert sum(after[name] - before[name] for name in tiers) == sent
    assert after["bytes_direct"] == before["bytes_direct"]


@pytest.mark.parametrize("text", ["bytes=0-99", "bytes=-99", "bytes=1000-"])
def test_the_direct_route_serves_ranges_too(larder, origin, keys, text):
    key = keys[COLD][0]
    through = larder.client().get_object(Bucket="warehouse", Key=key, Range=text)
    direct = origin.client().get_object(Bucket="raw", Key=f"hive/{key}", Range=text)
    assert through["Body"].read() == direct["Body"].read()
    assert through["ContentRange"] == direct["ContentRange"]


def test_admit_all_caches_what_no_whitelist_names(larder, keys):
    larder.settings["cache"]["admit"] = "all"
    larder.restart()
    before = larder.stat()
    for _ in range(2):
        body = larder.client().get_object(Bucket="warehouse", Key=keys[COLD][0])["Body"].read()
    after = larder.stat()
    assert after["bytes_direct"] == before["bytes_direct"]
    assert after["bytes_memory"] + after["bytes_ssd"] - before["bytes_memory"] - before["bytes_ssd"] == len(body)


def test_resolve_tells_the_route_of_a_path(larder):
    hot = larder.get("resolve", path=f"s3://raw/hive/{HOT}file.parquet")
    cold = larder.get("resolve", path=f"s3://raw/hive/{COLD}file.parquet")
    assert json.dumps(hot) != json.dumps(cold)
    assert "cached" in json.dumps(hot) and "direct" in json.dumps(cold)
    assert requests.get(f"{larder.admin}/api/v1/resolve", timeout=10).status_code == 400
