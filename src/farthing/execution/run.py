"""A phase over all pieces, or over shard i of N of them; what is finished is never done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from farthing.errors import ConfigError, InterruptedRunError
from farthing.execution.finish import found
from farthing.execution.interrupt import termination_interrupts
from farthing.execution.work import ContextT, PieceResult, PieceT, PieceWork
from farthing.execution.workers import Workers

# Called with a phase and the share of it that is done, 0 to 1; what it returns is not looked at.
Report = Callable[[str, float], object]

WHOLE = (0, 1)


def run_pieces(
    work: PieceWork[PieceT, ContextT],
    pieces: Sequence[PieceT],
    folder: Path,
    workers: Workers,
    *,
    shard: tuple[int, int] = WHOLE,
    report: Report | None = None,
) -> tuple[PieceResult, ...]:
    """Do a phase; the result is the same for any workers and shards, and after any interruption.

    A finished piece stands in FOLDER/PHASE/NUMBER and is reused by this and any later call with the
    same input, settings and code, once its files were digested again. A process that is killed
    loses at most the piece that each worker was at.

    Args:
        work: what is done to each piece.
        pieces: all of the phase, also when only a shard of them is done.
        folder: for what is made; shards on several machines may share it.
        workers: that do it.
        shard: (i, N): only the pieces i, i + N, i + 2N ...
        report: is told how far it is.

    Returns:
        Results of the shard's pieces, by number.

    Raises:
        ConfigError: there is no such shard.
        FarthingError: what a piece raised.
        WorkspaceError: the disk is full, or workers are killed again and again; finished pieces
            are kept.
        InterruptedRunError: SIGTERM or Ctrl-C; finished pieces are kept.
    """
    mine = shard_of(pieces, shard)
    results: dict[int, PieceResult] = {}

    def done(result: PieceResult) -> None:
        results[result.number] = result
        if report is not None:
            report(work.phase, len(results) / len(mine))

    try:
        with termination_interrupts():
            waiting = []
            for piece in mine:
                result = found(work, piece, folder)
                if result is None:
                    waiting.append(piece)
                else:
                    done(result)
            workers.run(work, waiting, folder, done)
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted at {work.phase}, with {len(results)} of {len(mine)} pieces finished",
            remedy="run the same command again: finished pieces are reused",
        ) from None
    return tuple(results[piece.number] for piece in mine)


def shard_of(pieces: Sequence[PieceT], shard: tuple[int, int]) -> tuple[PieceT, ...]:
    """The pieces of shard i of N.

    Raises:
        ConfigError: i is not one of 0 to N - 1.
    """
    number, of = shard
    if not 0 <= number < of:
        raise ConfigError(
            f"there is no shard {number}/{of}", remedy="shards are 0/N, 1/N ... up to N-1/N"
        )
    return tuple(pieces[number::of])


def parse_shard(text: str) -> tuple[int, int]:
    """(i, N) of "i/N".

    Raises:
        ConfigError: it is written in another way, or i is not one of 0 to N - 1.
    """
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise ConfigError(f"shard {text!r} is not i/N", remedy="write for example 0/4")
    shard = (int(number), int(of))
    shard_of((), shard)
    return shard
