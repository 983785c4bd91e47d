"""What level 3 costs of a run of a thousand segments, and what of it is not computing steps again.

    python bench/claims/share_of_replay.py [--recipe smoke] [--segments 100] [--segment-steps 5]

One real training, every checkpoint kept. Of the segments that a nonce chooses some are released as
an answer releases them, and replayed by the code of `farthing verify`. Time is that of the
processor. A step of the training is taken alone, in the same run: nothing is digested, entered or
saved in it. The share of a run of a thousand segments is derived from both and from the number of
segments that are looked at, which does not depend on how many there are; with --segments 1000
--looked-at 1000 nothing is left to derive. What would make level 3 cheaper is tried on the same
segments. Other lengths are derived from a fixed part of each segment and one of each step.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from booked_run import HASHING, SAVING, BookedRun, claim_recipe, train_booked
from replayed_run import choose_segments, pack, release, unpack
from result_files import RESULTS, Row, Target, write_result
from safetensors.torch import save
from timers import Parts, timed

from farthing.artifacts.canonical import digest_json, sha256_hex
from farthing.artifacts.claims.selection import Chosen
from farthing.bench.clock import Neighbours
from farthing.flow.verification import released as releasing
from farthing.flow.verification import segments as level3
from farthing.flow.verification.released import Released
from farthing.stages.train import replay as replaying
from farthing.stages.train.checkpoint import KIND
from farthing.stages.train.replay import Replayed

WANTED = 0.05
SEGMENTS = 1000
_NONCE, _CLAIM = "5a" * 32, "c1" * 32
_LENGTHS = (1, 5, 20, 100)
_COMPUTING, _READING, _MAKING, _DIGESTING = (
    "steps computed again",
    "checkpoints read, their digests compared",
    "model, optimizer and data order made",
    "state written to be digested",
)
_PARTS = (
    (_COMPUTING, replaying, "_run"),
    (_READING, releasing, "load_checkpoint"),
    (_READING, replaying, "load_checkpoint"),
    (_MAKING, replaying, "_made"),
    (_DIGESTING, level3, "state_digest"),
)


@dataclass(frozen=True)
class Look:
    """One time level 3.

    Attributes:
        seconds: of the processor, all of it.
        parts: of it.
        steps: computed again.
        segments: looked at.
    """

    seconds: float
    parts: Parts
    steps: int
    segments: int

    @property
    def step_seconds(self) -> float:
        """Of one step that is computed again."""
        return self.parts.cpu_seconds[_COMPUTING] / self.steps

    @property
    def fixed_seconds(self) -> float:
        """Of one segment, whatever its length."""
        return (self.seconds - self.parts.cpu_seconds[_COMPUTING]) / self.segments


def look(released: Released, chosen: tuple[Chosen, ...]) -> Look:
    """Replay the chosen segments; all must come out to the last bit."""
    begun = time.process_time()
    with timed(*_PARTS) as parts:
        findings = level3.replay_segments(released, chosen)
    seconds = time.process_time() - begun
    for finding in findings:
        if not finding.ok:
            raise SystemExit(f"an honest segment does not come out: {finding.detail}")
    steps = sum(each.segment.last_step - each.segment.first_step + 1 for each in chosen)
    return Look(seconds, parts, steps, len(chosen))


@contextmanager
def read_once() -> Iterator[None]:
    """Every checkpoint is read and compared with its digest once."""
    kept = cache(replaying.load_checkpoint)
    with (
        patch.object(replaying, "load_checkpoint", kept),
        patch.object(releasing, "load_checkpoint", kept),
    ):
        yield


@contextmanager
def digested_in_memory() -> Iterator[None]:
    """The state is digested where it is, and no file is written."""

    def digest(replayed: Replayed, *, input_key: str) -> str:
        del input_key
        tensors = {n: t.detach().cpu().clone() for n, t in replayed.tensors.items()}
        progress = replayed.progress.model_dump_json() + "\n"
        files = {
            "progress.json": sha256_hex(progress.encode()),
            "state.safetensors": sha256_hex(save(tensors, metadata={"format": "pt"})),
        }
        detail = {"step": replayed.progress.step}
        return digest_json({"kind": KIND, "files": files, "detail": detail})

    with patch.object(level3, "state_digest", digest):
        yield


@contextmanager
def made_once() -> Iterator[None]:
    """One model for all segments; its state is put back before each that a checkpoint begins."""
    assemble, made = replaying.assemble, replaying._made
    kept: list[replaying.Assembled] = []

    def once(*values: Any, **named: Any) -> replaying.Assembled:  # noqa: ANN401 - as `assemble`
        if not kept:
            kept.append(assemble(*values, **named))
        for optimizer in (kept[0].optimizer.muon, kept[0].optimizer.adamw):
            optimizer.state.clear()
        return kept[0]

    def make(*values: Any) -> replaying.Assembled:  # noqa: ANN401 - as `_made`
        saved = values[3]
        # What the seed makes is no state that is put back.
        with patch.object(replaying, "assemble", once if saved else assemble):
            return made(*values)

    with patch.object(replaying, "_made", make):
        yield


def without_routes(released: Released) -> Released:
    """The same without noted expert choices: who is in the run's environment needs none."""
    segments = tuple(each.model_copy(update={"routes": None}) for each in released.answer.segments)
    return replace(released, answer=released.answer.model_copy(update={"segments": segments}))


Change = Callable[[], AbstractContextManager[None]]

CHANGES: Mapping[str, tuple[Change, ...]] = {
    "each checkpoint read once": (read_once,),
    "state digested in memory": (digested_in_memory,),
    "one model for all segments": (made_once,),
}


