"""The dashboard over daemons that no demo leaves: untouched, guarded, at a preload, with wide objects or many items."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from playwright.sync_api import expect

from harness.browser import ITEMS, NARROW, PARTS, VIEWS, WIDE, assert_accessible, vast, view
from harness.larder import Larder, fill_up, local_bucket
from harness.process import wait_until
from test_admin_access import OPERATOR, READER
from test_night import TODAY

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A daemon that was never asked for anything."""
    folder = tmp_path_factory.mktemp("untouched")
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": ""}).start()
    yield larder
    assert larder.stop() == 0, larder.process.output()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A daemon that asks who one is."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = [{"name": "look", "token": READER}, {"name": "ops", "token": OPERATOR, "role": "operator"}]
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": ""}, admin={"tokens": tokens}).start()
    yield larder
    assert larder.stop() == 0, larder.process.output()


DAYS = (1, 2, 3)


@pytest.fixture(scope="module")
def loading(tmp_path_factory):
    """A daemon with a table whose partitions take some seconds to load where that is done slowly."""
    folder = tmp_path_factory.mktemp("loading")
    for day in DAYS:
        partition = folder / f"lake/wide/t/d={day}"
        partition.mkdir(parents=True)
        for part in range(3):
            (partition / f"{part}.bin").write_bytes(b"x" * (4 << 20))
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": ""}).start()
    yield larder
    assert larder.stop() == 0, larder.process.output()


