"""Each view of the dashboard, in a real browser, over what a demo run left."""

import csv
import io
import re
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import expect

from harness.browser import NARROW, PARTS, TABLE, VIEWS, WIDE, Demo, assert_accessible, settle, view
from harness.process import wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    demo.stop()


RETIRED, REASON = "lake.tpch.retired", "another table took its place"


@pytest.fixture(scope="module")
def decided(demo):
    """The demo, after somebody decided about a table that it does not have, which changes nothing else."""
    decision = {"target": RETIRED, "kind": "deny", "because": REASON}
    assert requests.put(f"{demo.url}/api/v1/whitelist/decisions", json=decision, timeout=10).ok
    return demo


# What each view must say of any demo, in English and in Chinese: words that stand there only with the demo's data.
SAYS = {
    "overview": (r"Larder saved .+ of IO time", r"节省了 .+ IO 时间"),
    "value": (r"[1-9]\d* items", r"[1-9]\d* 个条目"),
    "table": (r"[1-9]\d* of [1-9]\d* items on the whitelist", r"[1-9]\d* 个条目中 [1-9]\d* 个在白名单"),
    "whitelist": (r"[1-9]\d* items", r"[1-9]\d* 个条目"),
    "cut": (r"Cut: [1-9]\S* \S+/GiB", r"入选线: [1-9]\S* \S+/GiB"),
    "diff": (r"\d+ came, \d+ left", r"新增 \d+，移出 \d+"),
    "versions": (r"the night of \d+ Jun", r"6月\d+日的夜间任务"),
    "decisions": (f"denied.*{RETIRED}.+{REASON}", f"已禁止.*{RETIRED}.+{REASON}"),
    "activity": (f"denied.*{RETIRED}.*{REASON}", f"禁止.*{RETIRED}.*{REASON}"),
    "what-if": (r"[1-9]\d* items, .+, worth", r"[1-9]\d* 个条目，.+价值"),
    "preload": (r"Version \d+ was preloaded", r"已于 .+ 完成预加载"),
    "preload-history": (r"v[1-9]", r"v[1-9]"),
    "left-out": (r"Nothing was left out", r"全部已加载"),
    "queries": (r"analyst-\d", r"analyst-\d"),
    "by-user": (r"analyst-\d", r"analyst-\d"),
    "by-engine": (r"datafusion", r"datafusion"),
    "by-table": (re.escape(TABLE), re.escape(TABLE)),
    "bill": (r"sales.+lineitem", r"sales.+lineitem"),
    "workers": (r"1 / 1", r"1 / 1"),
    "configuration": (r"Configuration in force on \S.+admin\.listen", r"节点 \S+ 的生效配置.+admin\.listen"),
}
# All that the demo preloads is loaded.
MAY_BE_EMPTY = ("left-out",)


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("name", [*VIEWS, *PARTS])
def test_each_view_says_what_it_is_for(decided, visit, name, language):
    page = visit(decided.url + view(name), locale=language)
    said = SAYS[name][language == "zh-CN"]
    expect(page.locator("main")).to_contain_text(re.compile(said))
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh-CN" else "en")
    if name not in MAY_BE_EMPTY:
        expect(page.locator("main .empty")).to_have_count(0)


@pytest.mark.parametrize("name", [*VIEWS, *PARTS])
def test_no_view_is_wider_than_a_telephone(decided, visit, name):
    page = visit(decided.url + view(name), size=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_each_view_is_accessible(demo, visit, name, theme):
    for size in (WIDE, NARROW):
        assert_accessible(visit(demo.url + view(name), theme=theme, size=size, bypass_csp=True))


@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_a_view_is_accessible(decided, visit, name):
    for theme, size in (("light", WIDE), ("dark", NARROW)):
        assert_accessible(visit(decided.url + view(name), theme=theme, size=size, bypass_csp=True))


@pytest.mark.parametrize(("theme", "size"), [("light", WIDE), ("dark", NARROW)])
def test_what_opens_over_a_view_is_accessible(demo, visit, theme, size):
    page = visit(f"{demo.url}/value", theme=theme, size=size, bypass_csp=True)
    page.locator(".fixed-rows tbody a").first.click()
    panel = page.get_by_role("complementary")
    expect(panel).to_contain_text("What its value is made of")
    assert_accessible(page)
    panel.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("dialog")).to_contain_text("Deny it")
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("search in this view")
    assert_accessible(page)
    page.goto(f"{demo.url}/queries")
    page.locator("tbody tr button").first.click()
    expect(page.locator("tr.detail")).to_contain_text("SELECT")
    assert_accessible(page)


