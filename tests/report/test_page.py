"""The page as text: complete, honest about gaps, closed to the outside, everything escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import pytest

from farthing.artifacts.entries import Purpose
from farthing.quantity import MARKS_EXPLAINED, Provenance, Quantity, assumed
from farthing.report.facts.gather import Money, gather
from farthing.report.facts.load import read_load
from farthing.report.page import render
from farthing.report.sections.overview import overview

VOID = {"meta", "input", "br", "link", "img", "hr", "wbr"}


class _Reader(HTMLParser):
    """Every tag with its attributes; complains about tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open[-3:])


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def _words(page: str) -> str:
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", body))


def test_every_section_is_there_and_small_enough_to_send(page):
    ids = {attributes.get("id") for _, attributes in _read(page).tags}
    assert ids >= {"curve", "family", "benchmarks", "samples", "bill", "members", "data", "check"}
    assert len(page.encode()) < 600_000


def test_ids_are_unique_and_every_inner_link_leads_somewhere(page):
    tags = _read(page).tags
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    named = [a["aria-labelledby"] for _, a in tags if a.get("aria-labelledby")]
    assert set(named) <= set(ids)


def test_nothing_on_the_page_reaches_outside(page):
    loading = {"src", "srcset", "href", "xlink:href", "action", "data", "poster", "formaction"}
    for tag, attributes in _read(page).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}, tag
        for name in loading & set(attributes):
            assert attributes[name].startswith("#"), (tag, name, attributes[name])
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert "@import" not in page
    assert "url(" not in page


def test_the_policy_lets_only_our_own_style_and_script_run(page):
    policy = next(a["content"] for _, a in _read(page).tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag, source in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy


def test_both_themes_are_there_and_the_button_can_choose(page):
    assert "prefers-color-scheme: dark" in page
    assert ':root[data-theme="dark"]' in page
    blocks = re.findall(r"color-scheme: dark;(.*?)\}", page, flags=re.DOTALL)
    assert len({re.sub(r"\s+", " ", block).strip() for block in blocks}) == 1


def test_sources_prompts_and_names_are_escaped(page, facts, tiny):
    attack = tiny.attack
    assert attack not in page
    assert "&lt;script&gt;alert(&#34;source&#34;)&lt;/script&gt;" in page
    assert "the river &lt;b&gt;&amp;" in page
    member = facts.scores.members[0].model_copy(update={"label": attack})
    hostile = replace(
        facts,
        scores=facts.scores.model_copy(update={"members": (member, *facts.scores.members[1:])}),
        config=facts.config.model_copy(update={"name": attack}),
        machine=attack + "\u202e\x00",
        samples=tuple(replace(s, text="</blockquote>" + attack + "\ud800") for s in facts.samples),
        data_problem=attack,
    )
    shown = render(hostile).decode()
    assert attack not in shown
    assert "\u202e" not in shown
    assert "\x00" not in shown
    assert len(re.findall(r"<script", shown)) == 1
    _read(shown)


def test_without_a_price_the_curve_is_over_device_hours_and_says_so(page):
    inputs = [a for tag, a in _read(page).tags if tag == "input"]
    assert [each["id"] for each in inputs] == [
        "axis-hours", "axis-tokens", "axis-flops", "axis-steps",
    ]  # fmt: skip
    assert "checked" in inputs[0]
    words = _words(page)
    assert "dollars are unknown and the curve is drawn over device-hours" in words
    assert "Dollars are unknown. Set prices in farthing.yaml." in words
    assert "2 steps that a kill threw away" in words


def test_with_a_price_the_curve_is_over_dollars(facts):
    page = render(replace(facts, money=Money("spot", 0.01, "a test"))).decode()
    inputs = [a for tag, a in _read(page).tags if tag == "input"]
    assert inputs[0]["id"] == "axis-usd"
    assert "Dollars are device-hours at the spot price" in _words(page)


def test_what_is_missing_is_named_with_the_way_to_get_it(page):
    words = _words(page)
    assert "No benchmark has been asked of this family yet" in words
    assert "farthing evaluate --benchmarks" in words
    assert "The grid is unknown. Set grid in farthing.yaml." in words
    assert "baseline: none: this is a bill, not a comparison" in words
    assert "staff time" in words


def test_embodied_carbon_and_water_have_tiles_only_where_somebody_knows_them(facts, page):
    assert "CO₂ equivalent, embodied" not in _words(page)
    made = Quantity(
        value=0.002,
        unit="kg",
        provenance=Provenance.ESTIMATED,
        source="maker",
        low=0.001,
        high=0.004,
    )
    cost = replace(facts.cost, kg_embodied=made, litres=assumed(3.25, "L", "site"))
    page = render(replace(facts, cost=cost)).decode()
    tiles = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, flags=re.DOTALL))
    making, water = _words(tiles["CO₂ equivalent, embodied"]), _words(tiles["Water"])
    assert "~2.00 g" in making
    assert "by the hours held; not in the figure before; 1.0 to 4.0 g" in making
    assert "≈3.25 L" in water
    # No range, so none is shown.
    assert water.endswith("for the electricity")


