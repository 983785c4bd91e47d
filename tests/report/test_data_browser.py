"""The page about a corpus in a real browser: quiet, alone, and whole on a phone."""

from __future__ import annotations

import shutil

import pytest
from trails import made_up_trail

from farthing.report.data_page import render_data_page
from farthing.report.facts.data import NOTHING, Amount, DataFacts, DomainFacts
from farthing.report.facts.trail import TrailFacts

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    splits = {"train": Amount(600, 5_000_000, 1_300_000), "dev": NOTHING, "test": NOTHING}
    data = DataFacts(
        digest="ab" * 32,
        tokenizer="bpe",
        vocab_size=8192,
        domains=(DomainFacts("en", splits, 1.0),),
        streams={},
        mixture_is_set=False,
        sources=(),
        more_sources=0,
        more_amount=NOTHING,
        licences=(),
        dropped={},
    )
    trail = made_up_trail()
    facts = TrailFacts(
        folder="messy-0123456789",
        data=data,
        trail=trail,
        bytes_per_token=4.0,
        steps=(),
        cost=None,
        mixture=trail.funnel.mixture,
        runs=(),
    )
    path = tmp_path_factory.mktemp("page") / "data.html"
    path.write_bytes(render_data_page(facts))
    return path


@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_drawn_and_says_and_asks_nothing(file, width):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on this machine's PATH")
    said, asked = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        shown = "#funnel-narrow" if width < 720 else "#funnel-wide"
        assert page.locator(shown).is_visible()
        assert page.locator("#funnel svg:visible").count() == 1
        assert page.locator("#funnel .mark").first.is_visible() == (width >= 720)
        browser.close()
    assert said == []
    assert set(asked) <= {file.as_uri()}
