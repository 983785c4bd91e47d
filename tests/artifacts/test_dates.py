"""Days that must have come: tomorrow in UTC has begun in the east, the day after has not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from farthing.artifacts.config import parse_config
from farthing.artifacts.dates import PastDate
from farthing.artifacts.settings import WorkspaceSettings
from farthing.errors import ConfigError


def _in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).date()


@pytest.mark.parametrize("days", [-4000, 0, 1])
def test_a_day_that_has_begun_somewhere_is_taken(days):
    day = _in_days(days)
    assert TypeAdapter(PastDate).validate_python(day.isoformat()) == day


# Three days: midnight may pass between the line above and the check.
def test_a_day_of_the_future_is_refused():
    with pytest.raises(ValidationError, match="is in the future: today is 20"):
        TypeAdapter(PastDate).validate_python(_in_days(3).isoformat())


def test_a_typed_price_of_the_future_is_refused():
    price = {"usd_per_device_hour": 1.0, "date": _in_days(3).isoformat(), "source": "offer"}
    with pytest.raises(ConfigError, match="is in the future"):
        parse_config(WorkspaceSettings, {"prices": {"spot": price}}, where="farthing.yaml")
