"""Bundles: any tar program reads them, and nothing but what farthing writes is read back."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from farthing.artifacts.claims.archive import (
    MOST_STATEMENT_BYTES,
    Bundle,
    file_facts,
    open_bundle,
    write_bundle,
)
from farthing.artifacts.claims.statement import FileFacts
from farthing.errors import ClaimError, WorkspaceError

STATEMENT = b'{"x":1}\n'
LONG = "checkpoints/" + "a" * 90 + "/" + "b" * 80 + "/manifest.json"
CONTENTS = {
    "book.jsonl": b"one\ntwo\nthree",
    "corpus/manifest.json": b"{}\n" * 400,
    "empty": b"",
    "exactly": bytes(range(256)) * 2,
    LONG: b"long",
    "steps/10.jsonl": b"\n",
    "steps/9.jsonl": b"9\n",
}


@pytest.fixture
def bundle_file(tmp_path: Path) -> Path:
    path = tmp_path / "some.claim"
    (tmp_path / "source").write_bytes(CONTENTS["corpus/manifest.json"])
    files = CONTENTS | {"corpus/manifest.json": tmp_path / "source"}
    write_bundle(path, STATEMENT, "claim.json", files)
    return path


def opened(path: Path, **bounds: int) -> Bundle:
    return open_bundle(path, statement_name="claim.json", **bounds)


def facts(contents: dict[str, bytes]) -> dict[str, FileFacts]:
    return {
        name: FileFacts(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name, data in contents.items()
    }


def test_what_was_written_is_read_back(bundle_file):
    with opened(bundle_file) as bundle:
        assert bundle.statement_bytes == STATEMENT
        assert bundle.names == tuple(sorted(CONTENTS))
        for name, data in CONTENTS.items():
            assert bundle.size(name) == len(data)
            assert bundle.read(name, most=len(data)) == data
            assert bundle.digest(name) == hashlib.sha256(data).hexdigest()
            assert list(bundle.lines(name)) == io.BytesIO(data).readlines()
        bundle.check(facts(CONTENTS))


def test_the_facts_of_a_statement_are_those_of_the_files(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 3_000_000)
    contents = {"a": b"", "b": b"b", "x": b"x" * 3_000_000}
    assert file_facts(contents | {"x": tmp_path / "x"}) == facts(contents)


def test_the_same_content_is_the_same_file(bundle_file, tmp_path):
    again = tmp_path / "again.claim"
    write_bundle(again, STATEMENT, "claim.json", dict(reversed(CONTENTS.items())))
    assert again.read_bytes() == bundle_file.read_bytes()


def test_pythons_tar_reader_agrees(bundle_file):
    with tarfile.open(bundle_file, "r:") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["claim.json", *sorted(CONTENTS)]
        for member in members[1:]:
            file = archive.extractfile(member)
            assert file is not None
            assert file.read() == CONTENTS[member.name]
        assert {(m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname, m.type) for m in members} == {
            (0o644, 0, 0, 0, "", "", tarfile.REGTYPE)
        }


def test_pythons_tar_writer_makes_the_same_bytes(bundle_file, tmp_path):
    path = tmp_path / "theirs.tar"
    with tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("claim.json", *sorted(CONTENTS)):
            data = STATEMENT if name == "claim.json" else CONTENTS[name]
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            (tmp_path / "data").write_bytes(data)
            with (tmp_path / "data").open("rb") as file:
                archive.addfile(member, file)
    ours, theirs = bundle_file.read_bytes(), path.read_bytes()
    # Theirs is filled up to a whole record of 10,240 bytes; fields of devices may be blank.
    assert theirs[len(ours) :].count(0) == len(theirs) - len(ours)
    blank = [place for place in range(len(ours)) if ours[place] != theirs[place]]
    assert all(place % 512 in {*range(329, 345), *range(148, 156)} for place in blank)


@pytest.mark.parametrize("name", ["steps/9.jsonl", "empty", LONG], ids=["short", "empty", "long"])
def test_a_file_that_the_statement_does_not_list_as_it_is_is_refused(bundle_file, name):
    listed = facts(CONTENTS)
    without = {each: listed[each] for each in listed if each != name}
    other = {name: FileFacts(sha256="0" * 64, bytes=listed[name].bytes)}
    longer = {name: FileFacts(sha256=listed[name].sha256, bytes=listed[name].bytes + 1)}
    more = {"steps/8.jsonl": listed[name]}
    with opened(bundle_file) as bundle:
        for wrong in (without, listed | other, listed | longer, listed | more, {}):
            with pytest.raises(ClaimError):
                bundle.check(wrong)


def test_extracting_writes_below_the_folder_alone(bundle_file, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with opened(bundle_file) as bundle:
        with pytest.raises(AssertionError):
            bundle.extract(bundle.names, folder)
        bundle.check(facts(CONTENTS))
        with pytest.raises(ClaimError, match="missing"):
            bundle.extract(["claim.json"], folder)
        with pytest.raises(ClaimError, match="missing"):
            bundle.extract(["../steps"], folder)
        bundle.extract(bundle.names, folder)
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == CONTENTS


def test_extracting_replaces_nothing_and_follows_no_link(bundle_file, tmp_path):
    folder, outside = tmp_path / "out", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("mine")
    (folder / "empty").symlink_to(outside)
    with opened(bundle_file) as bundle:
        bundle.check(facts(CONTENTS))
        with pytest.raises(WorkspaceError):
            bundle.extract(["empty"], folder)
    assert outside.read_text() == "mine"


def test_a_file_that_changes_after_the_check_is_not_extracted(bundle_file, tmp_path):
    with opened(bundle_file) as bundle:
        bundle.check(facts(CONTENTS))
        data = bundle_file.read_bytes()
        bundle_file.write_bytes(data.replace(b"three", b"throo"))
        with pytest.raises(ClaimError, match=r"book\.jsonl"):
            bundle.extract(["book.jsonl"], tmp_path / "out")
        bundle_file.write_bytes(data[:600])
        with pytest.raises(ClaimError, match="shorter"):
            bundle.read("steps/9.jsonl", most=10)
        with pytest.raises(ClaimError, match="shorter"):
            list(bundle.lines("steps/9.jsonl"))


def test_nothing_larger_than_the_caller_allows_is_held(tmp_path):
    size = 64 << 20
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(size)
    path = tmp_path / "big.claim"
    write_bundle(path, STATEMENT, "claim.json", {"big": big})
    tracemalloc.start()
    try:
        with opened(path) as bundle:
            with pytest.raises(ClaimError, match="or less"):
                bundle.read("big", most=size - 1)
            with pytest.raises(ClaimError, match="line"):
                list(bundle.lines("big"))
            with pytest.raises(ClaimError, match="line"):
                list(bundle.lines("big", most=100))
            bundle.check(file_facts({"big": big}))
            bundle.extract(["big"], tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 << 20
    assert (tmp_path / "out" / "big").stat().st_size == size


def test_two_readers_of_the_same_lines_do_not_disturb_each_other(bundle_file):
    with opened(bundle_file) as bundle:
        pairs = zip(bundle.lines("book.jsonl"), bundle.lines("book.jsonl"), strict=True)
        assert [(a, b) for a, b in pairs] == [(b"one\n",) * 2, (b"two\n",) * 2, (b"three",) * 2]


def test_the_bounds_hold_before_anything_is_read(bundle_file):
    size = bundle_file.stat().st_size
    opened(bundle_file, most_bytes=size, most_files=len(CONTENTS)).__exit__(None, None, None)
    with pytest.raises(ClaimError, match="at most"):
        opened(bundle_file, most_bytes=size - 1)
    with pytest.raises(ClaimError, match="more than"):
        opened(bundle_file, most_files=len(CONTENTS) - 1)


def test_a_statement_has_a_bound_of_its_own(tmp_path):
    path = tmp_path / "x.claim"
    write_bundle(path, bytes(MOST_STATEMENT_BYTES + 1), "claim.json", {})
    with pytest.raises(ClaimError, match="larger"):
        opened(path)


def test_a_bundle_of_another_kind_is_refused(bundle_file):
    with pytest.raises(ClaimError, match=r"expected 'answer\.json'"):
        open_bundle(bundle_file, statement_name="answer.json")


def test_a_bundle_of_no_files_but_the_statement(tmp_path):
    write_bundle(tmp_path / "x", STATEMENT, "claim.json", {})
    with opened(tmp_path / "x") as bundle:
        assert bundle.names == ()
        bundle.check({})


@pytest.mark.parametrize("place", ["nowhere", "folder", "pipe", "device"])
def test_only_regular_files_are_opened(tmp_path, place):
    path = tmp_path / place
    if place == "folder":
        path.mkdir()
    elif place == "pipe":
        os.mkfifo(path)
    elif place == "device":
        path = Path("/dev/zero")
    with pytest.raises(ClaimError):
        opened(path)


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/root",
        "a/../b",
        ".hidden",
        "a//b",
        "a/",
        "",
        "-rf",
        "a\\b",
        "a\nb",
        "é",
        "c:x",
        "a b",
        "x" * 101,
        "y" * 160 + "/z",
        "/".join("deep" * 1 for _ in range(13)),
    ],
    ids=[
        *("up", "absolute", "up within", "hidden", "empty part", "folder", "empty", "option"),
        *("backslash", "newline", "beyond ascii", "colon", "space", "long", "long folder", "deep"),
    ],
)
def test_a_name_that_a_bundle_cannot_hold_is_not_written(tmp_path, name):
    with pytest.raises(ClaimError):
        write_bundle(tmp_path / "x.claim", STATEMENT, "claim.json", {name: b""})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "names", [("a", "A"), ("claim.json",), ("a", "a/b"), ("B", "b/c")], ids="-".join
)
def test_names_that_clash_are_not_written(tmp_path, names):
    with pytest.raises(ClaimError):
        write_bundle(tmp_path / "x.claim", STATEMENT, "claim.json", dict.fromkeys(names, b""))


def test_an_interrupted_write_leaves_what_was_there(bundle_file, tmp_path):
    before = bundle_file.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_bundle(bundle_file, STATEMENT, "claim.json", {"a": b"", "b": tmp_path / "gone"})
    assert bundle_file.read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_the_tar_program_lists_it(bundle_file):
    listed = subprocess.run(["tar", "-tf", bundle_file], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["claim.json", *sorted(CONTENTS)]
    assert listed.stderr == ""
