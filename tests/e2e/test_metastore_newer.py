"""The metastore proxy in front of a metastore of Hive 4, by the calls that Hive 3 and 4 brought, whose arguments are one request:
whitelisted locations become the cache's in answers and the origin's again in requests."""

from types import SimpleNamespace

import pytest
from hmsclient.genthrift.hive_metastore import ttypes

from harness.larder import Larder
from harness.metastore import client, partition, table
from harness.metastore4 import Metastore4
from harness.process import free_port
from harness.wire import call

# A server of Java's, whose archive is fetched at the first run.
pytestmark = pytest.mark.timeout(900)

# The places of the partitions of `db.t`, by their values. The third one's is another table's.
PLACES = {"1": "db/t/dt=1", "2": "db/t/dt=2", "3": "db/whole"}
HOT = ["db/t/dt=1", "db/whole"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A lake in a local folder, and a daemon whose whitelist names one partition of `db.t` and all of `db.whole`."""
    folder = tmp_path_factory.mktemp("metastore4")
    lake = folder / "lake"
    for place in PLACES.values():
        (lake / place).mkdir(parents=True)
        (lake / place / "f").write_bytes(b"x" * 1000)
    metastore = Metastore4(folder / "metastore")
    port = free_port()
    larder = Larder(
        folder / "larder",
        [{"name": "warehouse", "origin": f"file://{lake}", "catalog": "hive"}],
        nightly={"schedule": ""},
        metastore={"listen": f"127.0.0.1:{port}", "upstream": [metastore.url]},
    ).start()
    with client(metastore.port) as direct:
        direct.create_database(ttypes.Database("db", "", f"file:{lake}/db", {}))
        direct.create_table(table("db", "t", f"file:{lake}/db/t", partitioned=True))
        direct.add_partitions([partition("db", "t", value, f"file:{lake}/{place}") for value, place in PLACES.items()])
        direct.create_table(table("db", "whole", f"file:{lake}/db/whole"))
    larder.pin("hive.db.t/dt=1", "hive.db.whole")
    yield SimpleNamespace(larder=larder, metastore=metastore, port=port, lake=f"file:{lake}")
    assert larder.stop() == 0, larder.process.output()
    metastore.stop()


def told(site, place: str) -> str:
    """The location that the proxy tells of this place."""
    return f"s3a://warehouse/{place}" if place in HOT else f"{site.lake}/{place}"


def rewritten(site, value):
    """What a direct answer should become: nothing but the locations of whitelisted places differs."""
    if isinstance(value, dict):
        return {key: rewritten(site, part) for key, part in value.items()}
    if isinstance(value, list):
        return [rewritten(site, part) for part in value]
    places = {f"{site.lake}/{place}": told(site, place) for place in HOT}
    return places.get(value, value) if isinstance(value, str) else value


# Each call with its request, and the places that its answer tells of.
CALLS = {
    "get_table_req": ({1: "db", 2: "whole"}, ["db/whole"]),
    "get_table_req, partitioned": ({1: "db", 2: "t"}, ["db/t"]),
    "get_table_objects_by_name_req": ({1: "db", 2: ["t", "whole"]}, ["db/t", "db/whole"]),
    "get_partition_req": ({2: "db", 3: "t", 4: ["1"]}, ["db/t/dt=1"]),
    "get_partition_req, cold": ({2: "db", 3: "t", 4: ["2"]}, ["db/t/dt=2"]),
    "get_partitions_req": ({2: "db", 3: "t"}, [*PLACES.values()]),
    "get_partitions_by_names_req": ({1: "db", 2: "t", 3: ["dt=1", "dt=2"]}, ["db/t/dt=1", "db/t/dt=2"]),
    # Partitions in the table's own folder are told relative to it.
    "get_partitions_with_specs": ({2: "db", 3: "t", 7: {}, 8: {}}, ["db/t", "db/whole"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_answers_are_the_metastores_own_but_for_whitelisted_locations(site, name):
    request, places = CALLS[name]
    method = name.split(",")[0]
    own = call(site.metastore.port, method, request)
    proxied = call(site.port, method, request)
    assert proxied == rewritten(site, own)
    for place in places:
        assert f"'{told(site, place)}'" in repr(proxied), place
    assert repr(proxied).count("s3a://warehouse") == sum(place in HOT for place in places)


def test_writers_find_partitions_where_their_table_is(site):
    """Spark asks so before it inserts, and moves new files from the table's folder to the partition's."""
    request = {2: "db", 3: "t", 4: [""]}
    own, proxied = (call(port, "get_partitions_ps_with_auth_req", request) for port in (site.metastore.port, site.port))
    found = {fields[1][0]: fields[6][2] for fields in proxied[1]}
    at_origin = {fields[1][0]: fields[6][2] for fields in own[1]}
    # The third lies in the folder of a table that is whitelisted as a whole.
    assert found == at_origin | {"3": told(site, PLACES["3"])}
    assert told(site, PLACES["1"]) != at_origin["1"], "which readers are told"


def test_the_older_calls_are_understood_too(site):
    with client(site.port) as proxied:
        found = {part.values[0]: part.sd.location for part in proxied.get_partitions("db", "t", -1)}
        assert found == {value: told(site, place) for value, place in PLACES.items()}


def test_the_metastore_never_holds_a_location_of_the_cache(site):
    """Every call that stores a location, given the cache's: what a writer was told it writes back."""
    cached = "s3a://warehouse/db/w"
    part = lambda value, at: partition("db", "w", value, f"{cached}/dt={at}")  # noqa: E731 - a word for a line

    def stored() -> dict[str, str]:
        """What the metastore holds of `db.w`, by the value of the partition."""
        parts = call(site.metastore.port, "get_partitions_req", {2: "db", 3: "w"})[1]
        return {fields[1][0]: fields[6][2].removeprefix(f"{site.lake}/") for fields in parts}

    call(site.port, "create_table_req", {1: table("db", "w", cached, partitioned=True)})
    (own,) = call(site.metastore.port, "get_table_req", {1: "db", 2: "w"}).values()
    assert own[7][2] == f"{site.lake}/db/w"
    call(site.port, "add_partitions_req", {1: "db", 2: "w", 3: [part("a", "a"), part("b", "b")], 4: False})
    assert stored() == {"a": "db/w/dt=a", "b": "db/w/dt=b"}
    call(site.port, "alter_partitions_req", {2: "db", 3: "w", 4: [part("a", "other")]})
    assert stored() == {"a": "db/w/dt=other", "b": "db/w/dt=b"}
    call(site.port, "rename_partition_req", {1: "hive", 2: "db", 3: "w", 4: ["b"], 5: part("c", "b")})
    # Of an external table, the metastore leaves the files where they are.
    assert stored() == {"a": "db/w/dt=other", "c": "db/w/dt=b"}

    # As an engine does after an INSERT: what it read, with other statistics.
    whole = ttypes.GetTableRequest("db", "whole")
    with client(site.port) as proxied, client(site.metastore.port) as direct:
        read = proxied.get_table_req(whole).table
        assert read.sd.location == told(site, "db/whole")
        read.parameters["numRows"] = "5"
        call(site.port, "alter_table_req", {2: "db", 3: "whole", 4: read})
        altered = direct.get_table_req(whole).table
        assert (altered.sd.location, altered.parameters["numRows"]) == (f"{site.lake}/db/whole", "5")
