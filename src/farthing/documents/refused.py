"""The list of refused records in a corpus' folder: what it says of files that were not whole.

refused.jsonl    the first refusals of each reason, one a line: reason, path, record, detail
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from farthing.documents.refusals import OF_FILES, Refusal
from farthing.errors import ArtifactError

REFUSED_NAME = "refused.jsonl"

_WORST_FIRST = ("truncated_file", "trailing_bytes", "empty_file")
assert set(_WORST_FIRST) == OF_FILES


def count_files(refused: Mapping[str, int]) -> int:
    """How many refusals were said of whole files.

    Args:
        refused: number of refusals by reason, as the manifest of a corpus states it.
    """
    return sum(count for reason, count in refused.items() if reason in OF_FILES)


def files_not_whole(directory: Path) -> tuple[Refusal, ...]:
    """The files that were cut short, followed by something else or empty, in this order.

    No more than the first of each kind are listed.

    Args:
        directory: of the corpus; empty where it was made without such a list.

    Raises:
        ArtifactError: the list cannot be read.
    """
    path = directory / REFUSED_NAME
    if not path.exists():
        return ()
    try:
        listed = [Refusal(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}",
            remedy="restore the folder from a copy, or remove it to make the corpus again",
        ) from error
    return tuple(one for reason in _WORST_FIRST for one in listed if one.reason == reason)
