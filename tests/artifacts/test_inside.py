"""Files that a workspace names are files of its own."""

from __future__ import annotations

import os
from datetime import date

import pytest
from pydantic import ValidationError

from farthing.artifacts.inside import is_irregular
from farthing.artifacts.rates import SeriesRate
from farthing.artifacts.settings import CarbonSeries


def series(file):
    return CarbonSeries(file=file, date=date(2026, 1, 31), source="operator")


def rate(file):
    return SeriesRate(file=file, digest="0" * 64, source="operator")


@pytest.mark.parametrize("named", [series, rate], ids=["setting", "entry"])
@pytest.mark.parametrize(
    "file",
    ["/etc/passwd", "../carbon.csv", "a/../../carbon.csv", "a\\..\\b", "C:\\carbon.csv", "..", ""],
)
def test_a_name_that_leads_out_is_refused(named, file):
    with pytest.raises(ValidationError, match=r"leads out of the workspace|at least 1 character"):
        named(file)


@pytest.mark.parametrize("named", [series, rate], ids=["setting", "entry"])
def test_a_name_that_cannot_be_seen_is_refused(named):
    with pytest.raises(ValidationError, match="cannot be seen"):
        named("carbon\x1b[2J.csv")


@pytest.mark.parametrize("file", ["carbon.csv", "grid/2026/carbon.csv", "./a..b.csv", "碳.csv"])
def test_a_name_inside_is_kept(file):
    assert series(file).file == rate(file).file == file


def test_only_regular_files_behind_no_link_are_regular(tmp_path):
    root, outside = tmp_path / "w", tmp_path / "outside"
    for folder in (root / "inner", outside):
        folder.mkdir(parents=True)
        (folder / "file").write_text("text")
    (root / "link").symlink_to(outside / "file")
    (root / "near").symlink_to(root / "inner/file")
    (root / "linked").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    for name in ("link", "near", "linked/file", "loop", "pipe", "inner"):
        assert is_irregular(root, name), name
    for name in ("inner/file", "nothing", "inner/nothing", "nothing/file"):
        assert not is_irregular(root, name), name
    # The workspace itself may stand behind a link.
    (tmp_path / "elsewhere").symlink_to(root)
    assert not is_irregular(tmp_path / "elsewhere", "inner/file")
