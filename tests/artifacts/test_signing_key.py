from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from farthing.artifacts.chain import Head
from farthing.artifacts.keys import KEY_NAME, farthing_home, load_signer, read_head, write_head
from farthing.errors import BookError, WorkspaceError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_key_is_made_once_and_only_its_owner_can_read_it(home, tmp_path):
    first = load_signer(tmp_path / "ws")
    assert (home / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert load_signer(tmp_path / "ws").public == first.public
    assert sorted(path.name for path in home.iterdir()) == [KEY_NAME]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_reach_is_refused(home, tmp_path, mode):
    load_signer(tmp_path / "ws")
    (home / KEY_NAME).chmod(mode)
    with pytest.raises(WorkspaceError, match="by others") as caught:
        load_signer(tmp_path / "ws")
    assert "chmod 600" in caught.value.remedy


def test_a_key_inside_the_workspace_is_refused(tmp_path, monkeypatch):
    workspace = tmp_path / "ws"
    workspace.mkdir()
    (tmp_path / "link").symlink_to(workspace)
    for home in (workspace, workspace / "deep" / "home", tmp_path / "link" / "home"):
        monkeypatch.setenv("FARTHING_HOME", str(home))
        with pytest.raises(WorkspaceError, match="inside the workspace"):
            load_signer(workspace)
    assert list(workspace.iterdir()) == []


def test_a_damaged_key_is_refused(home, tmp_path):
    load_signer(tmp_path / "ws")
    (home / KEY_NAME).write_bytes(b"not a key")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        load_signer(tmp_path / "ws")


def test_the_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("FARTHING_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert farthing_home() == tmp_path / "xdg" / "farthing"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert farthing_home() == tmp_path / ".config" / "farthing"


def test_a_recorded_head_reads_back_and_a_damaged_record_is_an_error(home):
    assert read_head("g") is None
    write_head("g", Head(3, "abc"))
    assert read_head("g") == Head(3, "abc")
    (home / "heads" / "g.json").write_bytes(b"{")
    with pytest.raises(BookError, match="damaged"):
        read_head("g")


def _public_key(root: Path) -> bytes:
    return load_signer(root).public


def test_processes_that_begin_together_agree_on_one_key(tmp_path):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        keys = pool.map(_public_key, [tmp_path / "ws"] * 8)
    assert len(set(keys)) == 1