ASKED, COLUMNS = "lake.web.hits", 4
# Who asked with which engine, a query each.
ASKERS = (("trino", "ann"), ("trino", "bo"), ("spark", "cy"), ("spark", "ann"))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A daemon whose last night read a query log of two engines. Objects of their table are too large to be held whole."""
    folder = tmp_path_factory.mktemp("asked")
    table = folder / "lake/web/hits/d=1"
    table.mkdir(parents=True)
    columns = {f"c{n}": [(row + n) * 2654435761 % 4294967291 for row in range(131_072)] for n in range(COLUMNS)}
    pq.write_table(pa.table(columns), table / "f.parquet", use_dictionary=False, compression="none")
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": ""})
    read = {"table": ASKED, "partitions": ["d=1"], "columns": ["c0", "c1"], "bytes": 2_000_000}
    at = f"{TODAY}T00:00:01Z"
    events = [
        {"query_id": f"q{n}", "engine": engine, "user": user, "created": at, "ended": at, "reads": [read]}
        for n, (engine, user) in enumerate(ASKERS)
    ]
    log = folder / "events.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    larder.command("ingest", "generic", log)
    larder.command("nightly", "--date", TODAY)
    yield larder.start()
    assert larder.stop() == 0, larder.process.output()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    larder = vast(tmp_path_factory.mktemp("vast"))
    yield larder
    assert larder.stop() == 0, larder.process.output()


def test_the_client_is_made_from_the_api_as_it_is(untouched):
    """`web/openapi.json` is taken from a daemon by hand, after a change of the API: docs/views.md says how."""
    served = requests.get(f"{untouched.admin}/api/openapi.json", timeout=10).json()
    kept = json.loads((Path(__file__).parents[2] / "web/openapi.json").read_text())
    assert kept == served


@pytest.mark.parametrize("name", [*VIEWS, *PARTS])
def test_each_view_is_honest_where_nothing_happened_yet(untouched, visit, name):
    page = visit(untouched.admin + view(name))
    expect(page.locator("main")).not_to_contain_text(re.compile("NaN|undefined|Infinity|Invalid"))
    # A daemon knows itself and its configuration from the start.
    if name not in ("workers", "configuration"):
        expect(page.locator("main .empty").first).to_be_visible()
    # What is not there yet is answered as empty, and leaves no error in the console; but of a table that nobody knows the API
    # says so.
    if name == "table":
        visit.forgive(404)


def test_a_hundred_thousand_items_scroll_like_a_hundred(many, visit):
    page = visit(f"{many.admin}/value")
    expect(page.locator("main")).to_contain_text("100,000 items")
    rows = page.locator(".fixed-rows tbody tr")
    page.locator(".fixed-rows").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    expect(page.locator(f".fixed-rows tr[aria-rowindex='{ITEMS + 1}'] a")).to_be_visible()
    assert rows.count() < 100, "rows out of sight are not drawn"
    link = page.get_by_role("region", name="All items, by rank").get_by_role("link", name="CSV").get_attribute("href")
    assert requests.get(many.admin + link, timeout=60).text.count("\n") == 1 + ITEMS
    page.get_by_label("Find an item").fill("t42/dt=0777")
    expect(page.locator(".fixed-rows tbody a")).to_have_count(1)


@pytest.mark.parametrize(("theme", "size"), [("light", WIDE), ("dark", NARROW)])
def test_columns_are_areas_too(asked, visit, theme, size):
    page = visit(f"{asked.admin}/value/{ASKED}", theme=theme, size=size, bypass_csp=True)
    page.get_by_role("button", name="Columns").click()
    expect(page).to_have_url(re.compile(r"\?map=columns$"))
    columns = page.get_by_role("img", name=re.compile(rf"\d of {COLUMNS} columns are held"))
    expect(columns).to_contain_text("c0")
    link = page.get_by_role("region", name="Columns").get_by_role("link", name="CSV").get_attribute("href")
    assert "c0" in page.request.get(asked.admin + link).text()
    assert_accessible(page)


def test_a_full_disk_is_marked_and_what_went_wrong_is_told_by_kind(start_larder, tmp_path, visit):
    """The SSD tier is on a file system of its own, which something else fills up."""
    lake, count, size = tmp_path / "lake", 8, 8 << 20
    larder = start_larder(
        [local_bucket(lake)],
        cache={"memory": "16MiB", "ssd": {"path": "small/cache", "capacity": "128MiB"}, "admit": "all"},
    )
    (lake / "t").mkdir()
    for number in range(count):
        (lake / f"t/{number}.bin").write_bytes(bytes([number]) * size)
    filler = larder.start_on_small_disk()
    [worker] = wait_until(lambda: larder.get("workers"), what="the first heartbeat")
    address = f"{larder.admin}/workers?worker={quote(worker['id'])}"
    detail = visit(address).locator(".worker-detail")
    expect(detail).to_contain_text("Nothing went wrong within its tiers.")

    fill_up(filler)
    client = larder.client()

    def told() -> dict | None:
        """What the worker says of its SSD once blocks were left out; what is read anew is offered to the SSD again."""
        for number in range(count):
            assert len(client.get_object(Bucket="lake", Key=f"t/{number}.bin")["Body"].read()) == size
        [worker] = larder.get("workers")
        errors = {error["kind"]: error["count"] for error in worker["status"]["tier_errors"] if error["tier"] == "ssd"}
        state = next(tier["state"] for tier in worker["status"]["tiers"] if tier["tier"] == "ssd")
        return errors if state == "full" and errors["not_admitted"] else None

    # A worker says how it fares twice a minute.
    errors = wait_until(told, 90, what="a worker that says that its disk is full")
    assert errors["checksum"] == errors["length"] == 0
    page = visit(address, bypass_csp=True)
    row, detail = page.locator("tr.chosen"), page.locator(".worker-detail")
    for words in ("impaired", "disk full"):
        expect(row).to_contain_text(words)
    expect(detail).to_contain_text("SSD: disk full Nothing more is admitted to it until the disk has room.")
    expect(detail.locator(".factors")).to_contain_text("SSD: not admitted")
    expect(detail.locator(".factors")).not_to_contain_text("wrong checksum")
    assert_accessible(page)
    narrow = visit(address, size=NARROW, locale="zh-CN")
    expect(narrow.locator(".worker-detail .factors")).to_contain_text("SSD：未收入")
    assert narrow.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    filler.unlink()


def test_groups_are_of_the_queries_that_the_filters_leave(asked, visit):
    def groups(kind: str, **filters) -> dict[str, int]:
        return {group["name"]: group["queries"] for group in asked.get("queries", **filters)[f"by_{kind}"]}

    assert groups("user") == {"ann": 2, "bo": 1, "cy": 1}
    assert groups("user", engine="trino") == {"ann": 1, "bo": 1}
    assert groups("engine", user="ann") == {"trino": 1, "spark": 1}
    assert groups("table", engine="spark", user="cy") == {ASKED: 1}
    assert groups("user", table="lake.web.nothing") == {}
    for tab, names in (("user", {"ann", "bo"}), ("engine", {"trino"}), ("table", {ASKED})):
        page = visit(f"{asked.admin}/queries?tab={tab}&engine=trino")
        expect(page.get_by_role("button", name="Without Engine: trino")).to_be_visible()
        assert set(page.locator("tbody td:nth-child(1)").all_inner_texts()) == names
        expect(page.locator("main")).to_contain_text("of the 200 longest and 200 largest queries of each day")


def test_a_reader_signs_in_and_cannot_write(guarded, visit):
    page = visit(f"{guarded.admin}/whitelist?tab=decisions", settled=False, bypass_csp=True)
    expect(page).to_have_url(re.compile(r"/sign-in\?back="))
    page.get_by_label("Token").fill(READER + "x")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("This token is not known.")
    assert_accessible(page)
    page.get_by_label("Token").fill(READER)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{guarded.admin}/whitelist?tab=decisions")
    expect(page.locator(".person")).to_contain_text("look reader")
    expect(page.locator("main")).to_contain_text("Nobody decided anything")
    for name in ("Plan now", "Run a night now"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    # Nor with the page's own cookie and header.
    marked = {"headers": {"X-Larder-Request": "1"}, "data": {"plan": True, "because": "I may not"}}
    assert page.request.post(f"{guarded.admin}/api/v1/nights", **marked).status == 403
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    assert page.request.get(f"{guarded.admin}/api/v1/whitelist/decisions").status == 401
    # There is no whitelist, and nobody was signed in at first.
    visit.forgive(404)
    visit.forgive(401)


def test_a_preload_is_watched_as_it_goes_and_what_it_leaves_out_is_named(loading, visit):
    page = visit(f"{loading.admin}/preload", bypass_csp=True)
    expect(page.locator("main .empty").first).to_contain_text("No preload has run on this worker yet.")
    folder = "wide/t/d={}/".format
    items = [{"item": f"lake.wide.t/d={day}", "locations": [{"bucket": "lake", "prefix": folder(day)}]} for day in DAYS]
    slowly = {"items": items, "rate_bytes_per_second": 1 << 20}
    assert loading.post("preload", slowly).ok
    expect(page.locator(".lead")).to_contain_text("Preloading version 0.")
    rate = page.locator(".figures > div").filter(has_text="Rate")
    expect(rate).to_contain_text(re.compile(r"[1-9]\S* [KM]iB/s"), timeout=30_000)
    expect(rate).to_contain_text("live")
    expect(page.locator(".fixed-rows .state.loading").first).to_be_visible()
    assert 0 < float(page.locator("progress").get_attribute("value")) < 1

    # Another one takes its place, and its window closes before it is done.
    assert loading.post("preload", slowly | {"window_seconds": 1}).ok
    expect(page.locator(".lead")).to_contain_text("It stopped early: its window closed.", timeout=30_000)
    page.get_by_role("button", name="Left out").click()
    rows = page.locator(".fixed-rows tbody tr")
    expect(rows).to_have_count(len(DAYS))
    expect(rows.first).to_contain_text("the run ended before")
    expect(page.get_by_role("link", name="CSV")).to_have_attribute("title", "All items of this preload as CSV")
    assert_accessible(page)
