"""Where a page may be written: never over a file that is not ours, never among the artifacts."""

from __future__ import annotations

import os
import re
from pathlib import Path

from farthing.artifacts.workspace import Workspace
from farthing.errors import UsageError, WorkspaceError

GENERATOR = "farthing report"
DATA_PAGE_NAME = "data.html"

_MARK = re.compile(rf'<meta name="generator" content="{GENERATOR}\b[^"<>]*">'.encode())
# The marks stand among the first lines of the head.
_HEAD_BYTES = 2048


def is_report(path: Path) -> bool:
    """Whether a file was written by `write_report`."""
    with path.open("rb") as file:
        return _MARK.search(file.read(_HEAD_BYTES)) is not None


def is_data_page_of(path: Path, digest: str) -> bool:
    """Whether a file is the page about the corpus with this digest."""
    if not path.is_file() or not is_report(path):
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return f'<meta name="farthing-corpus" content="{digest}">'.encode() in head


def check_target(target: Path, workspace: Workspace, name: str, *, replace: bool) -> None:
    """Refuse to write a page where something else is, or where the book's artifacts are.

    Args:
        target: the file to be written.
        workspace: what the page is about.
        name: what such a page is usually called.
        replace: overwrite any page, not only those of ours.

    Raises:
        UsageError: another file is there, or the place is inside the workspace.
        WorkspaceError: the place cannot be written.
    """
    _check_folder(target, name)
    _check_workspace(target, workspace, name)
    _check_former(target, replace=replace)


def _check_folder(target: Path, name: str) -> None:
    parent = target.parent
    if target.is_dir():
        raise UsageError(f"{target} is a folder", remedy=f"name the file: --out {target / name}")
    if not parent.is_dir():
        raise not_writable(target, f"there is no folder {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise not_writable(target, f"the folder {parent} is not writable")


def _check_workspace(target: Path, workspace: Workspace, name: str) -> None:
    """Everything else in there is the book, or what the book speaks of."""
    # Resolved: a link or `..` may lead inside from anywhere.
    parent = target.parent.resolve()
    if parent.samefile(workspace.root):
        if not _is_page(target):
            raise UsageError(
                f"{target} is in the workspace, where a report ends in .html",
                remedy=f"name it {target.with_name(name)}, or a file elsewhere",
            )
    elif any(folder.samefile(workspace.root) for folder in parent.parents):
        raise UsageError(
            f"{target} is in a folder of the workspace, where farthing keeps what the book names",
            remedy=f"name {workspace.root / name}, or a file elsewhere",
        )


def _check_former(target: Path, *, replace: bool) -> None:
    """What is there may go if we made it, or if the user says so and it is a page."""
    if not target.exists():
        return
    if not target.is_file():
        raise UsageError(f"{target} is no ordinary file", remedy="name another with --out")
    if replace and not _is_page(target):
        raise UsageError(
            f"{target} is there already, and only a file that ends in .html is ever replaced",
            remedy="name another file with --out, or move that one away",
        )
    try:
        gives_way = replace or is_report(target)
    except OSError as error:
        raise not_writable(target, f"it is there and cannot be read: {error}") from error
    if not gives_way:
        raise UsageError(
            f"{target} is there already and is no farthing report",
            remedy="name another file with --out, or move that one away",
        )


def _is_page(target: Path) -> bool:
    return target.name.lower().endswith(".html")


def not_writable(target: Path, why: str) -> WorkspaceError:
    """The error about a page that cannot be written."""
    return WorkspaceError(
        f"{target} cannot be written: {why}", remedy="name a file elsewhere with --out"
    )
