"""Pictures of every view, over a demo run: wide and narrow, light and dark, in English and Chinese.
`./test screenshots FOLDER` makes them."""

import os
from pathlib import Path

import pytest

from harness.browser import NARROW, VIEWS, WIDE, Chromium, Demo, settle, view

pytestmark = pytest.mark.timeout(1200)


def test_every_view_is_pictured(tmp_path):
    folder = Path(os.environ["LARDER_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    demo, chromium = Demo(tmp_path / "demo"), Chromium()
    try:
        for size, width in (("wide", WIDE), ("narrow", NARROW)):
            for theme in ("light", "dark"):
                for language in ("en", "zh"):
                    context = chromium.context(width, theme, {"en": "en-GB", "zh": "zh-CN"}[language])
                    page = context.new_page()
                    for name in VIEWS:
                        page.goto(demo.url + view(name))
                        settle(page)
                        page.screenshot(path=folder / f"{name}-{size}-{theme}-{language}.png", full_page=True)
                    context.close()
    finally:
        chromium.stop()
        demo.stop()