# Of what the overview loads, charts and answers of the API included.
OVERVIEW_BYTES_MAX = 400_000


def test_the_overview_is_light(demo, visit):
    page = visit(demo.url)
    sizes = page.evaluate(
        "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))"
        ".map((entry) => [entry.name, entry.encodedBodySize])"
    )
    assert any(name.endswith(".js") and size > 10_000 for name, size in sizes), sizes
    assert sum(size for _, size in sizes) <= OVERVIEW_BYTES_MAX, sizes


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


def test_the_history_is_replayed_with_every_policy(demo, visit):
    page = visit(f"{demo.url}/what-if")
    ours = page.get_by_role("row").filter(has_text="Larder, all reads through it")
    expect(page.locator("th").nth(4)).to_have_text("Regret")
    expect(ours.locator("td").nth(4)).to_have_text(re.compile(r"^\d+(\.\d)?%$"))
    expect(page.get_by_role("row").filter(has_text="Clairvoyant").locator("td").nth(4)).to_have_text("0%")
    expect(page.locator("main")).to_contain_text("your own history from 17 Jun to 24 Jun")
    expect(page.get_by_role("link", name="CSV").last).to_have_attribute("href", re.compile("regret_b0"))
    with page.expect_response(lambda answer: answer.request.method == "POST") as asked:
        page.get_by_role("button", name="Replay the history").click()
    assert asked.value.status == 202
    wait_until(lambda: not demo.replay()["running"], 300, "the end of the replay")
    assert demo.replay()["problem"] is None
    expect(page.get_by_role("button", name="Replay the history")).to_be_visible(timeout=15_000)
    expect(ours).to_be_visible()


def test_an_area_leads_to_its_table(demo, visit):
    page = visit(f"{demo.url}/value")
    areas = page.locator(".chart").first
    largest = re.search(r"the largest is (\S+),", areas.get_attribute("aria-label"))[1]
    areas.click(position={"x": 40, "y": 40})
    expect(page).to_have_url(f"{demo.url}/value/{largest}")
    expect(page.locator("main")).to_contain_text(re.compile(r"[1-9]\d* of [1-9]\d* items on the whitelist"))


def test_queries_are_filtered_and_unfolded(demo, visit):
    page = visit(f"{demo.url}/queries?tab=user")
    page.get_by_role("link", name="analyst-2").click()
    chip = page.get_by_role("button", name="Without User: analyst-2")
    expect(chip).to_be_visible()
    users = page.locator("tbody td:nth-child(2)")
    expect(users.filter(has_text="analyst-2").first).to_be_visible()
    expect(users.filter(has_not_text="analyst-2")).to_have_count(0)
    page.locator("tbody tr button").first.click()
    expect(page.locator("tr.detail")).to_contain_text(re.compile("by analyst-2 on datafusion.+SELECT"))
    expect(page).to_have_url(re.compile(r"query="))
    # The address alone brings it back, tomorrow too: its days are fixed.
    expect(page).to_have_url(re.compile(r"range=\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d"))
    detail = page.locator("tr.detail").inner_text()
    page.reload()
    expect(page.locator("tr.detail")).to_have_text(detail, use_inner_text=True)
    page.goto(page.url.replace("query=", "query=other-"))
    expect(page.get_by_role("status").filter(has_text="is not among these")).to_be_visible()
    page.go_back()
    chip.click()
    expect(users.filter(has_text="analyst-1").first).to_be_visible()


def test_a_table_is_shown_over_as_many_days_as_its_address_says(demo, visit):
    page = visit(f"{demo.url}/value/{TABLE}")
    heat = page.get_by_role("img", name=re.compile(r"^Heat of .+ over \d+ days"))
    before = heat.get_attribute("aria-label")
    page.get_by_role("button", name="7 days").click()
    expect(page).to_have_url(re.compile(r"\?days=7$"))
    expect(heat).to_have_attribute("aria-label", re.compile("over 7 days"))
    page.reload()
    expect(page.get_by_role("button", name="7 days")).to_have_attribute("aria-pressed", "true")
    expect(heat).to_have_attribute("aria-label", re.compile("over 7 days"))
    assert "over 7 days" not in before


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