def test_the_rates_of_a_workspace_give_its_tiles(workspace):
    workspace.settings_file.write_text(
        "grid: FRA\nsite: azure\nelectricity_water: olmo3\n"
        "embodied: {kg_per_device: 8.766, life_years: 1, date: 2026-01-31, source: maker}\n"
    )
    known = gather(workspace, None, ())
    made = known.cost.device_hours.value * 0.001
    assert known.cost.kg_embodied.value == pytest.approx(made)
    names = [tile.name for tile in overview(known).tiles]
    assert "CO₂ equivalent, embodied" in names
    # Without watts there are no joules, and so no water.
    assert ("Water" in names) == (known.cost.kwh is not None)


def test_carbon_that_is_unknown_for_another_reason_than_the_grid_points_to_the_bill(facts):
    head = overview(replace(facts, cost=replace(facts.cost, kg_co2e=None, kg_co2e_range=None)))
    (tile,) = [tile for tile in head.tiles if tile.name == "CO₂ equivalent"]
    assert (tile.figure.text, tile.note) == ("unknown", "the bill below says why")
    assert "Carbon is unknown." in [gap.what for gap in head.missing]


def test_other_gaps_are_said_too(facts):
    empty = replace(facts.curve, stretches=(), attempts=())
    page = render(
        replace(facts, curve=empty, data=None, data_problem="gone", load=None, family=None)
    ).decode()
    words = _words(page)
    for sentence in (
        "No step was recorded.",
        "The corpus is not in the workspace",
        "No expert load was recorded",
        "No member was registered before training",
    ):
        assert sentence in words
    _read(page)


def test_estimates_carry_their_mark_and_range(facts):
    # Given here: whether energy is known depends on the machine that runs the test.
    kwh = Quantity(
        value=2.0, unit="kWh", provenance=Provenance.ESTIMATED, source="a TDP", low=1.0, high=3.0
    )
    total = replace(facts.bill.total, kwh=kwh)
    estimated = replace(
        facts, bill=replace(facts.bill, total=total), cost=replace(facts.cost, kwh=kwh)
    )
    page = render(estimated).decode()
    figure = r'class="fig estimated" title="estimated: a TDP">.*?<span class="prov"[^>]*>~</span>2'
    assert len(re.findall(figure, page)) == 2
    assert '<span class="extent">1.0 to 3.0</span>' in page
    assert "1.0 to 3.0 kWh" in page


def test_the_key_explains_the_marks_in_the_words_of_the_bill(page):
    assert _words(page).count(MARKS_EXPLAINED) == 2


def test_a_matrix_has_a_cell_for_each_member_and_a_dot_for_the_rest(page, facts):
    cells = re.findall(r'<td class="(q\d[^"]*|none)"', page)
    assert sum(cell != "none" for cell in cells) == len(facts.scores.members)
    assert len(cells) == 2 * 2 * 2  # two depths, two expert counts, two top-ks
    assert sum("best" in cell for cell in cells) == 1


