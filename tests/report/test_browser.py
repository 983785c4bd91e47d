"""The page in a real browser: quiet, alone, complete on a phone and without script."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farthing.artifacts.scores import ExpertLoad
from farthing.report.facts.gather import Money, ReportFacts
from farthing.report.facts.load import read_load
from farthing.report.page import render

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def file(
    made_facts: ReportFacts, expert_load: ExpertLoad, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    full = replace(
        made_facts,
        money=Money("on_demand", 0.01, "a test"),
        load=read_load(expert_load),
    )
    path.write_bytes(render(full))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on this machine's PATH")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def opened(browser, file):
    """Open the page with some settings; afterwards nothing may have been said or asked for."""
    said, asked, contexts = [], [], []

    def open_page(width: int = 1280, **settings):
        # Without smooth scrolling: a page that still moves slides away under the pointer.
        settings = {"reduced_motion": "reduce", **settings}
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert set(asked) <= {file.as_uri()}


def test_the_charts_are_drawn_and_inside_the_page(opened):
    page = opened()
    assert page.locator("svg.chart:visible").count() >= 6
    for place in range(page.locator("svg.chart:visible").count()):
        box = page.locator("svg.chart:visible").nth(place).bounding_box()
        assert box["width"] > 200
        assert box["height"] > 20


@pytest.mark.parametrize("script", [True, False])
def test_a_phone_never_scrolls_sideways(opened, script):
    page = opened(width=390, java_script_enabled=script)
    if script:
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("main").bounding_box()["width"] <= 390
    assert page.locator(".narrow svg:visible").count() >= 1
    assert page.locator(".wide svg:visible").count() == 0


@pytest.mark.parametrize("script", [True, False])
def test_the_axis_switches_with_and_without_script(opened, script):
    page = opened(java_script_enabled=script)
    assert page.locator("#curve-usd-wide").is_visible()
    page.get_by_text("tokens", exact=True).first.click()
    assert page.locator("#curve-tokens-wide").is_visible()
    assert not page.locator("#curve-usd-wide").is_visible()
    page.keyboard.press("ArrowRight")
    assert page.locator("#curve-flops-wide").is_visible()


def test_the_page_is_whole_without_script(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("main > section").count() == 13
    assert not page.locator("#theme").is_visible()
    assert page.locator("svg.chart .mark title").count() > 10
    page.locator("summary").first.click()
    assert page.locator("details[open]").count() == 1


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_follows_the_system_until_the_button_says_otherwise(opened, scheme, other):
    page = opened(color_scheme=scheme)
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paper)
    assert (sum(int(part) for part in before[4:-1].split(",")) > 384) == (scheme == "light")
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == other
    assert page.evaluate(paper) != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == other
    page.evaluate("localStorage.clear()")


def test_paper_is_always_light(opened):
    page = opened(color_scheme="dark")
    page.locator("#theme").click()
    page.locator("#theme").click()
    page.emulate_media(media="print")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(252, 251, 248)"
    page.evaluate("localStorage.clear()")


def test_points_answer_to_the_pointer_and_to_the_keyboard(opened):
    page = opened()
    tip = page.locator(".tip")
    assert not tip.is_visible()
    points = page.locator("#pareto-active .mark")
    points.first.focus()
    first = tip.inner_text()
    assert "bits per byte" in first
    page.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert tip.inner_text() != first
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    points.first.hover(force=True)
    tip.wait_for(state="visible", timeout=5000)
    assert page.locator('#pareto-active .mark[tabindex="0"]').count() == 1
