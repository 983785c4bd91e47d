"""Days and moments, written as ISO 8601 says, in settings and in entries of the book."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    _FORM.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _only_iso(value: object) -> object:
    """The day; numbers, which a lenient reader takes for seconds, are refused."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _FORM.fullmatch(value):
        raise ValueError("write a day as year-month-day, such as 2026-01-31")
    return date.fromisoformat(value)


def _only_with_zone(value: object) -> object:
    """The moment in UTC; without its zone it may be any of a day's."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("write a moment as day, T, time and zone, such as 2026-03-01T09:00Z")
    return datetime.fromisoformat(value).astimezone(UTC)


def past(day: date) -> date:
    """The day, if it has begun somewhere on Earth: east of UTC it is tomorrow already.

    Raises:
        ValueError: the day is in the future.
    """
    today = datetime.now(UTC).date()
    if day > today + timedelta(days=1):
        raise ValueError(f"{day} is in the future: today is {today}")
    return day


IsoDate = Annotated[date, BeforeValidator(_only_iso)]
PastDate = Annotated[IsoDate, AfterValidator(past)]
UtcTime = Annotated[datetime, BeforeValidator(_only_with_zone)]
