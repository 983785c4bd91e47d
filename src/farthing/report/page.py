"""Putting the sections into the templates: one file, nothing outside it, everything escaped."""

from __future__ import annotations

from markupsafe import Markup

from farthing.report.facts.gather import ReportFacts
from farthing.report.rendering import asset, content_hash, page_environment
from farthing.report.sections.benchmarks import benchmarks_section
from farthing.report.sections.bill import bill_section
from farthing.report.sections.curve import curve_section
from farthing.report.sections.foresight import foresight_section
from farthing.report.sections.frontier import frontier_section
from farthing.report.sections.load import load_section
from farthing.report.sections.members import members_section
from farthing.report.sections.overview import overview
from farthing.report.sections.serving import serving_section
from farthing.report.sections.text import data_section, lineage_section, samples_section
from farthing.report.target import GENERATOR


def render(facts: ReportFacts) -> bytes:
    """The whole page as UTF-8."""
    style, script = asset("page.css"), asset("page.js")
    html = (
        page_environment()
        .get_template("page.html.j2")
        .render(
            generator=GENERATOR,
            style=Markup(style),
            script=Markup(script),
            style_hash=content_hash(style),
            script_hash=content_hash(script),
            facts=facts,
            overview=overview(facts),
            curve=curve_section(facts),
            members=members_section(facts),
            benchmarks=benchmarks_section(facts),
            samples=samples_section(facts),
            bill=bill_section(facts),
            foresight=foresight_section(facts),
            frontier=frontier_section(facts),
            serving=serving_section(facts),
            data=data_section(facts),
            load=load_section(facts),
            lineage=lineage_section(facts),
        )
    )
    # A recipe or a source may hold half a surrogate pair, which has no UTF-8 form.
    return html.encode("utf-8", "replace")
