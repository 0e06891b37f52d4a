"""Each view of the dashboard, in a real browser, over what a demo run left: design section 1, the owner of the budget."""

import json
import re
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from harness.browser import NARROW, TABLE, VIEWS, WIDE, Chromium, Demo, settle, view, watched
from harness.larder import Larder

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    demo.stop()


@pytest.fixture(scope="module")
def chromium():
    chromium = Chromium()
    yield chromium
    chromium.stop()


@pytest.fixture
def visit(chromium, request):
    """Opens a page; at the test's end none of them may have logged an error, thrown one, or asked another machine."""
    contexts, faults = [], []

    def open_page(url: str, settled=True, **options):
        contexts.append(chromium.context(**options))
        page = contexts[-1].new_page()
        faults.append(watched(page, url))
        page.goto(url)
        if settled:
            settle(page)
        return page

    def forgive(status: int):
        """The browser itself logs each answer of this status."""
        for of_page in faults:
            of_page[:] = [fault for fault in of_page if f"status of {status}" not in fault]

    open_page.forgive = forgive
    yield open_page
    for context in contexts:
        context.close()
    assert not [fault for of_page in faults for fault in of_page]


def local_bucket(folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    return {"name": "lake", "origin": f"file://{folder}", "consistency": "immutable"}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A daemon that was never asked for anything."""
    folder = tmp_path_factory.mktemp("untouched")
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": ""}).start()
    yield larder
    assert larder.stop() == 0, larder.process.output()


ITEMS, TABLES = 100_000, 100


@pytest.fixture(scope="module")
def vast(tmp_path_factory):
    """A daemon whose last night weighed 100,000 items."""
    folder = tmp_path_factory.mktemp("vast")
    for number in range(ITEMS):
        partition = folder / f"lake/wide/t{number % TABLES:02}/dt={number // TABLES:04}"
        partition.mkdir(parents=True)
        (partition / "part.bin").write_bytes(b"x" * 100)
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": "", "budget": "1MiB"})
    larder.command("nightly")
    yield larder.start()
    assert larder.stop() == 0, larder.process.output()


# What each view must say of any demo, in English and in Chinese.
SAYS = {
    "overview": (r"Larder saved .+ of IO time", r"节省了 .+ IO 时间"),
    "value": (r"All items, by rank", r"全部条目"),
    "table": (r"Forecast against actual", r"预测与实际"),
    "whitelist": (r"density of the last item taken", r"最后一个入选条目的密度"),
    "cut": (r"On the whitelist", r"在白名单"),
    "diff": (r"\d+ came, \d+ left", r"新增 \d+，移出 \d+"),
    "versions": (r"in force", r"生效中"),
    "what-if": (r"IO time saved against capacity", r"节省的 IO 时间与容量"),
    "preload": (r"Version \d+ was preloaded", r"已于 .+ 完成预加载"),
    "preload-history": (r"Wear", r"写入磨损"),
    "queries": (r"Slowest", r"最慢"),
    "bill": (r"Bill by owner", r"各归属方账单"),
    "workers": (r"Workers that are well", r"健康节点"),
    "configuration": (r"admin\.listen", r"admin\.listen"),
}


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("name", VIEWS)
def test_each_view_says_what_it_is_for(demo, visit, name, language):
    page = visit(demo.url + view(name), locale=language)
    said = SAYS[name][language == "zh-CN"]
    expect(page.locator("main")).to_contain_text(re.compile(said))
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh-CN" else "en")


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_is_wider_than_a_telephone(demo, visit, name):
    page = visit(demo.url + view(name), size=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_each_view_is_accessible(demo, visit, name, theme):
    for size in (WIDE, NARROW):
        # axe is put into the page as a script, which the page's own policy forbids.
        page = visit(demo.url + view(name), theme=theme, size=size, bypass_csp=True)
        found = Axe().run(page).response["violations"]
        assert not found, json.dumps([(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found], indent=1)


def test_a_stranger_learns_what_it_earns_which_table_and_what_next(demo, visit):
    page = visit(demo.url)
    expect(page.locator(".lead")).to_contain_text(re.compile(r"Larder saved .+: \d+% of what was possible"))
    expect(page.locator(".lead a")).to_have_text(TABLE)
    page.locator(".lead a").click()
    expect(page).to_have_url(re.compile(rf"/value/{TABLE}$"))


def test_the_range_is_in_the_address_and_comes_back(demo, visit):
    page = visit(demo.url)
    page.get_by_role("button", name="30 days").click()
    expect(page).to_have_url(re.compile(r"\?range=30d$"))
    expect(page.locator(".lead")).to_contain_text("30 days")
    page.go_back()
    expect(page.get_by_role("button", name="7 days")).to_have_attribute("aria-pressed", "true")


def test_items_are_found_sorted_and_explained(demo, visit):
    page = visit(f"{demo.url}/value")
    page.keyboard.press("/")
    page.keyboard.type("lineitem")
    expect(page).to_have_url(re.compile(r"search=lineitem"))
    expect(page.locator(".fixed-rows tbody tr:nth-child(1)")).to_contain_text("lineitem")
    page.get_by_role("button", name="Size").last.click()
    expect(page).to_have_url(re.compile(r"sort=-bytes"))
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Size")
    page.locator(".fixed-rows tbody a").first.click()
    expect(page.get_by_role("complementary")).to_contain_text("What its value is made of")
    expect(page.get_by_role("complementary")).to_contain_text(re.compile(r"rank \d+ of \d+"))
    address = page.url
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)
    # The address alone brings all of it back.
    again = visit(address)
    expect(again.get_by_role("complementary")).to_contain_text("What its value is made of")


def test_the_slider_answers_and_names_what_would_come(demo, visit):
    page = visit(f"{demo.url}/what-if")
    before = page.locator(".figures > div").nth(1).inner_text()
    page.get_by_role("button", name="Half").click()
    expect(page).to_have_url(re.compile(r"capacity=\d+"))
    expect(page.locator(".figures > div").nth(1)).not_to_have_text(before)
    expect(page.locator("main")).to_contain_text(re.compile(r"Would leave \([1-9]"))
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    expect(page.locator("main")).to_contain_text(re.compile(r"Would come \([1-9]"))


def test_keys_lead_to_every_view(demo, visit):
    page = visit(demo.url)
    for key, path in zip("vwipqko", ("value", "whitelist", "what-if", "preload", "queries", "workers", ""), strict=True):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(rf"^{re.escape(demo.url)}/{path}$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("search in this view")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_residency_is_told_by_item_by_table_and_together(demo):
    def residency(asked: str) -> dict:
        answer = requests.get(f"{demo.url}/api/v1/residency{asked}", timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    every, of_table, together = residency(""), residency(f"?table={TABLE}"), residency("?items=false")
    assert together["items"] == [] and together["total"] == every["total"]
    assert every["total"]["resident_bytes"] == sum(item["resident_bytes"] for item in every["items"]) > 0
    assert of_table["items"] == [item for item in every["items"] if item["item"].startswith(f"{TABLE}/")] != []
    assert requests.get(f"{demo.url}/api/v1/residency?table=nonsense", timeout=10).status_code == 400


def test_the_client_is_made_from_the_api_as_it_is(untouched):
    """`web/openapi.json` is taken from a daemon by hand, after a change of the API: docs/views.md says how."""
    served = requests.get(f"{untouched.admin}/api/openapi.json", timeout=10).json()
    kept = json.loads((Path(__file__).parents[2] / "web/openapi.json").read_text())
    assert kept == served


def test_every_csv_link_gives_a_file(demo, visit):
    page = visit(demo.url)
    links = set()
    for name in VIEWS:
        page.goto(demo.url + view(name))
        settle(page)
        links |= {link.get_attribute("href") for link in page.locator("a.csv:not([href^='data:'])").all()}
    assert len(links) > 10
    for link in links:
        answer = page.request.get(demo.url + link)
        assert answer.ok and answer.headers["content-type"].startswith("text/csv"), f"{link}: {answer.status}"


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "table"])
def test_each_view_is_honest_where_nothing_happened_yet(untouched, visit, name):
    page = visit(untouched.admin + view(name))
    expect(page.locator("main")).not_to_contain_text(re.compile("NaN|undefined|Infinity|Invalid"))
    if name in ("overview", "value", "what-if", "whitelist"):
        expect(page.locator("main .empty").first).to_be_visible()
    # There is no whitelist, value or curve yet, and the API says so.
    visit.forgive(404)


def test_a_hundred_thousand_items_scroll_like_a_hundred(vast, visit):
    page = visit(f"{vast.admin}/value")
    expect(page.locator("main")).to_contain_text("100,000 items")
    rows = page.locator(".fixed-rows tbody tr")
    page.locator(".fixed-rows").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    expect(page.locator(f".fixed-rows tr[aria-rowindex='{ITEMS + 1}'] a")).to_be_visible()
    assert rows.count() < 100, "rows out of sight are not drawn"
    page.get_by_label("Find an item").fill("t42/dt=0777")
    expect(page.locator(".fixed-rows tbody a")).to_have_count(1)


def test_the_daemon_that_stops_answering_is_named(demo, visit):
    page = visit(demo.url)
    page.route("**/api/v1/**", lambda route: route.fulfill(status=503, json={"error": "the store is down"}))
    page.get_by_role("button", name="30 days").click()
    expect(page.get_by_role("alert").first).to_contain_text("the store is down")
    expect(page.locator("main")).not_to_contain_text("Nothing is wrong")
    page.unroute("**/api/v1/**")
    page.get_by_role("button", name="Try again").first.click()
    expect(page.locator(".lead")).to_contain_text("Larder saved")
    visit.forgive(503)


def test_what_loads_takes_the_room_of_what_comes(demo, visit):
    page = visit(demo.url)
    page.route("**/api/v1/tables**", lambda route: None)
    page.goto(f"{demo.url}/value")
    skeleton = page.locator("section .skeleton").first
    expect(skeleton).to_be_visible()
    room = skeleton.bounding_box()["height"]
    settled = visit(f"{demo.url}/value")
    assert abs(settled.locator("section .chart").first.bounding_box()["height"] - room) <= 1


def test_a_pinned_item_is_in_the_next_plan_and_a_version_is_rolled_back(demo, visit):
    """Last, because it changes what the demo left."""
    page = visit(f"{demo.url}/value?in=unlisted&sort=-bytes")
    item = page.locator(".fixed-rows tbody a .item").first.get_attribute("title")
    page.locator(".fixed-rows tbody a").first.click()
    page.get_by_role("complementary").get_by_role("button", name="Pin").click()
    page.get_by_label("Reason").fill("the board reads it")
    page.get_by_role("dialog").get_by_role("button", name="Pin").click()
    expect(page.get_by_role("complementary").get_by_role("button", name="Undecide")).to_be_visible()

    page.goto(f"{demo.url}/whitelist")
    page.get_by_role("button", name="Plan now").click()
    page.get_by_role("link", name="See what it changes").click(timeout=120_000)
    expect(page.get_by_title(item, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_label("Reason").fill("looks right")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("link", name="See what it changes")).to_have_count(0)

    page.get_by_role("button", name="Versions").click()
    page.get_by_role("button", name="Roll back").first.click()
    page.get_by_label("Reason").fill("not yet")
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    page.get_by_role("button", name="Activity").click()
    for said in ("rolled back", "approved", "pinned", "the board reads it", "looks right", "not yet"):
        expect(page.locator("main")).to_contain_text(said)
