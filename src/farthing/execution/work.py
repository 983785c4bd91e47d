"""What is done to each piece of a phase, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from farthing.artifacts.canonical import digest_json

MANIFEST_NAME = "piece.json"


class Piece(Protocol):
    """A part of the input; it can be sent to another process."""

    @property
    def number(self) -> int:
        """Its place among all pieces of the run, from 0."""

    @property
    def identity(self) -> Any:  # noqa: ANN401 - any JSON value
        """What of the input decides the result: digests and places, no paths and no dates."""


PieceT = TypeVar("PieceT", bound=Piece)
ContextT = TypeVar("ContextT")


class Laps:
    """CPU-seconds of this thread by step: each call ends a lap and names what it was spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.thread_time()

    def __call__(self, step: str) -> None:
        """Count the CPU time since the last lap for `step`."""
        now = time.thread_time()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._last
        self._last = now


@dataclass(frozen=True, kw_only=True)
class PieceWork(Generic[PieceT, ContextT]):
    """One phase: a function of a piece that writes files.

    Attributes:
        phase: names the folder of the finished pieces.
        function: of a module (a worker imports it by name). It is given the piece, an empty folder
            to write into, `context`, and the laps to count its steps with; it returns counts: any
            JSON value, integers below 2**53. The same piece gives the same files and counts.
        context: what `function` needs besides; it is sent to each worker once. Tables that are
            large or slow to make are better made (and kept) by the function's module.
        settings: JSON of everything in `context` that can change the result.
        code: digest of the code that can change the result (`artifacts.code_version`).
    """

    phase: str
    function: Callable[[PieceT, Path, ContextT, Laps], Mapping[str, Any]]
    context: ContextT
    settings: Any
    code: str

    def key(self, piece: PieceT) -> str:
        """Identity of the result for a piece, known before the work."""
        return digest_json(
            {
                "phase": self.phase,
                "settings": self.settings,
                "code": self.code,
                "number": piece.number,
                "input": piece.identity,
            }
        )

    def directory(self, folder: Path, piece: PieceT) -> Path:
        """Where the finished piece stands."""
        return folder / self.phase / f"{piece.number:06d}"


@dataclass(frozen=True, kw_only=True)
class PieceResult:
    """A finished piece.

    Attributes:
        number: of the piece.
        directory: with the files that the function wrote, and `piece.json`.
        counts: what the function returned.
        outputs: name of each file -> {"bytes": size, "sha256": digest}.
        cpu_seconds: by step; "finish" is what followed the function, "other" what it named not.
        reused: it was finished before, by a run that was interrupted, or by another shard.
    """

    number: int
    directory: Path
    counts: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    cpu_seconds: dict[str, float] = field(compare=False)
    reused: bool = field(default=False, compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of what came out: files and counts, not how long they took or where they are."""
        return digest_json({"counts": self.counts, "outputs": self.outputs})
