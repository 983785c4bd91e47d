"""What each attempt logged of its steps, as the lines of a bundle."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farthing.artifacts.canonical import canonical_json
from farthing.errors import ArtifactError
from farthing.stages.train.metrics import METRICS_NAME

FIELDS = (
    *("step", "loss_nats", "shapes", "tokens", "attended_pairs", "flops", "recomputed_flops"),
    *("optimizer_flops", "rate_share", "grad_norm"),
)
_LARGEST_INTEGER = 2**53 - 1


def steps_by_run(place: Path) -> dict[int, bytes]:
    """The steps of every attempt in a run's folder, by run number: canonical JSON lines.

    A loss that was no number is null.

    Raises:
        ArtifactError: the log is gone, damaged, or of a farthing that logged less.
    """
    path = place / METRICS_NAME
    found: dict[int, list[bytes]] = {}
    for number, line in _lines(path):
        try:
            run = int(line["run"])
            fields = {name: _plain(line[name]) for name in FIELDS}
        except KeyError as error:
            raise ArtifactError(
                f"{path}, line {number}: {error.args[0]} is missing: an earlier farthing logged "
                "these steps",
                remedy="train with this version: draft the claim anew under another name",
            ) from error
        found.setdefault(run, []).append(canonical_json(fields) + b"\n")
    return {run: b"".join(lines) for run, lines in found.items()}


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                yield number, json.loads(line)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}",
            remedy="restore it from a copy: without it nobody can count the steps again",
        ) from error


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value as canonical JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return float(value)
    return value
