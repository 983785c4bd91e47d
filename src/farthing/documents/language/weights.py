"""The weights that tell languages apart, as they lie beside this file."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError

FILE = "weights.npz"
BITS = 17  # 2^17 rows: halving them costs half a percent of short strings
CLASSES = ("en", "zh", "code", "maths", "other")
_STEPS = 127


class Weights(NamedTuple):
    """Linear weights of hashed runs of characters, in steps of one size."""

    steps: npt.NDArray[np.int8]  # [2^BITS, classes]
    size: float  # of one step


def round_weights(weights: npt.NDArray[np.float32]) -> Weights:
    """Trained float32 weights in 255 steps; the largest thousandth is cut off."""
    size = float(np.percentile(np.abs(weights[weights != 0]), 99.9)) / _STEPS
    steps = np.clip(np.rint(weights / size), -_STEPS, _STEPS).astype(np.int8)
    return Weights(steps, size)


def write_weights(weights: Weights, path: Path) -> None:
    """Keep them in a compressed `.npz`: equal weights give equal bytes."""
    buffer = io.BytesIO()
    # One class after another: its neighbours in the hash table are alike in being mostly zero.
    np.savez_compressed(
        buffer,
        steps=np.ascontiguousarray(weights.steps.T),
        size=np.float64(weights.size),
        classes=np.array(CLASSES),
    )
    write_atomic(path, buffer.getvalue())


@cache
def shipped_weights() -> Weights:
    """Those beside this file, read once a process; read-only.

    Raises:
        ArtifactError: they are missing, damaged or of other classes than this code.
    """
    path = Path(__file__).with_name(FILE)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            classes = tuple(str(name) for name in stored["classes"])
            steps, size = np.ascontiguousarray(stored["steps"].T), float(stored["size"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", remedy="install farthing again"
        ) from error
    if classes != CLASSES or steps.shape != (1 << BITS, len(CLASSES)):
        raise ArtifactError(
            f"{path} tells {', '.join(classes)} apart, this code {', '.join(CLASSES)}",
            remedy="make it again: python scripts/build_language_model.py --corpus DIR",
        )
    steps.flags.writeable = False
    return Weights(steps, size)
