"""How long the dashboard takes to come, in a browser that has nothing of it yet: over a demo, and over a daemon with 100,000
items. `./test page-times` runs it and prints what bench/RESULTS.md records."""

import statistics
import tempfile
import time
from pathlib import Path

from harness.browser import WIDE, Chromium, Demo, settle, vast

ROUNDS = 9
PAGES = {"overview": "/", "value": "/value", "whitelist": "/whitelist"}


def milliseconds(chromium: Chromium, url: str) -> tuple[float, float]:
    """From the address to the view's first words, and until all that the view asks for is drawn."""
    context = chromium.context(WIDE)
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator("main > *").first.wait_for()
    words = time.perf_counter() - began
    settle(page)
    settled = time.perf_counter() - began
    context.close()
    return words * 1e3, settled * 1e3


def main():
    with tempfile.TemporaryDirectory() as scratch:
        demo, larder, chromium = Demo(Path(scratch) / "demo"), vast(Path(scratch) / "vast"), Chromium()
        urls = {
            (of, name): at + path
            for of, at in (("demo", demo.url), ("100,000 items", larder.admin))
            for name, path in PAGES.items()
        }
        times = {key: [] for key in urls}
        for _ in range(ROUNDS + 1):
            for key, url in urls.items():
                times[key].append(milliseconds(chromium, url))
        chromium.stop()
        larder.stop()
        demo.stop()
    print("| daemon | view | first words | all drawn | worst |\n| --- | --- | ---: | ---: | ---: |")
    for (of, name), measured in times.items():
        # The first round warms the daemon and the browser's program.
        words, settled = zip(*measured[1:], strict=True)
        medians = f"{statistics.median(words):.0f} ms | {statistics.median(settled):.0f} ms"
        print(f"| {of} | {name} | {medians} | {max(settled):.0f} ms |")


if __name__ == "__main__":
    main()
