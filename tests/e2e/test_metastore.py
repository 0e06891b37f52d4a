"""The metastore proxy in front of a real Hive Metastore: whitelisted locations become the cache's in answers and the origin's
again in requests, and all else is as if nobody stood between."""

import copy
import json
import signal
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hmsclient.genthrift.hive_metastore import ThriftHiveMetastore, ttypes

from harness.larder import Larder
from harness.metastore import Metastore, client, partition, table
from harness.origin import Relay
from harness.process import free_port, wait_until

# Each starts servers of Java's, which take their time on a busy machine.
pytestmark = pytest.mark.timeout(1800)

HOT = ["1", "3"]
PARTITIONS = ["1", "2", "3", "4"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A lake in a local folder, its tables in a metastore, and a daemon whose whitelist names two partitions of `db.t`, all
    of `db.whole`, and the folders of a view and of an Iceberg table."""
    folder = tmp_path_factory.mktemp("metastore")
    lake = folder / "lake"
    for key in [f"db/t/dt={value}/f" for value in PARTITIONS] + ["db/whole/f", "db/view/f", "db/ice/data/f", "db/new/f"]:
        (lake / key).parent.mkdir(parents=True)
        (lake / key).write_bytes(b"x" * 1000)
    metastore = Metastore(folder / "metastore")
    relays = [Relay(metastore.port), Relay(metastore.port)]
    larder = Larder(
        folder / "larder",
        [{"name": "warehouse", "origin": f"file://{lake}", "catalog": "hive"}],
        nightly={"schedule": ""},
        metastore={"listen": f"127.0.0.1:{free_port()}", "upstream": [f"thrift://127.0.0.1:{r.port}" for r in relays]},
    ).start()
    port = int(larder.settings["metastore"]["listen"].rsplit(":")[1])
    site = SimpleNamespace(larder=larder, metastore=metastore, relays=relays, port=port, lake=f"file:{lake}", folder=folder)
    with client(metastore.port) as direct:
        direct.create_database(ttypes.Database("db", "", f"{site.lake}/db", {}))
        direct.create_table(table("db", "t", f"{site.lake}/db/t", partitioned=True))
        direct.add_partitions([partition("db", "t", value, f"{site.lake}/db/t/dt={value}") for value in PARTITIONS])
        direct.create_table(table("db", "whole", f"{site.lake}/db/whole"))
        view = {"tableType": "VIRTUAL_VIEW", "viewOriginalText": "SELECT 1", "viewExpandedText": "SELECT 1"}
        direct.create_table(table("db", "view", f"{site.lake}/db/view", **view))
        iceberg = {"EXTERNAL": "TRUE", "table_type": "ICEBERG", "metadata_location": f"{site.lake}/db/ice/metadata/1.json"}
        direct.create_table(table("db", "ice", f"{site.lake}/db/ice", parameters=iceberg))
    pin(site, *[f"hive.db.t/dt={value}" for value in HOT], "hive.db.whole", "hive.db.view", "hive.db.ice")
    yield site
    assert larder.stop() == 0, larder.process.output()
    for relay in relays:
        relay.close()
    metastore.stop()


def pin(site, *items):
    for item in items:
        site.larder.command("whitelist", "pin", item)
    night(site)


def night(site):
    site.larder.command("nightly")
    version = json.loads(site.larder.command("whitelist", "show", "--json").stdout)["version"]
    site.larder.wait_for_whitelist(version)


def through(site, **options):
    return client(site.port, **options)


def direct(site):
    return client(site.metastore.port)


def cached(site, key: str) -> str:
    return f"s3a://warehouse/{key}"


def rewritten(site, value, hot=tuple(f"db/t/dt={value}" for value in HOT) + ("db/whole",)):
    """What a direct answer should become: nothing but these locations differs."""
    value = copy.deepcopy(value)
    places = {f"{site.lake}/{key}": cached(site, key) for key in hot}

    def walk(part):
        if isinstance(part, (list, tuple)):
            for element in part:
                walk(element)
        elif isinstance(part, ttypes.StorageDescriptor):
            part.location = places.get(part.location, part.location)
        elif hasattr(part, "thrift_spec"):
            for element in vars(part).values():
                walk(element)

    walk(value)
    return value


CALLS = {
    "get_table": lambda c: c.get_table("db", "whole"),
    "get_table, partitioned": lambda c: c.get_table("db", "t"),
    "get_table_objects_by_name": lambda c: c.get_table_objects_by_name("db", ["t", "whole", "view", "ice"]),
    "get_partition": lambda c: c.get_partition("db", "t", ["1"]),
    "get_partition, cold": lambda c: c.get_partition("db", "t", ["2"]),
    "get_partition_with_auth": lambda c: c.get_partition_with_auth("db", "t", ["3"], "me", []),
    "get_partition_by_name": lambda c: c.get_partition_by_name("db", "t", "dt=1"),
    "get_partitions": lambda c: c.get_partitions("db", "t", -1),
    "get_partitions_with_auth": lambda c: c.get_partitions_with_auth("db", "t", -1, "me", []),
    "get_partitions_ps": lambda c: c.get_partitions_ps("db", "t", [""], -1),
    "get_partitions_by_filter": lambda c: c.get_partitions_by_filter("db", "t", 'dt >= "3"', -1),
    "get_partitions_by_names": lambda c: c.get_partitions_by_names("db", "t", ["dt=1", "dt=2"]),
    "get_partitions_pspec": lambda c: c.get_partitions_pspec("db", "t", -1),
    "get_part_specs_by_filter": lambda c: c.get_part_specs_by_filter("db", "t", 'dt = "1"', -1),
}


@pytest.mark.parametrize("call", CALLS)
def test_answers_are_the_metastores_own_but_for_whitelisted_locations(site, call):
    with direct(site) as own, through(site) as proxied:
        expected = rewritten(site, CALLS[call](own))
        before = site.larder.metric("larder_metastore_locations_total", side="answers")
        assert CALLS[call](proxied) == expected
        counted = site.larder.metric("larder_metastore_locations_total", side="answers") - before
        assert counted == repr(expected).count("s3a://warehouse")


def test_writers_find_partitions_where_their_table_is(site):
    """Spark asks so before it inserts, and moves new files from the table's folder to the partition's."""
    call = lambda c: c.get_partitions_ps_with_auth("db", "t", ["1"], -1, "me", [])  # noqa: E731 - a word for a line
    with direct(site) as own, through(site) as proxied:
        assert call(proxied) == call(own)
        assert proxied.get_partition("db", "t", ["1"]).sd.location == cached(site, "db/t/dt=1")


def test_what_is_hot_is_rewritten_and_what_is_cold_is_not(site):
    with through(site) as proxied:
        found = {p.values[0]: p.sd.location for p in proxied.get_partitions("db", "t", -1)}
        assert proxied.get_table("db", "t").sd.location == f"{site.lake}/db/t"
        assert proxied.get_table("db", "whole").sd.location == cached(site, "db/whole")
    for value in PARTITIONS:
        assert found[value] == (cached if value in HOT else lambda s, k: f"{s.lake}/{k}")(site, f"db/t/dt={value}")


@pytest.mark.parametrize("name", ["view", "ice"])
def test_views_and_iceberg_tables_are_left_alone(site, name):
    with direct(site) as own, through(site) as proxied:
        answer = proxied.get_table("db", name)
        assert answer == own.get_table("db", name)
        assert answer.sd.location == f"{site.lake}/db/{name}"


def test_databases_names_and_statistics_pass_as_they_are(site):
    with direct(site) as own, through(site) as proxied:
        for call in [
            lambda c: c.get_database("db"),
            lambda c: sorted(c.get_all_tables("db")),
            lambda c: c.get_partition_names("db", "t", -1),
            lambda c: c.get_partition_names_ps("db", "t", ["1"], -1),
            lambda c: c.get_fields("db", "t"),
            lambda c: c.get_all_functions(),
            lambda c: c.get_config_value("hive.metastore.warehouse.dir", ""),
        ]:
            assert call(proxied) == call(own)
        with pytest.raises(ttypes.NoSuchObjectException):
            proxied.get_table("db", "none")


def raw(port: int, message: bytes, length: int | None = None) -> bytes:
    """What comes back for these bytes: so many, or until the other side has nothing more to say."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(message)
        if length is None:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while len(answer) != length and (received := connection.recv(1 << 16)):
            answer += received
        return answer


def call_message(name: bytes, body: bytes = b"\0", kind: int = 1) -> bytes:
    return struct.pack(">Ii", 0x80010000 | kind, len(name)) + name + struct.pack(">i", 7) + body


def test_unknown_calls_are_the_metastores_to_answer(site):
    field = b"\x0b\x00\x01" + struct.pack(">i", 17) + b"s3a://warehouse/x"
    for message in [call_message(b"no_such_call", field + b"\0"), call_message(b"get_all_databases") * 3]:
        own = raw(site.metastore.port, message)
        assert own
        assert raw(site.port, message, len(own)) == own


def test_calls_may_follow_each_other_without_waiting(site):
    strings = [b"\x0b" + struct.pack(">hi", i + 1, len(text)) + text for i, text in enumerate([b"db", b"whole"])]
    get_table = call_message(b"get_table", b"".join(strings) + b"\0")
    own = raw(site.metastore.port, get_table * 20)
    there, here = cached(site, "db/whole").encode(), f"{site.lake}/db/whole".encode()
    assert own.count(here) == 20
    sized = lambda text: struct.pack(">i", len(text)) + text  # noqa: E731 - a word for two lines
    expected = own.replace(sized(here), sized(there))
    assert raw(site.port, get_table * 20, len(expected)) == expected


@pytest.mark.parametrize("hostile", [b"\x80\x01\x00\x01\x7f\xff\xff\xff", b"GET / HTTP/1.0\r\n\r\n", b"\x82\x21\x01", b"\0" * 64])
def test_bytes_that_are_no_calls_harm_nobody(site, hostile):
    with through(site) as proxied:
        raw_or_reset(site.port, hostile)
        assert proxied.get_table("db", "whole").sd.location == cached(site, "db/whole")


def raw_or_reset(port: int, message: bytes) -> bytes:
    try:
        return raw(port, message)
    except OSError:
        return b""


def nothing_of_the_cache(site, *tables):
    with direct(site) as own:
        for name in tables:
            assert "s3a://warehouse" not in repr(own.get_table("db", name)), name
            assert "s3a://warehouse" not in repr(own.get_partitions("db", name, -1)), name


def test_the_metastore_never_holds_a_location_of_the_cache(site):
    """Every call that stores a location, given the cache's: what a writer was told it writes back."""
    with through(site) as proxied, direct(site) as own:
        proxied.create_table(table("db", "w", cached(site, "db/w"), partitioned=True))
        assert own.get_table("db", "w").sd.location == f"{site.lake}/db/w"
        part = lambda value: partition("db", "w", value, cached(site, f"db/w/dt={value}"))  # noqa: E731
        # The client library has a method of its own under this name.
        ThriftHiveMetastore.Client.add_partition(proxied, part("a"))
        assert proxied.add_partitions([part("b"), part("c")]) == 2
        request = ttypes.AddPartitionsRequest("db", "w", [part("d")], False, True)
        proxied.add_partitions_req(request)
        composing = ttypes.PartitionListComposingSpec([part("e")])
        proxied.add_partitions_pspec([ttypes.PartitionSpec("db", "w", cached(site, "db/w"), None, composing)])
        for value in "abcde":
            assert own.get_partition("db", "w", [value]).sd.location == f"{site.lake}/db/w/dt={value}", value
        proxied.alter_partition("db", "w", part("a"))
        proxied.alter_partitions("db", "w", [part("b"), part("c")])
        proxied.alter_partitions_with_environment_context("db", "w", [part("d")], ttypes.EnvironmentContext({}))
        proxied.rename_partition("db", "w", ["e"], part("f"))
        # Of an external table, the metastore leaves the files where they are.
        assert own.get_partition("db", "w", ["f"]).sd.location == f"{site.lake}/db/w/dt=e"
        nothing_of_the_cache(site, "w")

        # As an engine does after an INSERT: what it read, with other statistics.
        for name in ["whole", "t"]:
            read = proxied.get_table("db", name)
            read.parameters["numRows"] = "5"
            proxied.alter_table_with_environment_context("db", name, read, ttypes.EnvironmentContext({}))
            assert own.get_table("db", name).sd.location == f"{site.lake}/db/{name}"
            assert own.get_table("db", name).parameters["numRows"] == "5"
        read = proxied.get_partitions("db", "t", -1)
        proxied.alter_partitions("db", "t", read)
        nothing_of_the_cache(site, "t", "whole")

        assert proxied.drop_partition("db", "w", ["a"], False)
        proxied.drop_table("db", "w", False)
        assert "w" not in own.get_all_tables("db")


def test_odd_locations_pass_as_they_are_or_come_back_whole(site):
    odd = {
        "space": "db/odd/a b",
        "percent": "db/odd/a%3Ab",
        "unicode": "db/odd/\u00e9\u4e2d",
        "outside": "elsewhere/dt=outside",
    }
    with through(site) as proxied, direct(site) as own:
        proxied.create_table(table("db", "odd", f"{site.lake}/db/odd", partitioned=True))
        for value, key in odd.items():
            proxied.add_partitions([partition("db", "odd", value, cached(site, key))])
            assert own.get_partition("db", "odd", [value]).sd.location == f"{site.lake}/{key}"
        assert proxied.get_partitions("db", "odd", -1) == own.get_partitions("db", "odd", -1)
        # Two tables in one place: the place is whitelisted, whoever names it.
        proxied.create_table(table("db", "twin", f"{site.lake}/db/whole"))
        assert proxied.get_table("db", "twin").sd.location == cached(site, "db/whole")
        proxied.drop_table("db", "twin", False)
        proxied.drop_table("db", "odd", False)


def test_a_new_whitelist_applies_at_the_next_call_of_an_open_connection(site):
    with through(site) as proxied:
        cold = f"{site.lake}/db/t/dt=4"
        assert proxied.get_partition("db", "t", ["4"]).sd.location == cold
        pin(site, "hive.db.t/dt=4")
        assert proxied.get_partition("db", "t", ["4"]).sd.location == cached(site, "db/t/dt=4")
        site.larder.command("whitelist", "deny", "hive.db.t/dt=4")
        night(site)
        assert proxied.get_partition("db", "t", ["4"]).sd.location == cold


def test_the_second_metastore_is_used_and_none_is_a_clean_failure(site):
    first, second = site.relays
    first.close()
    seen = second.bytes_out
    with through(site) as proxied:
        assert proxied.get_table("db", "whole").sd.location == cached(site, "db/whole")
    assert second.bytes_out > seen
    assert site.larder.metric("larder_metastore_upstream_errors_total", kind="connect") >= 1
    second.close()
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        assert connection.recv(1) == b"", "the connection ends when no metastore can be reached"
    for relay in site.relays:
        wait_until(lambda relay=relay: relay.listen() is None, what="the relay's port")
    with through(site) as proxied:
        assert proxied.get_table("db", "whole").sd.location == cached(site, "db/whole")


def counted(site) -> tuple[float, float]:
    """Calls that were passed on, and failures of the metastore, so far."""
    return tuple(site.larder.metric(f"larder_metastore_{what}_total") for what in ("calls", "upstream_errors"))


def test_calls_wait_for_a_metastore_that_hangs(site):
    metastore = site.metastore.process.child
    with through(site) as proxied, ThreadPoolExecutor(1) as pool:
        proxied.get_all_databases()
        calls, errors = counted(site)
        metastore.send_signal(signal.SIGSTOP)
        try:
            waiting = pool.submit(proxied.get_table, "db", "whole")
            wait_until(lambda: counted(site) == (calls + 1, errors), what="the call at the metastore")
            with pytest.raises(TimeoutError):
                waiting.result(1)
            # A client that comes in the meantime waits for the metastore too, and not for the first one.
            with socket.create_connection(("127.0.0.1", site.port), timeout=60) as other:
                other.sendall(call_message(b"get_all_databases"))
                wait_until(lambda: counted(site) == (calls + 2, errors), what="the other one's call at the metastore")
                metastore.send_signal(signal.SIGCONT)
                assert b"get_all_databases" in other.recv(1 << 16)
        finally:
            metastore.send_signal(signal.SIGCONT)
        assert waiting.result(60).sd.location == cached(site, "db/whole")
        assert proxied.get_table("db", "t").sd.location == f"{site.lake}/db/t", "the connection goes on"
    assert counted(site)[1] == errors


def test_a_stopped_daemon_ends_its_clients_connections_and_starts_again(site):
    with through(site) as proxied:
        proxied.get_all_databases()
        assert site.larder.stop() == 0, site.larder.process.output()
        with pytest.raises(Exception):  # noqa: B017 - the client's own, whichever it is
            proxied.get_all_databases()
    site.larder.start()
    # The whitelist that was in force is in force from the first answer on.
    with through(site) as proxied:
        assert proxied.get_table("db", "whole").sd.location == cached(site, "db/whole")


def test_thousands_of_partitions_are_equal_but_for_their_locations(site):
    with direct(site) as own, through(site) as proxied:
        own.create_table(table("db", "many", f"{site.lake}/db/many", partitioned=True))
        # A hundred folders: that there are two partitions in one is the metastore's own affair.
        place = lambda i: "db/whole/sub" if i % 100 == 0 else f"db/t/dt={PARTITIONS[i % 4]}"  # noqa: E731
        for begin in range(0, 3_000, 1000):
            own.add_partitions(
                [partition("db", "many", str(i), f"{site.lake}/{place(i)}") for i in range(begin, begin + 1000)]
            )
        hot = tuple(f"db/t/dt={value}" for value in HOT) + ("db/whole/sub",)
        expected = rewritten(site, own.get_partitions("db", "many", -1), hot)
        assert len(expected) == 3_000
        assert proxied.get_partitions("db", "many", -1) == expected
        assert repr(expected).count("s3a://warehouse") > 1200
        own.drop_table("db", "many", False)


@contextmanager
def framed_daemon(site, folder, metastore):
    """Another daemon on the same whitelist, in front of a metastore of its own."""
    settings = copy.deepcopy(site.larder.settings)
    larder = Larder(folder / "larder", settings["bucket"][:1])
    port = free_port()
    larder.settings["store"] = settings["store"]
    larder.settings["metastore"] = {"listen": f"127.0.0.1:{port}", "upstream": [metastore.url]}
    larder.start()
    try:
        yield port
    finally:
        assert larder.stop() == 0, larder.process.output()


def test_framed_connections_are_rewritten_too(site, tmp_path):
    metastore = Metastore(tmp_path / "framed", framed=True)
    try:
        with client(metastore.port, framed=True) as own:
            own.create_database(ttypes.Database("db", "", f"{site.lake}/db", {}))
            own.create_table(table("db", "whole", f"{site.lake}/db/whole"))
            with framed_daemon(site, tmp_path, metastore) as port, client(port, framed=True) as proxied:
                proxied.create_table(table("db", "x", cached(site, "db/x")))
                assert own.get_table("db", "x").sd.location == f"{site.lake}/db/x"
                assert proxied.get_table("db", "whole") == rewritten(site, own.get_table("db", "whole"))
                assert proxied.get_table("db", "whole").sd.location == cached(site, "db/whole")
    finally:
        metastore.stop()
