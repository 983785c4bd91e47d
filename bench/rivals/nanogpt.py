"""nanoGPT, as its author left it: found, checked against one commit, run from a copy.

Nothing of it is part of farthing: the user brings a checkout (`--nanogpt PATH` or NANOGPT), and
only copies in temporary folders are written to.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

from measure import skip

COMMIT = "3adf61e154c3fe3fca428ad6bc3818b27a3b8291"
CLONE = (
    "git clone https://github.com/karpathy/nanoGPT && "
    f"git -C nanoGPT checkout {COMMIT[:8]}, then --nanogpt nanoGPT (or NANOGPT=nanoGPT)"
)
# SHA-256 of what is run, at that commit.
FILES = {
    "model.py": "7c01703240dbec5d554527dc666e35b3df8391d0b117fddc07afcf325a21d11c",
    "train.py": "413bd97b40bb400a2a0d01230e2946f056c263ebac1b7281c2367d964a123085",
    "configurator.py": "5cc23aca26b4ab3c0d9e5f82740f4781f9444f42718c15abcee70d93c5aabe8f",
    "config/train_shakespeare_char.py": (
        "9b41cdfb2c917259d796a8184d835221a349c23cd18a0a63b46da431d95d9c05"
    ),
    "data/shakespeare_char/prepare.py": (
        "d5fbea0686d146748cf36017d6c34136a2fe9c41f065f1429529ad55a992c692"
    ),
}


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--nanogpt`, with the environment as its default."""
    given = os.environ.get("NANOGPT")
    parser.add_argument(
        "--nanogpt",
        type=Path,
        default=Path(given) if given else None,
        help="a checkout of karpathy/nanoGPT (default: $NANOGPT)",
    )


def checked(checkout: Path | None) -> Path:
    """The checkout, compared file by file; ends the benchmark where it is missing or another."""
    if checkout is None:
        skip("no checkout of nanoGPT is named", CLONE)
    for name, digest in FILES.items():
        path = checkout / name
        if not path.is_file():
            skip(f"{checkout.name} holds no {name}: it is no checkout of nanoGPT", CLONE)
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            skip(f"{name} is not that of commit {COMMIT[:8]}", CLONE)
    return checkout


def copy_to(checkout: Path, folder: Path) -> None:
    """The files that are run, and nothing else, into `folder`."""
    for name in FILES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkout / name, target)


def load_model_module(folder: str | Path) -> ModuleType:
    """Its model.py."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", Path(folder) / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
