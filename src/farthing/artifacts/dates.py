"""A day, written as ISO 8601 says, in settings and in entries of the book."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _only_iso(value: object) -> object:
    """The day; numbers, which a lenient reader takes for seconds, are refused."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _FORM.fullmatch(value):
        raise ValueError("write a day as year-month-day, such as 2026-01-31")
    return date.fromisoformat(value)


IsoDate = Annotated[date, BeforeValidator(_only_iso)]
