"""The embedded sample: English, Chinese, code and maths, split by work; see SOURCES.md here."""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path(__file__).parent


def sample_file(split: str) -> Path:
    """The file with the documents of "train", "dev" or "test"."""
    return DIRECTORY / f"{split}.jsonl.zst"
