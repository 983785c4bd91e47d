"""Putting the sections into the templates: one file, nothing outside it, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from farthing.charts.visible import first_line, visible
from farthing.quantity import MARKS_EXPLAINED
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import data_size, percent, plain, short, whole
from farthing.report.sections.benchmarks import benchmarks_section
from farthing.report.sections.bill import bill_section
from farthing.report.sections.curve import curve_section
from farthing.report.sections.load import load_section
from farthing.report.sections.members import members_section
from farthing.report.sections.overview import overview
from farthing.report.sections.text import data_section, lineage_section, samples_section
from farthing.report.shown import MARK_OF_KIND

GENERATOR = "farthing report"


def render(facts: ReportFacts) -> bytes:
    """The whole page as UTF-8."""
    style, script = _asset("page.css"), _asset("page.js")
    html = (
        _environment()
        .get_template("page.html.j2")
        .render(
            generator=GENERATOR,
            style=Markup(style),
            script=Markup(script),
            style_hash=_csp_hash(style),
            script_hash=_csp_hash(script),
            facts=facts,
            overview=overview(facts),
            curve=curve_section(facts),
            members=members_section(facts),
            benchmarks=benchmarks_section(facts),
            samples=samples_section(facts),
            bill=bill_section(facts),
            data=data_section(facts),
            load=load_section(facts),
            lineage=lineage_section(facts),
        )
    )
    # A recipe or a source may hold half a surrogate pair, which has no UTF-8 form.
    return html.encode("utf-8", "replace")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("farthing.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"marks": MARK_OF_KIND, "marks_explained": MARKS_EXPLAINED}
    environment.filters |= {
        "plain": plain,
        "short": short,
        "whole": whole,
        "data_size": data_size,
        "percent": percent,
        "visible": visible,
        "first_line": first_line,
    }
    return environment


def _asset(name: str) -> str:
    """A file of the package, with the newlines that a browser hashes."""
    file = resources.files("farthing.report") / "templates" / name
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def _csp_hash(text: str) -> str:
    """The hash by which the content security policy lets this text, and no other, run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
