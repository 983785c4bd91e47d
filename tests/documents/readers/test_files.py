"""Which files are read, in which order, under which names; and what cannot be read is told."""

from __future__ import annotations

import hashlib
import os
import socket

import pytest

from farthing.documents.readers.files import find_files, identities
from farthing.errors import CorpusError


@pytest.fixture
def folder(tmp_path):
    """Files of several kinds at several depths."""
    for name in ("b/2.jsonl", "a.txt", "b/1.parquet", "b/deep/3.warc.gz", "b/.hidden/4.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "b" / "notes.md").write_text("of another kind")
    (tmp_path / "b" / ".5.txt").write_text("hidden")
    (tmp_path / "b" / "info.json").write_text("{}")
    return tmp_path


def _names(files):
    return [(file.name, file.kind) for file in files]


def test_a_folder_stands_for_all_below_it_sorted(folder):
    files = find_files([folder])
    assert _names(files) == [
        ("a.txt", "text"),
        ("b/1.parquet", "parquet"),
        ("b/2.jsonl", "json_lines"),
        ("b/deep/3.warc.gz", "warc"),
    ]
    assert [file.number for file in files] == [0, 1, 2, 3]
    assert files[0].sha256 == hashlib.sha256(b"a.txt").hexdigest()
    assert files[0].size == 5


def test_patterns_match_as_in_a_shell(folder):
    assert _names(find_files([f"{folder}/b/*.jsonl"])) == [("2.jsonl", "json_lines")]
    assert [name for name, _ in _names(find_files([f"{folder}/**/[0-9]*"]))] == [
        "b/1.parquet",
        "b/2.jsonl",
        "b/deep/3.warc.gz",
    ]
    assert [name for name, _ in _names(find_files([f"{folder}/?"]))] == [
        "b/1.parquet",
        "b/2.jsonl",
        "b/deep/3.warc.gz",
    ]


def test_the_order_of_paths_is_kept_and_moving_them_changes_no_identity(folder, tmp_path):
    files = find_files([folder / "b", folder / "a.txt"])
    assert [file.name for file in files] == ["1.parquet", "2.jsonl", "deep/3.warc.gz", "a.txt"]
    moved = tmp_path / "moved"
    moved.mkdir()
    os.rename(folder / "b", moved / "c")
    os.rename(folder / "a.txt", moved / "a.txt")
    assert identities(find_files([moved / "c", moved / "a.txt"])) == identities(files)


def _written(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return [folder / name for name in names]


def test_equal_names_under_several_sources_are_told_apart_by_the_folders_above(tmp_path):
    _written(tmp_path, "x/a/part-0.jsonl", "x/b/part-0.jsonl", "y/b/part-0.jsonl", "x/b/own.txt")
    files = find_files([tmp_path / "x" / "a", tmp_path / "x" / "b", tmp_path / "y" / "b"])
    names = ["a/part-0.jsonl", "own.txt", "x/b/part-0.jsonl", "y/b/part-0.jsonl"]
    assert [file.name for file in files] == names
    assert [file.path.read_text() for file in files] == [
        "x/a/part-0.jsonl",
        "x/b/own.txt",
        "x/b/part-0.jsonl",
        "y/b/part-0.jsonl",
    ]


def test_a_name_with_a_folder_in_front_may_be_that_of_a_third_file(tmp_path):
    paths = _written(tmp_path, "p/a/1.txt", "q/1.txt", "r/a/1.txt")
    files = find_files([tmp_path / "p" / "a", tmp_path / "q", tmp_path / "r"])
    assert [file.name for file in files] == ["p/a/1.txt", "q/1.txt", "r/a/1.txt"]
    assert [file.path for file in files] == paths


def test_a_name_with_brackets_that_exists_is_no_pattern(tmp_path):
    (tmp_path / "a[1].txt").write_text("x")
    assert _names(find_files([tmp_path / "a[1].txt"])) == [("a[1].txt", "text")]


def test_a_link_back_to_a_folder_above_ends_there(folder):
    (folder / "b" / "loop").symlink_to(folder)
    assert len(find_files([folder / "b"])) == 4


@pytest.mark.parametrize(
    ("make", "paths", "what"),
    [
        pytest.param(lambda _: None, [], "no sources are named", id="nothing named"),
        pytest.param(lambda _: None, ["gone.txt"], "does not exist", id="missing"),
        pytest.param(lambda _: None, ["."], "holds no file ending in .jsonl", id="empty folder"),
        pytest.param(lambda _: None, ["*.txt"], "nothing that ends in", id="pattern without hits"),
        pytest.param(
            lambda f: (f / "a.docx").touch(), ["a.docx"], "unknown suffix", id="unknown suffix"
        ),
        pytest.param(
            lambda f: (f / "a.json").touch(), ["a.json"], "unknown suffix", id="json array"
        ),
        pytest.param(
            lambda f: (f / "a.txt").touch(), ["a.txt", "*.txt"], "named twice", id="named twice"
        ),
        pytest.param(
            lambda f: (f / "a.txt").symlink_to("gone"), ["."], "cannot be read", id="broken link"
        ),
        pytest.param(lambda f: os.mkfifo(f / "a.txt"), ["."], "not a regular file", id="pipe"),
        pytest.param(
            lambda f: (f / "a.txt").symlink_to("a.txt"), ["a.txt"], "cannot be read", id="loop"
        ),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_read(
    tmp_path, monkeypatch, make, paths, what
):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    with pytest.raises(CorpusError, match=what):
        find_files(paths)


def test_a_socket_with_the_name_of_a_text_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.txt")
        with pytest.raises(CorpusError, match="not a regular file"):
            find_files([tmp_path])
