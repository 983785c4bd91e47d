"""Templates, files and hashes that the pages of `farthing report` and `farthing bill` share."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from farthing.charts.visible import first_line, visible
from farthing.quantity import MARKS_EXPLAINED
from farthing.report.numbers import data_size, percent, plain, short, whole
from farthing.report.shown import MARK_OF_KIND


@cache
def page_environment() -> Environment:
    """The templates of the report, with its filters; everything is escaped."""
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


def asset(name: str) -> str:
    """A file of the package, with the newlines that a browser hashes."""
    file = resources.files("farthing.report") / "templates" / name
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")


def content_hash(text: str) -> str:
    """The hash by which the content security policy lets this text, and no other, run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
