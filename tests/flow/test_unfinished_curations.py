"""What interrupted curations left is told and removed, but never where a process is at work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farthing.artifacts.workspace import Workspace
from farthing.cli.curation import _say_what_is_left
from farthing.cli.main import main
from farthing.flow import unfinished
from farthing.flow.unfinished import find_unfinished, remove_unfinished
from farthing.ledger.locks import FileLock

HOLDER = """
import sys, time
from pathlib import Path
from farthing.ledger.locks import FileLock
lock = FileLock.acquire(Path(sys.argv[1]), what="it", timeout_seconds=0)
print("held", flush=True)
time.sleep(120)
"""


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    corpora = tmp_path / "corpora"
    for name, size in {
        ".pile-0123456789.work/measure/000000/staged.parquet": 3000,
        ".pile-0123456789.work/held_out/index.npy": 500,
        ".pile-9876543210-again1.work/measure/000001/x": 20,
        ".other-1111111111.partial-77/train/en/tokens.bin": 70,
        ".other-1111111111.work.partial-leaving-5/x": 1,
        "pile-0123456789/manifest.json": 10,
        ".own-folder/notes.txt": 10,
    }.items():
        (corpora / name).parent.mkdir(parents=True, exist_ok=True)
        (corpora / name).write_bytes(b"x" * size)
    (corpora / ".pile-0123456789.lock").touch()
    return Workspace(tmp_path)


def names(found) -> dict[str, int]:
    return {each.folder.name: each.bytes for each in found}


def held(path: Path) -> FileLock:
    return FileLock.acquire(path, what="it", timeout_seconds=0)


EVERY = {
    ".other-1111111111.partial-77": 70,
    ".other-1111111111.work.partial-leaving-5": 1,
    ".pile-0123456789.work": 3500,
    ".pile-9876543210-again1.work": 20,
}


def test_folders_of_unfinished_corpora_are_found_with_their_size(workspace):
    found = find_unfinished(workspace)
    assert names(found) == EVERY
    assert not any(each.in_use for each in found)


def test_they_are_removed_and_nothing_else_is(workspace):
    removed, in_use = remove_unfinished(workspace)
    assert (names(removed), in_use) == (EVERY, [])
    left = {
        path.name
        for path in (workspace.root / "corpora").iterdir()
        if not path.name.endswith(".lock")
    }
    assert left == {"pile-0123456789", ".own-folder"}
    assert remove_unfinished(workspace) == ([], [])


@pytest.mark.parametrize(
    "lock",
    [".pile-0123456789.lock", ".pile-0123456789.work/.shard-0-of-2.lock"],
    ids=["a run", "a shard"],
)
def test_where_a_process_is_at_work_nothing_is_touched(workspace, lock):
    corpora = workspace.root / "corpora"
    taken = held(corpora / lock)
    assert [each.folder.name for each in find_unfinished(workspace) if each.in_use] == [
        ".pile-0123456789.work"
    ]
    removed, in_use = remove_unfinished(workspace)
    assert names(in_use) == {".pile-0123456789.work": in_use[0].bytes}
    assert names(removed) == {name: size for name, size in EVERY.items() if "0123" not in name}
    assert (corpora / ".pile-0123456789.work/held_out/index.npy").exists()
    taken.release()
    assert names(remove_unfinished(workspace)[0]).keys() == {".pile-0123456789.work"}


def test_a_shard_that_begins_in_between_keeps_its_folder(workspace, monkeypatch):
    corpora, taken = workspace.root / "corpora", []
    rename = os.rename

    def begun(old: Path, new: Path) -> None:
        if not taken:
            taken.append(held(corpora / ".pile-0123456789.work/.shard-1-of-2.lock"))
        rename(old, new)

    monkeypatch.setattr(unfinished.os, "rename", begun)
    folder, lock = corpora / ".pile-0123456789.work", corpora / ".pile-0123456789.lock"
    assert not unfinished._remove(folder, lock)
    assert (folder / "held_out/index.npy").exists()
    assert [path.name for path in corpora.glob("*0123456789*leaving*")] == []
    # The lock of the run is let go of.
    held(lock).release()


def test_a_killed_process_holds_nothing(workspace):
    lock = workspace.root / "corpora" / ".pile-0123456789.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "held\n"
        assert names(remove_unfinished(workspace)[1]) == {".pile-0123456789.work": 3500}
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(remove_unfinished(workspace)[0]) == {".pile-0123456789.work": 3500}


def test_the_command_removes_them_and_says_so(workspace, capsys):
    arguments = ["curate", "--clean", "--workspace", str(workspace.root)]
    taken = held(workspace.root / "corpora" / ".pile-0123456789.lock")
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {Path(each["folder"]).name: each["bytes"] for each in said["in_use"]} == {
        ".pile-0123456789.work": 3500
    }
    assert len(said["removed"]) == 3
    taken.release()
    assert main(arguments) == 0
    assert ".pile-0123456789.work: 0.0 MB" in capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == "nothing is left of interrupted runs\n"
    assert not (workspace.root / "book.jsonl").exists()


def test_after_a_run_the_command_says_what_is_left(workspace, capsys):
    _say_what_is_left(workspace)
    assert "(folders: 4); farthing curate --clean" in capsys.readouterr().out
    remove_unfinished(workspace)
    _say_what_is_left(workspace)
    assert capsys.readouterr().out == ""


def test_a_workspace_without_corpora_has_nothing_left(tmp_path):
    assert find_unfinished(Workspace(tmp_path)) == []