def tried(released: Released, chosen: tuple[Chosen, ...], scale: float) -> list[Row]:
    """What each change leaves of the share, alone and together.

    Args:
        released: what is looked at.
        chosen: of it.
        scale: by which seconds of these segments become the share of a thousand.
    """
    free = without_routes(released)
    trials: list[tuple[str, Released, tuple[Change, ...]]] = [
        ("nothing changed", released, (nullcontext,)),
        ("expert choices not forced", free, (nullcontext,)),
        *((name, released, changes) for name, changes in CHANGES.items()),
        ("all of these", free, tuple(each for (each,) in CHANGES.values())),
    ]
    rows = []
    for name, subject, changes in trials:
        with ExitStack() as stack:
            for change in changes:
                stack.enter_context(change())
            seconds = look(subject, chosen).seconds
        rows.append(Row(f"derived: share with {name}", round(100 * seconds * scale, 3), "%"))
    return rows


def some(chosen: tuple[Chosen, ...], count: int) -> tuple[Chosen, ...]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(chosen) <= count:
        return chosen
    places = {round(place * (len(chosen) - 1) / (count - 1)) for place in range(count)}
    return tuple(chosen[place] for place in sorted(places))


@dataclass(frozen=True)
class Shares:
    """Level 3 of a run of a thousand segments, over the steps of that run.

    Attributes:
        chosen: segments that are looked at.
        fixed_seconds: of each, whatever its length; to open it in the answer is part of it.
        again_seconds: of a step that is computed again.
        step_seconds: of a step of the training.
    """

    chosen: int
    fixed_seconds: float
    again_seconds: float
    step_seconds: float

    def at(self, length: int) -> float:
        """Where segments have so many steps."""
        spent = self.chosen * (self.fixed_seconds + length * self.again_seconds)
        return spent / (SEGMENTS * length * self.step_seconds)


def measure(run: BookedRun, folder: Path, most: int) -> tuple[list[Row], Shares]:
    """All rows.

    Args:
        run: trained.
        folder: to work in.
        most: segments to replay.
    """
    every = choose_segments(run, claim=_CLAIM, nonce=_NONCE)
    looked_at = some(every, most)
    begun = time.process_time()
    released = release(run, looked_at, claim=_CLAIM, nonce=_NONCE)
    bundle, facts = pack(released, folder)
    answering = time.process_time() - begun
    begun = time.process_time()
    opened = unpack(released, bundle, facts, folder)
    opening = time.process_time() - begun
    # Code and memory are warm after one segment, as they are after the first of thirty.
    look(opened, looked_at[1:2])
    first, again = look(opened, looked_at), look(opened, looked_at)
    best = min(first, again, key=lambda each: each.seconds)
    bare, length = run.bare_seconds, run.run.train.checkpoint_every
    step, drawn = bare / run.run.train.steps, sum(each.why == ("drawn",) for each in every)
    found = Shares(
        len(every), best.fixed_seconds + opening / len(looked_at), best.step_seconds, step
    )
    rows = [
        Row("segments of the training", len(run.segments), "segments"),
        Row("steps of a segment", length, "steps"),
        Row("the training's steps alone", round(bare, 2), "CPU-s"),
        Row("one of them", round(1e3 * step, 3), "CPU-ms"),
        Row("beside them: all checkpoints", round(run.parts.cpu_seconds[SAVING], 2), "CPU-s"),
        Row("of which their digests", round(run.parts.cpu_seconds[HASHING], 2), "CPU-s"),
        Row("segments drawn", drawn, "segments"),
        Row("segments always looked at", len(every) - drawn, "segments"),
        Row("of them replayed here", len(looked_at), "segments"),
        Row("level 3 of those, first time", round(first.seconds, 3), "CPU-s"),
        Row("level 3 of those, second time", round(again.seconds, 3), "CPU-s"),
        Row("opening their checkpoints in the answer", round(opening, 3), "CPU-s"),
        *(
            Row(f"of level 3: {name}", round(100 * seconds / best.seconds, 1), "%")
            for name, seconds in best.parts.cpu_seconds.most_common()
        ),
        Row("a step computed again", round(1e3 * best.step_seconds, 3), "CPU-ms"),
        Row("each segment, beside its steps", round(1e3 * found.fixed_seconds, 3), "CPU-ms"),
        Row("claimant: the same segments replayed and packed", round(answering, 3), "CPU-s"),
    ]
    rows += [
        Row(
            f"derived: share of 1,000 segments of {each} steps", round(100 * found.at(each), 3), "%"
        )
        for each in sorted({*_LENGTHS, length})
    ]
    # What opening takes is none of the changes.
    scale = len(every) / len(looked_at) / (SEGMENTS * length * step)
    return [*rows, *tried(opened, looked_at, scale)], found


def main() -> None:
    """Train, release, replay, and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="smoke")
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--segment-steps", type=int, default=5)
    parser.add_argument("--looked-at", type=int, default=12, help="segments to replay, at most")
    parser.add_argument("--to", type=Path, default=RESULTS / "share_of_replay.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        recipe = claim_recipe(
            asked.recipe, segments=asked.segments, segment_steps=asked.segment_steps
        )
        rows, shares = measure(train_booked(recipe, folder), folder, asked.looked_at)
    share = shares.at(asked.segment_steps)
    target = Target(
        "level 3 with 29 segments drawn and all that is always looked at costs at most 5 % of a "
        "run of 1,000 segments",
        f"derived: {share:.2%} where a segment has {asked.segment_steps} steps of "
        f"{1e3 * shares.step_seconds:.0f} ms, {shares.at(20):.2%} where it has 20, "
        f"{shares.at(100):.2%} where it has 100",
        share <= WANTED,
    )
    title = f"Level 3 of one training of the recipe {asked.recipe}"
    write_result(asked.to, title, rows, target, neighbours)


if __name__ == "__main__":
    main()