def test_preloads_are_told_by_item_and_together(demo):
    def told(path: str) -> dict | list:
        answer = requests.get(f"{demo.url}/api/v1/{path}", timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    every, together = told("preload"), told("preload?items=false")
    assert every["items"] and together == every | {"items": []}
    assert together["total"]["done"] == together["total"]["items"] == len(every["items"])
    runs = told("nights/preloads?items=false")
    assert runs and all(run["status"]["items"] == [] for run in runs)
    assert [run["total"] for run in runs] == [run["total"] for run in told("nights/preloads")]
    assert any(run["total"]["done"] for run in runs)
    assert requests.get(f"{demo.url}/api/v1/preload?items=some", timeout=10).status_code == 400


def test_every_csv_link_gives_a_file(demo, visit):
    page = visit(demo.url)
    links = set()
    for name in [*VIEWS, *PARTS]:
        page.goto(demo.url + view(name))
        settle(page)
        links |= {link.get_attribute("href") for link in page.locator("a.csv:not([href^='data:'])").all()}
    assert len(links) > 10
    for link in links:
        answer = page.request.get(demo.url + link)
        assert answer.ok and answer.headers["content-type"].startswith("text/csv"), f"{link}: {answer.status}"


def rows_of(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def test_what_the_page_has_itself_is_downloaded_as_a_file(demo, visit):
    """Such links hold their rows themselves."""
    for name, file, first in (("configuration", "settings.csv", "key"), ("what-if", "policies.csv", "name")):
        page = visit(demo.url + view(name))
        link = page.locator("a.csv[href^='data:']")
        if name == "what-if" and link.count() == 0:
            replay(page)
        shown = page.locator("section").filter(has=link).locator("tbody tr")
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == file
        rows = rows_of(Path(download.value.path()).read_text())
        assert len(rows) == shown.count() > 0
        assert next(iter(rows[0])) == first


def test_a_csv_has_as_many_rows_as_the_page_says(demo, visit):
    def compare(part, said: str):
        expect(part).to_contain_text(re.compile(said))
        count = int(re.search(said, part.text_content())[1].replace(",", ""))
        link = part.get_by_role("link", name="CSV").first.get_attribute("href")
        assert len(rows_of(part.page.request.get(demo.url + link).text())) == count > 0, link

    for address, title, said in (
        ("value", "All items, by rank", r"([\d,]+) items"),
        ("whitelist", "Items", r"([\d,]+) items"),
        ("queries", "Queries", r"([\d,]+) queries, of the"),
    ):
        compare(visit(f"{demo.url}/{address}").get_by_role("region", name=title, exact=True), said)
    page = visit(f"{demo.url}/what-if")
    page.get_by_role("button", name="Half").click()
    compare(page.locator("h3").filter(has_text="Would leave"), r"Would leave \(([1-9][\d,]*)\)")


def test_each_view_says_that_it_loads_and_what_went_wrong(demo, visit):
    page = visit(demo.url)
    held: list | None = []
    page.route("**/api/v1/**", lambda route: refuse(route) if held is None else held.append(route))
    for name in [*VIEWS, *PARTS]:
        held = []
        page.goto(demo.url + view(name))
        expect(page.locator("main .skeleton").first, name).to_be_visible()
        waiting, held = held, None
        for route in waiting:
            refuse(route)
        expect(page.locator("main").get_by_role("alert").first, name).to_contain_text("the store is down")
        expect(page.locator("main"), name).not_to_contain_text(re.compile("NaN|undefined|Infinity|Invalid"))
    visit.forgive(503)


def refuse(route):
    route.fulfill(status=503, json={"error": "the store is down"})


def test_the_daemon_that_stops_answering_is_named(demo, visit):
    page = visit(demo.url)
    page.route("**/api/v1/**", refuse)
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


def test_reasons_are_told_where_there_is_little_room(decided, visit):
    for tab, reason in (("decisions", REASON), ("activity", REASON), ("versions", "the night of")):
        page = visit(f"{decided.url}/whitelist?tab={tab}", size=NARROW)
        expect(page.locator("main tr.below").filter(has_text=reason).first).to_be_visible()


def press(page, button, because: str):
    """Presses a button that asks for a reason, and gives it one."""
    action = button.inner_text()
    button.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(because)
    dialog.get_by_role("button", name=action, exact=True).click()
    expect(dialog).to_have_count(0)


def decide_first(page, url: str, action: str, because: str) -> str:
    """Decides about the first item of a list; its name."""
    page.goto(url)
    settle(page)
    item = page.locator(".fixed-rows tbody a .item").first.get_attribute("title")
    page.locator(".fixed-rows tbody a").first.click()
    panel = page.get_by_role("complementary")
    expect(panel).to_contain_text("What its value is made of")
    press(page, panel.get_by_role("button", name=action, exact=True), because)
    expect(panel.get_by_role("button", name="Undecide")).to_be_visible()
    return item


def test_what_was_decided_is_taken_back(demo, visit):
    page = visit(demo.url)
    item = decide_first(page, f"{demo.url}/value?in=listed", "Deny", "nobody reads it any more")
    expect(page.get_by_role("complementary")).to_contain_text("denied by local: nobody reads it any more")
    page.goto(f"{demo.url}/whitelist?tab=decisions")
    row = page.get_by_role("row").filter(has=page.get_by_title(item, exact=True))
    expect(row).to_contain_text(re.compile("denied.+local.+nobody reads it any more"))
    press(page, row.get_by_role("button", name="Undecide"), "somebody does")
    expect(row).to_have_count(0)
    decisions = requests.get(f"{demo.url}/api/v1/whitelist/decisions", timeout=10).json()
    assert item not in [decision["target"] for decision in decisions]


def test_a_pinned_item_is_in_the_next_plan_and_a_version_is_rolled_back(demo, visit):
    """Last, because it changes what the demo left."""

    def in_force(after: int = 0) -> tuple[int, dict[str, int]]:
        """The version in force, once it is a later one; its items and their bytes."""

        def found():
            document = requests.get(f"{demo.url}/api/v1/whitelist", timeout=10).json()
            return document["version"] > after and document

        document = wait_until(found, what=f"a version after {after}")
        return document["version"], {item["item"]: item["bytes"] for item in document["items"]}

    def assert_told(items: dict[str, int], here: str, away: str):
        """The list of items, and each item's explanation, are those of the version in force."""
        answer = requests.get(f"{demo.url}/api/v1/items?listed=true&limit=100000", timeout=10).json()
        assert {item["item"] for item in answer["items"]} == set(items) and answer["total"] == len(items)
        for item, is_listed in ((here, True), (away, False)):
            page.goto(f"{demo.url}/whitelist?search={quote(item)}&item={quote(item)}")
            settle(page)
            panel = page.get_by_role("complementary")
            expect(panel).to_contain_text("On the whitelist:" if is_listed else "Not on the whitelist:")
            row = page.locator(".fixed-rows tbody .item").and_(page.get_by_title(item, exact=True))
            expect(row).to_have_count(int(is_listed))
        page.goto(f"{demo.url}/whitelist")

    first, items_before = in_force()
    page = visit(demo.url)
    pinned = decide_first(page, f"{demo.url}/value?in=unlisted&sort=-bytes", "Pin", "the board reads it")
    denied = decide_first(page, f"{demo.url}/value?in=listed", "Deny", "the board does not")

    page.goto(f"{demo.url}/whitelist")
    press(page, page.get_by_role("button", name="Plan now"), "before the meeting")
    page.get_by_role("link", name="See what it changes").click(timeout=120_000)
    for item in (pinned, denied):
        expect(page.get_by_title(item, exact=True).first).to_be_visible()
    assert in_force()[0] == first
    press(page, page.get_by_role("button", name="Approve"), "looks right")
    expect(page.get_by_role("link", name="See what it changes")).to_have_count(0)
    second, items = in_force(after=first)
    assert pinned in items and denied not in items
    # The plan was approved, and no night chose since: what was weighed is another version's.
    assert_told(items, here=pinned, away=denied)
    page.goto(f"{demo.url}/whitelist?item={quote(pinned)}")
    expect(page.get_by_role("complementary")).to_contain_text(f"version {second} holds it, but the last night did not")
    page.goto(f"{demo.url}/whitelist")

    page.get_by_role("button", name="Versions").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"v{first}", exact=True))
    press(page, row.get_by_role("button", name="Roll back"), "not yet")
    assert in_force(after=second)[1] == items_before != items
    assert_told(items_before, here=denied, away=pinned)
    page.get_by_role("button", name="Activity").click()
    for said in ("rolled back", "approved", "planned", "pinned"):
        expect(page.locator("main")).to_contain_text(said)
    for because in ("the board reads it", "before the meeting", "looks right", "not yet"):
        expect(page.locator("main")).to_contain_text(because)
