"""What decides a corpus is in its key, the interpreter's table of characters included."""

from __future__ import annotations

import unicodedata

import pytest

from farthing.artifacts.workspace import Workspace
from farthing.flow.curation import _key
from farthing.stages.curate.config import CurateConfig


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("some words")
    return str(path)


def test_another_version_of_unicode_is_another_corpus(source, tmp_path, monkeypatch):
    def key() -> str:
        return _key(CurateConfig(sources=(source,)), (), Workspace(tmp_path))

    before = key()
    assert key() == before
    monkeypatch.setattr(unicodedata, "unidata_version", "1.0.0")
    assert key() != before


def test_how_many_processes_work_is_not_in_the_key(source, tmp_path):
    one, two = (
        _key(CurateConfig(sources=(source,), workers=workers), (), Workspace(tmp_path))
        for workers in (1, 2)
    )
    assert one == two
