"""The dashboard in a real browser: Debian's Chromium, driven by Playwright, over the data of a demo run."""

import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import quote, urlparse

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from .larder import Larder, binary, local_bucket
from .process import Process

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# Every view, by a name; `{table}` is the table of the demo that is read most.
VIEWS = {
    "overview": "/",
    "value": "/value",
    "table": "/value/{table}",
    "whitelist": "/whitelist",
    "cut": "/whitelist?tab=cut",
    "diff": "/whitelist?tab=diff",
    "versions": "/whitelist?tab=versions",
    "what-if": "/what-if",
    "preload": "/preload",
    "preload-history": "/preload?tab=history",
    "queries": "/queries",
    "bill": "/queries?tab=bill",
    "workers": "/workers",
    "configuration": "/workers?tab=config",
}
# What else a view shows, at an address of its own.
PARTS = {
    "decisions": "/whitelist?tab=decisions",
    "activity": "/whitelist?tab=activity",
    "left-out": "/preload?tab=left-out",
    "by-user": "/queries?tab=user",
    "by-engine": "/queries?tab=engine",
    "by-table": "/queries?tab=table",
}
TABLE = "lake.tpch.lineitem"


def view(name: str) -> str:
    return (VIEWS | PARTS)[name].format(table=quote(TABLE))


class Demo:
    """`larder demo`, left to serve what it did. `LARDER_DASHBOARD` names a page that runs already, such as the one of
    `npm run dev` over a demo."""

    def __init__(self, folder: Path):
        self.process = None
        if at := os.environ.get("LARDER_DASHBOARD"):
            self.url = at.rstrip("/")
            return
        folder.mkdir(parents=True, exist_ok=True)
        command = [binary(), "demo", "--dir", folder / "data", "--days", "8", "--scale", "0.02", "--rounds", "1"]
        self.process = Process(command, folder / "demo.log", cwd=folder)
        self.process.wait_ready(lambda: self._address(folder / "demo.log"), 240)
        self.url = self._address(folder / "demo.log")
        self.process.wait_ready(lambda: self.replay()["result"], 240)

    def replay(self) -> dict:
        """How far the replay of the history is, and what it came to."""
        return requests.get(f"{self.url}/api/v1/simulation", timeout=10).json()

    @staticmethod
    def _address(log: Path) -> str | None:
        found = re.search(r"^The dashboard is at (http://\S+?)/? ", log.read_text(), re.MULTILINE)
        return found and found[1]

    def stop(self):
        if self.process:
            self.process.stop()


# Items of the daemon that a fleet's would look like, and the tables that they are of.
ITEMS, TABLES = 100_000, 100


def vast(folder: Path) -> Larder:
    """A daemon whose last night weighed 100,000 items."""
    for number in range(ITEMS):
        partition = folder / f"lake/wide/t{number % TABLES:02}/dt={number // TABLES:04}"
        partition.mkdir(parents=True)
        (partition / "part.bin").write_bytes(b"x" * 100)
    larder = Larder(folder, [local_bucket(folder / "lake")], nightly={"schedule": "", "budget": "1MiB"})
    larder.command("nightly")
    return larder.start()


class Chromium:
    """One browser; each page is of a context of its own, so that no test sees another's language or sign-in."""

    def __init__(self):
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not path:
            raise RuntimeError("no Chromium is installed: install the package `chromium`")
        self._playwright = sync_playwright().start()
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        self._browser: Browser = self._playwright.chromium.launch(executable_path=path, args=quiet)

    def context(self, size=WIDE, theme="light", locale="en-GB", **options) -> BrowserContext:
        context = self._browser.new_context(viewport=size, color_scheme=theme, locale=locale, **options)
        context.set_default_timeout(15_000)
        return context

    def stop(self):
        self._browser.close()
        self._playwright.stop()


def watched(page: Page, url: str) -> list[str]:
    """What a page must never do: log an error, throw one, or ask another machine for anything."""
    faults: list[str] = []
    here = urlparse(url).netloc

    def asked(request):
        if urlparse(request.url).scheme != "data" and urlparse(request.url).netloc != here:
            faults.append(f"asked elsewhere: {request.url}")

    page.on("console", lambda message: message.type == "error" and faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"thrown: {error}"))
    page.on("request", asked)
    return faults


def settle(page: Page):
    """Until all that is asked for is there: no skeleton is left, and every chart is drawn."""
    # By locators: waiting for a function would evaluate text, which the page's policy forbids.
    expect(page.locator("main > *").nth(1)).to_be_attached(timeout=15_000)
    expect(page.locator("main .skeleton, main .coming")).to_have_count(0, timeout=30_000)
    expect(page.locator("main .chart:not(:has(svg))")).to_have_count(0, timeout=15_000)


def assert_accessible(page: Page):
    """Of a page that was opened with `bypass_csp`: axe is put into it as a script, which its own policy forbids."""
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps([(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found], indent=1)
