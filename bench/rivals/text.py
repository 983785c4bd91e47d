"""Tiny Shakespeare, as nanoGPT trains on it: the user brings the file, a digest says it is that."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
from pathlib import Path

from measure import skip

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
ADDRESS = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
DOWNLOAD = f"curl -O {ADDRESS}, then --text input.txt (or TINYSHAKESPEARE=input.txt)"
TRAIN_SHARE = 0.9
DOMAIN = "shakespeare"


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--text`, with the environment as its default."""
    given = os.environ.get("TINYSHAKESPEARE")
    parser.add_argument(
        "--text",
        type=Path,
        default=Path(given) if given else None,
        help="tiny Shakespeare, plain or .gz (default: $TINYSHAKESPEARE)",
    )


def read_checked(path: Path | None) -> str:
    """The text; ends the benchmark where the file is missing or another."""
    if path is None:
        skip("no file of tiny Shakespeare is named", DOWNLOAD)
    if not path.is_file():
        skip(f"{path.name} is no file", DOWNLOAD)
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if hashlib.sha256(data).hexdigest() != SHA256:
        skip(f"{path.name} is not that text: its SHA-256 differs", DOWNLOAD)
    # One byte a character: nanoGPT's losses per character are losses per byte.
    return data.decode("ascii")


def split(text: str) -> tuple[str, str]:
    """Training and validation text, cut where nanoGPT's prepare.py cuts."""
    place = int(len(text) * TRAIN_SHARE)
    return text[:place], text[place:]


def write_sources(folder: Path, train: str, validation: str) -> list[str]:
    """A file of three works for farthing's curation, and the settings that split it just so.

    farthing holds out whole works. The first is all the training text; the held-out sides are the
    halves of the validation text, so that no byte of either is on the wrong side.
    """
    half = len(validation) // 2
    works = {"train": train, "held-out-1": validation[:half], "held-out-2": validation[half:]}
    lines = [
        json.dumps({"id": name, "text": text, "domain": DOMAIN, "work": name})
        for name, text in works.items()
    ]
    path = folder / "shakespeare.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    # A little less than a half's share of the bytes: one half then fills a side, and the training
    # text is too long for either.
    share = 0.99 * half / (len(train) + len(validation))
    return [f"corpus.sources=[{path}]", f"corpus.held_out_share={share:.6f}"]
