"""Where the file may go, and what is said when it may not."""

from __future__ import annotations

import shutil

import pytest

from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError, UsageError, WorkspaceError
from farthing.report.run import REPORT_NAME, write_report
from farthing.report.target import is_report


def test_the_page_stands_in_the_workspace_unless_told_otherwise(workspace, tmp_path):
    report = write_report(workspace, None, prompts=())
    assert report.path == workspace.root / REPORT_NAME
    assert report.size_bytes == report.path.stat().st_size
    summary = report.to_json()
    assert summary["members"] == 3
    assert summary["cost"]["usd"]["on_demand"] is None
    assert any("prices" in gap for gap in summary["missing"])
    elsewhere = write_report(workspace, "tiny", tmp_path / "other.html", prompts=())
    assert elsewhere.path.read_bytes() == report.path.read_bytes()


def test_a_former_report_is_replaced_and_any_other_file_is_not(workspace, tmp_path):
    target = tmp_path / "page.html"
    write_report(workspace, None, target, prompts=())
    assert is_report(target)
    write_report(workspace, None, target, prompts=())
    target.write_text("<!doctype html><p>my thesis</p>")
    with pytest.raises(UsageError, match="no farthing report") as refused:
        write_report(workspace, None, target, prompts=())
    assert "--out" in refused.value.remedy
    assert target.read_text().endswith("my thesis</p>")
    write_report(workspace, None, target, replace=True, prompts=())
    assert is_report(target)


@pytest.mark.parametrize(
    "name",
    [
        "book.jsonl",
        "farthing.yaml",
        "notes.md",
        "models/tiny/model.safetensors",
        "models/tiny/page.html",
        "models/tiny/../../book.jsonl",
        "models/new.html",
        "new.jsonl",
    ],
)
@pytest.mark.parametrize("replace", [True, False])
def test_nothing_in_the_workspace_is_written_but_a_page_under_its_root(workspace, name, replace):
    (workspace.root / "models" / "tiny").mkdir(parents=True)
    workspace.settings_file.write_text("# mine\n")
    for kept in ("model.safetensors", "page.html"):
        (workspace.root / "models" / "tiny" / kept).write_text("mine")
    target = workspace.root / name
    before = target.read_bytes() if target.exists() else None
    with pytest.raises(UsageError, match="workspace") as refused:
        write_report(workspace, None, target, replace=replace, prompts=())
    assert "elsewhere" in refused.value.remedy
    assert (target.read_bytes() if target.exists() else None) == before


def test_a_link_into_the_workspace_is_no_way_around(workspace, tmp_path):
    (workspace.root / "models").mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(workspace.root, target_is_directory=True)
    before = workspace.book_file.read_bytes()
    for name in ("book.jsonl", "models/new.html"):
        with pytest.raises(UsageError, match="workspace"):
            write_report(workspace, None, tmp_path / "link" / name, replace=True, prompts=())
    (tmp_path / "page.html").symlink_to(workspace.book_file)
    write_report(workspace, None, tmp_path / "page.html", replace=True, prompts=())
    assert workspace.book_file.read_bytes() == before


def test_any_page_under_the_root_may_be_written(workspace):
    target = workspace.root / "Family.HTML"
    target.write_text("my notes")
    with pytest.raises(UsageError, match="no farthing report"):
        write_report(workspace, None, target, prompts=())
    assert is_report(write_report(workspace, None, target, replace=True, prompts=()).path)


@pytest.mark.parametrize("name", ["thesis.txt", "html", "page.html.bak"])
def test_only_a_file_that_ends_in_html_is_ever_replaced(workspace, tmp_path, name):
    target = tmp_path / name
    target.write_text("my thesis")
    with pytest.raises(UsageError, match=r"only a file that ends in \.html"):
        write_report(workspace, None, target, replace=True, prompts=())
    assert target.read_text() == "my thesis"


def test_text_that_only_mentions_the_mark_is_no_report(tmp_path):
    file = tmp_path / "essay.html"
    file.write_text('<meta name="generator" content="other"> farthing report')
    assert not is_report(file)
    file.write_text(" " * 5000 + '<meta name="generator" content="farthing report">')
    assert not is_report(file)


def test_targets_that_cannot_be_written_are_refused_and_nothing_is_left(workspace, tmp_path):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "missing" / "r.html", tmp_path / "file" / "r.html"):
        with pytest.raises(WorkspaceError, match="cannot be written") as refused:
            write_report(workspace, None, target, prompts=())
        assert "--out" in refused.value.remedy
    with pytest.raises(UsageError, match="is a folder"):
        write_report(workspace, None, tmp_path, prompts=())
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".html") == []


def test_a_write_that_fails_leaves_the_former_page_whole(workspace, monkeypatch):
    before = write_report(workspace, None, prompts=()).path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WorkspaceError, match="no room left"):
        write_report(workspace, None, prompts=())
    monkeypatch.undo()
    assert (workspace.root / REPORT_NAME).read_bytes() == before
    assert not list(workspace.root.glob(f".{REPORT_NAME}*"))


def test_a_family_without_scores_names_the_command_to_run(workspace):
    shutil.rmtree(workspace.root / "scores")
    with pytest.raises(UsageError, match="no scores") as refused:
        write_report(workspace, None)
    assert "farthing evaluate --workspace" in refused.value.remedy
    assert "--run tiny-" in refused.value.remedy


def test_no_run_at_all_says_so_before_anything_else(tmp_path):
    with pytest.raises(ConfigError, match="0 finished runs") as refused:
        write_report(Workspace(tmp_path / "nowhere"), None)
    assert "farthing train" in refused.value.remedy


def test_a_dense_family_of_one_member_has_its_page(make_family, tmp_path, text_file):
    dense = {"num_experts": 0, "top_k": 0, "expert_dim": 0, "num_shared_experts": 0}
    workspace = make_family(tmp_path / "one", text_file, ["4L"], **dense)
    text = write_report(workspace, None, prompts=()).path.read_text("utf-8")
    assert "One member has been scored" in text
    assert "The family is dense" in text
    assert "No samples were asked for" in text
