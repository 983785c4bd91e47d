"""Work adds and subtracts with its energy told apart; `Fraction` is the independent reckoning."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.work import EnergyPart, Work, joules_of, method_of

# Eighths are exact in binary: every sum below is, and may be compared without a tolerance.
AMOUNTS = st.integers(0, 10**9).map(lambda eighths: eighths / 8)
METHODS = ("rapl", "board_counter", "board_power", "psu", "cloud", "tdp_model")
FIGURES = ("low_joules", "joules", "high_joules")


def _part(covers, method, figures):
    low, joules, high = sorted(figures)
    return EnergyPart(covers=covers, method=method, joules=joules, low_joules=low, high_joules=high)


def _unknown(covers):
    return EnergyPart(covers=covers, method="none", joules=None, low_joules=None, high_joules=None)


PARTS = st.builds(
    _part,
    st.sampled_from(("package-0", "board-a", "board-b")),
    st.sampled_from(METHODS),
    st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
)
KNOWN = st.lists(PARTS, min_size=1, max_size=6, unique_by=lambda part: (part.covers, part.method))


def _work(parts, seconds=1.0, joules=None, method=None):
    return Work(
        wall_seconds=seconds,
        device_seconds=2 * seconds,
        cpu_seconds=seconds,
        tokens=3,
        flops=5.0,
        optimizer_flops=7.0,
        joules=joules_of(parts) if parts else joules,
        energy_method=method_of(parts) if parts else method,
        energy_parts=tuple(parts),
    )


def _by_hand(*signed):
    """Of (sign, parts): the exact sum of each figure of each thing by each method."""
    sums = defaultdict(lambda: [Fraction(0)] * 3)
    for sign, parts in signed:
        for part in parts:
            figures = (Fraction(getattr(part, name)) for name in FIGURES)
            name = part.covers, part.method
            sums[name] = [old + sign * new for old, new in zip(sums[name], figures, strict=True)]
    return {name: sorted(figures) for name, figures in sums.items()}


def _read(work):
    return {
        (part.covers, part.method): [Fraction(getattr(part, name)) for name in FIGURES]
        for part in work.energy_parts
    }


@given(KNOWN, KNOWN)
def test_parts_of_the_same_thing_by_the_same_method_add_up(mine, its):
    total = _work(mine) + _work(its)
    assert _read(total) == _by_hand((1, mine), (1, its))
    assert Fraction(total.joules) == sum(Fraction(part.joules) for part in (*mine, *its))
    assert total == _work(its) + _work(mine)
    methods = {part.method for part in (*mine, *its)}
    assert total.energy_method == (methods.pop() if len(methods) == 1 else "mixed")


@given(KNOWN, KNOWN)
def test_what_a_part_leaves_of_a_whole_makes_the_whole_with_it_again(rest, part):
    whole = _work(rest, 5.0) + _work(part, 2.0)
    left = whole - _work(part, 2.0)
    assert _read(left) | _read(_work(rest)) == _read(left), "with what is left at zero"
    assert left.wall_seconds == 5.0
    assert left + _work(part, 2.0) == whole


@given(KNOWN, KNOWN)
def test_a_difference_of_any_two_keeps_least_and_most_in_order(mine, its):
    difference = _work(mine) - _work(its)
    for name, (low, joules, high) in _read(difference).items():
        assert low <= joules <= high
        assert [low, joules, high] == _by_hand((1, mine), (-1, its))[name]


@given(st.lists(KNOWN, min_size=3, max_size=3))
def test_three_add_up_in_any_order(three):
    a, b, c = (_work(parts) for parts in three)
    assert (a + b) + c == a + (b + c) == (c + a) + b


@given(KNOWN)
def test_the_order_in_which_parts_are_named_is_one(parts):
    assert _work(parts) == _work(parts[::-1])
    names = [(part.covers, part.method) for part in _work(parts).energy_parts]
    assert names == sorted(names)


@given(KNOWN)
def test_nothing_adds_nothing(parts):
    nothing = _work((), seconds=0.0, joules=0.0, method="none")
    work = _work(parts)
    for same in (work + nothing, nothing + work, work - nothing):
        assert (same.energy_parts, same.joules) == (work.energy_parts, work.joules)
        assert same.energy_method == work.energy_method


@given(KNOWN, st.booleans())
def test_unknown_stays_unknown(parts, told_apart):
    lost = _work([_unknown("board-c")]) if told_apart else _work((), method="none")
    for sum_or_rest in (_work(parts) + lost, lost + _work(parts), _work(parts) - lost):
        assert sum_or_rest.joules is None
        assert sum_or_rest.energy_method == "none"
        found = [part for part in sum_or_rest.energy_parts if part.joules is None]
        assert [part.covers for part in found] == (["board-c"] if told_apart else [])
    again = (_work(parts) + lost) - lost
    assert again.joules is None


def test_what_is_not_told_apart_on_one_side_is_not_in_the_sum():
    old = _work((), joules=100.0, method="rapl")
    new = _work([_part("package-0", "rapl", (50.0,) * 3)])
    assert (old + new).joules == 150.0
    assert (old + new).energy_parts == ()
    assert (old + new).energy_method == "rapl"
    assert (new - old).joules == -50.0
    other = _work((), joules=10.0, method="tdp_model")
    assert ((old + other).joules, (old + other).energy_method) == (110.0, "mixed")


def test_a_part_is_measured_where_a_sensor_read_all_of_it():
    assert _part("package-0", "rapl", (5.0, 5.0, 5.0)).measured
    assert not _part("package-0", "rapl", (0.0, 5.0, 9.0)).measured
    assert not _part("package-0", "tdp_model", (5.0, 5.0, 5.0)).measured
    assert not _unknown("package-0").measured


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"method": "mixed"}, id="several methods"),
        pytest.param({"method": "none"}, id="known by no method"),
        pytest.param({"joules": None}, id="unknown with a range"),
        pytest.param({"low_joules": None}, id="half a range"),
        pytest.param({"low_joules": 6.0}, id="least above it"),
        pytest.param({"high_joules": 4.0}, id="most below it"),
        pytest.param({"covers": ""}, id="of nothing"),
        pytest.param({"joules": float("nan")}, id="no number"),
    ],
)
def test_a_part_that_cannot_be_is_refused(change):
    good = {"covers": "x", "method": "psu", "joules": 5.0, "low_joules": 5.0, "high_joules": 5.0}
    assert EnergyPart(**good).joules == 5.0
    with pytest.raises(ValidationError):
        EnergyPart(**good | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joules": 11.0}, "add up to 10.0 J"),
        ({"joules": None}, "add up to 10.0 J"),
        ({"energy_method": "psu"}, "not that of the parts"),
        ({"energy_parts": (_part("x", "rapl", (5.0,) * 3),) * 2}, "the same covers and method"),
    ],
)
def test_parts_that_do_not_make_the_whole_are_refused(change, message):
    parts = (_part("x", "rapl", (4.0,) * 3), _part("y", "rapl", (6.0,) * 3))
    good = dict(_work(parts))
    assert Work(**good).joules == 10.0
    with pytest.raises(ValidationError, match=message):
        Work(**good | change)


@given(KNOWN)
def test_the_book_gives_back_what_was_entered(parts):
    work = _work(parts)
    line = canonical_json(work.model_dump(mode="json"))
    assert Work.model_validate_json(line) == work


def test_rounding_of_large_sums_is_no_mistake():
    """A difference of two terawatt-hours is small beside what they round to."""
    parts = [_part(f"board-{i}", "board_counter", (1e15 / 3 + i / 7,) * 3) for i in range(20)]
    whole, part = _work(parts), _work([_part("board-0", "board_counter", (1e15 / 3 - 0.1,) * 3)])
    assert (whole - part).joules == pytest.approx(19 * 1e15 / 3, rel=1e-12)
    difference = whole - whole
    assert difference.joules == 0.0
    assert Work.model_validate(difference.model_dump()) == difference