def test_benchmarks_show_errors_chance_and_whose_figure_it_is(workspace, facts, add_benchmarks):
    add_benchmarks(workspace, facts)
    page = render(gather(workspace, None, ())).decode()
    words = _words(page)
    assert "60.0 ± 2.5" in words
    assert "chance 50 %" in words
    assert "3 ties counted wrong" in words
    assert "published, all: https://example.org/a" in words
    assert "<img" not in page
    _read(page)


def test_parts_of_a_benchmark_are_in_the_metric_that_the_field_quotes(
    workspace, facts, add_benchmarks
):
    add_benchmarks(workspace, facts, metric="acc_norm")
    words = _words(render(gather(workspace, None, ())).decode())
    assert "65.0 ± 2.4" in words
    assert f"{facts.scores.members[0].label}, accuracy per character of the choice, in %" in words


@pytest.mark.parametrize("complete", [True, False])
def test_a_sample_beside_published_figures_is_called_one(
    workspace, facts, add_benchmarks, complete
):
    add_benchmarks(workspace, facts, complete=complete)
    words = _words(render(gather(workspace, None, ())).decode())
    assert ("Ours: a sample of 400 questions; theirs: all" in words) == (not complete)
    assert ("400 questions, a sample of the set" in words) == (not complete)


def test_a_sample_without_published_figures_compares_with_nobody(workspace, facts, add_benchmarks):
    add_benchmarks(workspace, facts, complete=False, published=())
    words = _words(render(gather(workspace, None, ())).decode())
    assert "400 questions, a sample of the set" in words
    assert "theirs" not in words


def test_expert_load_has_a_picture_per_domain_and_counts_the_dead(facts, expert_load):
    page = render(replace(facts, load=read_load(expert_load))).decode()
    words = _words(page)
    assert "7 of 12" in words
    assert len(re.findall(r'<svg id="load-\d"', page)) == 2
    _read(page)


def test_a_dense_family_has_a_page(dense_facts):
    page = render(dense_facts).decode()
    words = _words(page)
    assert "The family is dense" in words
    assert "dense transformer" in words
    assert "dense members" in words
    _read(page)


def test_the_bill_lists_every_run_with_how_it_ended(page, facts):
    assert page.count('class="status ') == len(facts.bill.lines) + len(facts.curve.attempts)
    assert "KeyboardInterrupt: the test stops it here" in _words(page)


def test_every_purpose_has_a_colour_of_its_own_in_the_bar_and_its_legend(page):
    (style,) = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    colours = []
    for purpose in get_args(Purpose):
        (name,) = re.findall(rf"\.{purpose} rect {{ fill: var\((--[a-z]+)\); }}", style)
        assert re.search(rf"\.swatch\.{purpose}[^{{}}]*{{ background: var\({name}\); }}", style)
        colours.append(re.findall(rf"{name}: (#[0-9a-f]+);", style))
    # On light paper, and on dark by the system's wish and by the button.
    assert {len(each) for each in colours} == {3}
    for theme in zip(*colours, strict=True):
        assert len(set(theme)) == len(theme)


def test_what_a_family_inherits_stands_below_its_parent(page, facts):
    assert "inherited" not in _words(page)
    parent = facts.family.parent
    heir = replace(facts.family, inherited=parent.scaled(0.25))
    words = _words(render(replace(facts, family=heir)).decode())
    assert "whose weights this one began with" in words
    row = words.split("of which inherited")[1].split("4L-4E-2K")[0]
    hours = re.match(r"\d[\d.]*(e-\d+)?", row.strip())
    assert hours is not None
    assert float(hours[0]) == pytest.approx(parent.device_hours.value / 4, rel=1e-2)


@pytest.mark.parametrize("count", [1, 2])
def test_a_small_family_has_a_page(facts, count):
    few = facts.scores.model_copy(update={"members": facts.scores.members[:count]})
    page = render(replace(facts, scores=few)).decode()
    assert ("One member has been scored" in page) == (count == 1)
    _read(page)
