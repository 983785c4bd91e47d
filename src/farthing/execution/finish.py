"""One piece done: its files appear at once and whole, with a manifest that proves them.

`piece.json` holds the key of the work, the digests of what went in and of what came out, the
counts and the CPU-seconds by step. It is written last, into the folder that is then renamed: a
folder under its own name is a finished piece.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farthing.artifacts.canonical import canonical_json, digest_file
from farthing.artifacts.storage import disk_errors, staged_directory
from farthing.execution.work import (
    MANIFEST_NAME,
    ContextT,
    Laps,
    PieceResult,
    PieceT,
    PieceWork,
)


def finish(work: PieceWork[PieceT, ContextT], piece: PieceT, folder: Path) -> PieceResult:
    """Do a piece, and put its files in place.

    Raises:
        WorkspaceError: the disk is full or not writable; nothing is left of this piece.
        FarthingError: what the function raised; nothing is left of this piece either.
    """
    final = work.directory(folder, piece)
    laps = Laps()
    with staged_directory(final) as staged:
        counts = dict(work.function(piece, staged, work.context, laps))
        laps("other")
        outputs = _outputs(staged)
        laps("finish")
        seconds = {step: round(spent, 6) for step, spent in sorted(laps.seconds.items())}
        manifest = {
            "phase": work.phase,
            "number": piece.number,
            "key": work.key(piece),
            "input": piece.identity,
            "settings": work.settings,
            "code": work.code,
            "outputs": outputs,
            "counts": counts,
            "cpu_seconds": seconds,
        }
        (staged / MANIFEST_NAME).write_bytes(canonical_json(manifest) + b"\n")
    # As they are read back: no difference between a piece done now and one found.
    counts = json.loads(canonical_json(counts))
    return PieceResult(
        number=piece.number, directory=final, counts=counts, outputs=outputs, cpu_seconds=seconds
    )


def found(work: PieceWork[PieceT, ContextT], piece: PieceT, folder: Path) -> PieceResult | None:
    """The piece if it is finished: of the same input, settings and code, every file as digested."""
    final = work.directory(folder, piece)
    try:
        manifest: dict[str, Any] = json.loads((final / MANIFEST_NAME).read_bytes())
        if manifest["key"] != work.key(piece) or _outputs(final) != manifest["outputs"]:
            return None
        return PieceResult(
            number=piece.number,
            directory=final,
            counts=manifest["counts"],
            outputs=manifest["outputs"],
            cpu_seconds=manifest["cpu_seconds"],
            reused=True,
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        # Not there, or not what this version writes: it is done again.
        return None


def _outputs(directory: Path) -> dict[str, dict[str, Any]]:
    with disk_errors(directory):
        return {
            path.relative_to(directory).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": digest_file(path),
            }
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name != MANIFEST_NAME
        }
