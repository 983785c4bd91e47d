"""Licence allow-lists: wordings as they are met in the wild, each with what should happen."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from farthing.artifacts.config import parse_config
from farthing.stages.curate.licences import allows, commonest, judge_licences
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.settings.licences import LicencesConfig

CONFIG = LicencesConfig(
    allow=("MIT", "Apache-2.0", "CC-BY-[0-9]*", "public-domain*", "CC0-1.0 / US-gov*"),
    unstated="drop",
)


@pytest.mark.parametrize(
    ("wording", "stays"),
    [
        ("MIT", True),
        ("mit", True),
        (" MIT\n", True),
        ("MIT or Apache-2.0", True),
        ("MIT OR  GPL-2.0", True),
        ("GPL-2.0+ or CC-BY-SA-3.0", False),
        ("MIT or Apache-2.0 (upstream The Rust Book)", True),
        ("CC-BY-4.0", True),
        ("CC-BY-4.0 (per package metadata)", True),
        ("CC-BY-SA-4.0", False),
        ("CC-BY-NC-4.0", False),
        ("public-domain (pre-1911 original)", True),
        ("CC0-1.0 / US-gov public domain", True),
        ("MIT / GPL-3.0", False),
        ("MIT; GPL-3.0", False),
        ("MIT and GPL-3.0", False),
        ("MIT or GPL-3.0; FAQ also GFDL", False),
        ("MIT, BSD mix", False),
        ("(MIT and GPL-3.0) or MIT", False),
        ("GFDL-1.2+/GPL-2+/public-domain mix (manpages-zh)", False),
        ("Permitted", False),
        ("unstated", False),
        ("", False),
        ("Unstated", False),
    ],
)
def test_wordings(wording, stays):
    assert allows(wording, CONFIG) is stays


@pytest.mark.parametrize(("unstated", "stays"), [("keep", True), ("drop", False)])
def test_unstated_is_a_choice_of_its_own(unstated, stays):
    assert allows("unstated", LicencesConfig(unstated=unstated)) is stays
    assert allows("unstated", LicencesConfig(allow=("unstated",), unstated=unstated)) is stays


def test_without_a_list_every_stated_licence_stays():
    assert allows("GPL-3.0", LicencesConfig(unstated="drop"))


def test_an_empty_list_lets_nothing_in():
    assert not allows("MIT", LicencesConfig(allow=()))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_every_failing_wording_is_a_reason_of_its_own_and_counted(kind):
    column = pa.array(["GPL-3.0", "MIT", "GPL-3.0", "unstated", "x " * 300, "MIT or x"], type=kind)
    reasons, table = judge_licences(column, CONFIG)
    assert reasons.dtype == np.int32
    assert table == tuple(sorted(table))
    counted = Counter(table[code] if code >= 0 else None for code in reasons)
    long = "licence:" + ("x " * 300)[:80]
    assert counted == {"licence:GPL-3.0": 2, None: 2, "licence:unstated": 1, long: 1}


def test_a_slice_and_an_empty_batch():
    column = pa.array(["MIT", "GPL-3.0", "MIT"])
    reasons, table = judge_licences(column.slice(1), CONFIG)
    assert reasons.tolist() == [0, -1]
    reasons, table = judge_licences(column.slice(0, 0), CONFIG)
    assert reasons.tolist() == []
    assert table == ()


def test_the_settings_are_read_from_plain_lists():
    config = parse_config(LicencesConfig, {"allow": ["MIT"], "unstated": "drop"}, where="test")
    assert config == LicencesConfig(allow=("MIT",), unstated="drop")


def test_as_many_wordings_as_documents_are_judged_and_the_commonest_told():
    count = 40_000
    wordings = [f"Copyright {n} of nobody" for n in range(count)]
    # Wording n stands n % 3 + 1 times.
    column = pa.array([wording for n, wording in enumerate(wordings) for _ in range(n % 3 + 1)])
    reasons, table = judge_licences(column, CONFIG)
    assert [table[code] for code in reasons] == [f"licence:{each}" for each in column.to_pylist()]
    codes, told = commonest(reasons, table)
    thrice = sorted(f"licence:{each}" for n, each in enumerate(wordings) if n % 3 == 2)
    assert told == (*thrice[:100], "licence:other wordings")
    counted = Counter(told[code] for code in codes)
    assert counted == dict.fromkeys(thrice[:100], 3) | {told[-1]: len(column) - 300}
    decisions = Decisions(np.zeros(len(column), dtype=np.bool_))
    decisions.drop_by("licence", table, reasons)
    assert decisions.by_reason() == dict(Counter(table[code] for code in reasons))


def test_few_wordings_are_all_told():
    codes = np.array([1, -1, 0], dtype=np.int32)
    told, table = commonest(codes, ["licence:A", "licence:B"])
    assert told.tolist() == [1, -1, 0]
    assert table == ("licence:A", "licence:B")
