"""A training as a claim runs it, in a book of its own, with the time of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from timers import Parts, timed

from farthing.artifacts.entries import Segment
from farthing.artifacts.workspace import Workspace
from farthing.bench.text import sample_corpus
from farthing.flow import RunConfig
from farthing.flow.run import training_key
from farthing.hardware.machine import detect_machine
from farthing.hardware.sensors.boards import visible_boards
from farthing.hardware.sensors.find import find_loads
from farthing.ledger.book import Book
from farthing.ledger.journal import RunRecorder
from farthing.ledger.meter import Meter
from farthing.recipes.loader import load_recipe
from farthing.stages.train import checkpoint as checkpoints
from farthing.stages.train import run as training
from farthing.stages.train.metrics import MetricsFile
from farthing.stages.train.step import TrainingStep
from farthing.text.batches import Batch
from farthing.text.corpus import Corpus

STEPS, DATA_ORDER, SAMPLER = "steps", "digests of the batches", "sampler"
BEATS, LINES = "heartbeats", "lines of metrics.jsonl"
DIGESTS, SEGMENTS = "digests of losses", "entries of segments"
SAVING, HASHING = "checkpoints written and digested", "of which their digests"
# What is entered with each step, and with each segment; checkpoints stand apart.
EACH_STEP = (DATA_ORDER, BEATS, LINES, SAMPLER)
EACH_SEGMENT = (DIGESTS, SEGMENTS)

_PLACES = (
    (STEPS, TrainingStep, "run"),
    (DATA_ORDER, Batch, "digest"),
    (BEATS, RunRecorder, "beat"),
    (BEATS, RunRecorder, "enter"),
    (LINES, MetricsFile, "write"),
    (DIGESTS, training, "digest_json"),
    (DIGESTS, training, "segment_batches"),
    (SEGMENTS, RunRecorder, "segment"),
    (SAVING, training, "save_checkpoint"),
    (HASHING, checkpoints, "write_manifest"),
)


@dataclass(frozen=True)
class BookedRun:
    """What there is after a training.

    Attributes:
        run: the recipe.
        corpus: that it read.
        place: its folder.
        key: its input key.
        book: that holds it as run 0.
        parts: what was spent where.
    """

    run: RunConfig
    corpus: Corpus
    place: Path
    key: str
    book: Book
    parts: Parts

    @property
    def bare_seconds(self) -> float:
        """Processor seconds of the steps alone: nothing is digested, entered or saved in them."""
        return self.parts.cpu_seconds[STEPS] - self.parts.cpu_seconds[DATA_ORDER]

    @property
    def segments(self) -> list[Segment]:
        """As the book has them."""
        bodies = (record.body for record in self.book.records)
        return [body for body in bodies if isinstance(body, Segment)]


def claim_recipe(
    recipe: str, *, segments: int, segment_steps: int, changes: Sequence[str] = ()
) -> RunConfig:
    """A recipe of so many segments, all of whose checkpoints stay, as a claim has it."""
    lengths = [f"train.steps={segments * segment_steps}", f"train.checkpoint_every={segment_steps}"]
    kept = f"train.keep_checkpoints={segments}"
    return load_recipe(recipe, [*changes, *lengths, kept], RunConfig)


def make_corpus(run: RunConfig, folder: Path) -> Corpus:
    """A slice of the embedded sample, encoded as the recipe would."""
    return sample_corpus(run.corpus, run.model.context, folder / "corpus")


def make_meter() -> Meter:
    """Of this machine, from now on."""
    boards = visible_boards()
    machine = detect_machine(boards=boards)
    return Meter(machine, find_loads(machine, boards=boards), from_process_start=False)


def train_booked(run: RunConfig, folder: Path) -> BookedRun:
    """Train on a slice of the embedded sample, and count what was spent where."""
    corpus, meter = make_corpus(run, folder), make_meter()
    book, place = Book.open(Workspace(folder / "workspace")), folder / "run"
    key = training_key(run, corpus, None)
    with timed(*_PLACES) as parts:
        with book.start_run("training", run.name, input_key=key, meter=meter) as recorder:
            manifest = training.train(
                run.train,
                run.model,
                corpus,
                directory=place,
                input_key=key,
                recorder=recorder,
                say=lambda _line: None,
                make_watch=lambda _first: _unwatched(),
            )
            recorder.end(artifact_kind=training.KIND, artifact_digest=manifest.content_digest)
        parts.cpu_seconds[SAMPLER] = meter.sampling_seconds
    return BookedRun(run, corpus, place, key, book, parts)


@contextmanager
def _unwatched() -> Iterator[object]:
    yield lambda _result, _work: None
