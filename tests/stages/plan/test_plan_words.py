"""Numbers and lines of a plan's page."""

import pytest

from farthing.quantity import assumed, estimated
from farthing.stages.plan.text import WIDTH, amount, entry, figure, notes, table


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0123456, "0.0123"),
        (12.34, "12.3"),
        (999.7, "1,000"),
        (5432.1, "5,432"),
        (12345, "12.3k"),
        (999999, "1M"),
        (2.5e9, "2.5B"),
        (14.8e12, "14.8T"),
        (3.1e24, "3.1e+24"),
    ],
)
def test_amounts_have_three_digits(value, words):
    assert amount(value) == words


def test_a_figure_says_its_kind_and_its_range():
    assert figure(assumed(3, "USD", "a price")) == "≈3"
    assert figure(estimated(3, "h", "a fit", low=2, high=5)) == "~3 (2 to 5)"
    assert figure(None) == "unknown"


def test_lines_keep_to_eighty_columns():
    long = "word " * 60
    assert all(len(line) <= WIDTH for line in (*entry("name", long), *notes([long])))


def test_columns_stand_under_each_other():
    lines = list(table([("a", "b"), ("long name", "1"), ("x", "22")]))
    assert lines == ["a           b", "long name   1", "x          22"]
