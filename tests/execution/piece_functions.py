"""Pieces of numbers and what may be done to them, in a module that a worker can import."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from farthing.errors import CorpusError
from farthing.execution.work import PieceWork


@dataclass(frozen=True)
class Numbers:
    """A piece: some numbers."""

    number: int
    values: tuple[int, ...]

    @property
    def identity(self):
        return list(self.values)


@dataclass(frozen=True)
class Context:
    """What the functions need besides."""

    factor: int = 3
    trace: Path | None = None  # a folder in which every beginning leaves a file
    bad: tuple[int, ...] = ()  # numbers of the pieces at which something happens
    once: bool = False  # ... only at the first try


PIECES = [Numbers(n, tuple(range(n * 10, n * 10 + 10))) for n in range(20)]


def work(function, code="1", **context):
    """`function` as the work of a phase."""
    made = Context(**context)
    settings = {"factor": made.factor}
    return PieceWork(
        phase="multiply", function=function, context=made, settings=settings, code=code
    )


def multiply(piece, directory, context, laps):
    """Write each number times the factor, and their sum."""
    if context.trace is not None:
        (context.trace / f"{piece.number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    made = [value * context.factor for value in piece.values]
    laps("multiply")
    (directory / "made.txt").write_text(" ".join(map(str, made)))
    (directory / "deep").mkdir()
    (directory / "deep" / "sum.txt").write_text(str(sum(made)))
    laps("write")
    return {"numbers": len(made), "sum": sum(made)}


def _at_a_bad_one(piece, context):
    before = 0 if context.trace is None else len(list(context.trace.glob(f"{piece.number}-*")))
    return piece.number in context.bad and not (context.once and before)


def killed(piece, directory, context, laps):
    """As by the system when memory runs out."""
    bad = _at_a_bad_one(piece, context)
    counts = multiply(piece, directory, context, laps)
    if bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return counts


def wrong(piece, directory, context, laps):
    """Bad input."""
    if _at_a_bad_one(piece, context):
        raise CorpusError(f"piece {piece.number} is wrong", remedy="mend it")
    return multiply(piece, directory, context, laps)


def full(piece, directory, context, laps):
    """No room for the second file."""
    if _at_a_bad_one(piece, context):
        (directory / "made.txt").write_text("half of i")
        raise OSError(errno.ENOSPC, "No space left on device")
    return multiply(piece, directory, context, laps)


def broken(piece, directory, context, laps):
    """A bug of ours."""
    if _at_a_bad_one(piece, context):
        raise ZeroDivisionError("in the function")
    return multiply(piece, directory, context, laps)


def slow(piece, directory, context, laps):
    """Long enough to be interrupted in the middle, with a file half written."""
    if _at_a_bad_one(piece, context):
        (directory / "made.txt").write_text("half of i")
        (context.trace / f"slow-{piece.number}-{os.getpid()}").touch()
        time.sleep(60)
    return multiply(piece, directory, context, laps)


def interrupted(piece, directory, context, laps):
    """As by Ctrl-C in this process."""
    if _at_a_bad_one(piece, context):
        signal.raise_signal(signal.SIGTERM)
    return multiply(piece, directory, context, laps)


def loads_torch(_piece, _directory, _context, _laps):
    """Whether torch is loaded where pieces are done."""
    import sys

    return {"torch": "torch" in sys.modules, "process": os.getpid()}
