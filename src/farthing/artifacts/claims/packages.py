"""Which software numbers depend on: the packages that compute, and the commit that runs."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import farthing
from farthing.artifacts.canonical import digest_json

# What tensors, texts and tokens go through. What shows, checks, signs or asks is left out: it
# changes no bit of a model or of a score. `triton` makes kernels for accelerators.
_COMPUTING = (
    *("llvmlite", "numba", "numpy", "orjson", "pyarrow", "safetensors"),
    *("scipy", "tokenizers", "torch", "triton", "zstandard"),
)

_GIT_SECONDS = 20.0


def installed() -> dict[str, str]:
    """Name -> version of the installed distributions that compute; what is absent is left out."""
    return dict(_versions())


@cache
def packages_digest() -> str:
    """`canonical.digest_json` of `installed`, as the environment of a run holds it."""
    return digest_json(installed())


def commit_of_source() -> str | None:
    """The git commit whose code runs, or None where no commit is sure to be that code.

    None where farthing runs from no git repository, or its folder there holds anything that is
    not committed (an ignored file aside), or git is not installed or refuses.
    """
    return _commit_of(Path(farthing.__file__).parent)


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for name in _COMPUTING:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def _commit_of(package: Path) -> str | None:
    # An environment inside of somebody's repository is not the code of that repository.
    tracked = _git(package, "ls-files", "--error-unmatch", "--", "__init__.py")
    changed = _git(package, "status", "--porcelain", "--untracked-files=all", "--", ".")
    commit = _git(package, "rev-parse", "--verify", "HEAD^{commit}")
    if not tracked or changed is None or changed.strip() or commit is None:
        return None
    return commit.strip()


def _git(folder: Path, *words: str) -> str | None:
    """What git says, or None where it fails; nothing that a repository configures is run."""
    # A caller's variables could name another repository than the folder's.
    surroundings = {name: os.environ[name] for name in os.environ if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *words],
            cwd=folder,
            env=surroundings | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout
