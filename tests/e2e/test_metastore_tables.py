"""Tables that lie anywhere: the planner knows them by the names and places that a Hive Metastore has."""

import datetime
import json
from types import SimpleNamespace

import pytest
import requests
from hmsclient.genthrift.hive_metastore import ttypes

from harness.metastore import Metastore, client, partition, table
from harness.process import wait_until

TODAY = datetime.datetime.now(datetime.UTC).date()
SIZE = 300_000
# Where the table's partitions lie: by Hive's names, and two that nothing in their path tells of.
PLACES = {-2: "0a1b2c/dt={day}", -1: "archive/spring/x", 0: "landed/5f3c"}


def day(offset: int) -> str:
    return str(TODAY + datetime.timedelta(days=offset))


def key(offset: int) -> str:
    return f"{PLACES[offset].format(day=day(offset))}/f"


@pytest.fixture(scope="module")
def metastore(tmp_path_factory):
    metastore = Metastore(tmp_path_factory.mktemp("metastore"))
    yield metastore
    metastore.stop()


@pytest.fixture
def site(request, start_larder, metastore, tmp_path):
    """A lake of files with one table, two of whose partitions the metastore has. Each test has a database of its own."""
    lake, database = tmp_path / "lake", request.function.__name__

    def write(offset: int):
        file = lake / key(offset)
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes([65 + offset]) * SIZE)

    def declare(own, offset: int):
        own.add_partitions([partition(database, "orders", day(offset), f"file:{lake}/{key(offset)[:-2]}")])

    with client(metastore.port) as own:
        own.create_database(ttypes.Database(database, "", f"file:{tmp_path}/warehouse", {}))
        own.create_table(table(database, "orders", f"file:{lake}/0a1b2c", partitioned=True))
        for offset in (-2, -1):
            write(offset)
            declare(own, offset)
    larder = start_larder(
        [{"name": "lake", "origin": f"file://{lake}", "consistency": "immutable", "catalog": "hive"}],
        metastore={"upstream": [metastore.url]},
        nightly={"schedule": "", "budget": "64MiB", "landing_poll": "1s"},
    ).start()
    name = f"hive.{database}.orders"
    item = lambda offset: f"{name}/dt={day(offset)}"  # noqa: E731
    return SimpleNamespace(larder=larder, table=name, item=item, write=write, declare=declare)


def known_as(larder, path: str) -> tuple[str, str]:
    answer = requests.get(f"{larder.admin}/api/v1/resolve", params={"path": f"s3://lake/{path}"}, timeout=30).json()
    return answer["table"], answer["partition"]


def read(larder, offset: int) -> bytes:
    return larder.client().get_object(Bucket="lake", Key=key(offset))["Body"].read()


def listed(larder) -> dict[str, list[str]]:
    items = json.loads(larder.command("whitelist", "show", "--json").stdout)["items"]
    return {entry["item"]: [location["prefix"] for location in entry["locations"]] for entry in items}


def test_tables_go_by_the_metastores_names_and_what_it_has_is_loaded_when_it_lands(site, metastore):
    larder, item = site.larder, site.item
    place = lambda offset: (site.table, f"dt={day(offset)}")  # noqa: E731
    wait_until(lambda: known_as(larder, key(-1)) == place(-1), what="the metastore's names")
    assert known_as(larder, key(-2)) == place(-2)
    assert known_as(larder, "archive/autumn/x/f")[0] != site.table, "another folder beside it"
    for _ in range(8):
        for offset in (-2, -1):
            assert read(larder, offset) == bytes([65 + offset]) * SIZE
    larder.restart()
    larder.command("nightly", "--date", TODAY)
    larder.wait_for_whitelist(1)
    larder.wait_for_preload()
    assert listed(larder) == {item(offset): [key(offset)[:-1]] for offset in (-2, -1)}

    # Files alone are no partition; what the metastore has is.
    site.write(0)
    with client(metastore.port) as own:
        site.declare(own, 0)
    larder.wait_for_whitelist(2)
    assert listed(larder)[item(0)] == [key(0)[:-1]]

    def resident():
        found = {entry["item"]: entry for entry in larder.get("residency")["items"]}[item(0)]
        return found["resident_bytes"] == found["bytes"] == SIZE

    wait_until(resident, what="the landed partition on the SSD")
    before = larder.stat()["bytes_origin"]
    assert read(larder, 0) == bytes([65]) * SIZE
    assert larder.stat()["bytes_origin"] == before
    assert known_as(larder, key(0)) == place(0)


def test_a_metastore_that_is_down_takes_no_name_away(site, metastore):
    larder, item = site.larder, site.item
    wait_until(lambda: known_as(larder, key(-1))[0] == site.table, what="the metastore's names")
    larder.pin(site.table)
    metastore.stop()
    try:
        asked = {"because": "to see the tables without their metastore"}
        answer = larder.post("nights", asked)
        assert answer.ok, answer.text
        wait_until(lambda: len(larder.get("nights")) == 2, what="a second night")
        report = larder.get("nights")[0]["report"]
        warnings = report["warnings"]
        assert "metastore_unread" in [warning["code"] for warning in warnings], warnings
        assert report["asked"] == asked | {"by": "local"}
        assert listed(larder) == {item(offset): [key(offset)[:-1]] for offset in (-2, -1)}
        assert known_as(larder, key(-1))[0] == site.table
    finally:
        metastore.start()
