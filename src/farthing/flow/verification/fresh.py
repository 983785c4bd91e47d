"""Level 2, fresh: the released models on text that the verifier brings.

A claim compares models at equal bits per byte on its own held-out text. Where the method was fitted
to that text, or trained on it, it does worse than its baseline on other text. So for every seed the
baseline's models of all lengths give a line, bits per byte on the fresh text over those on the
pinned one; where the method's member stands on the pinned text, the line says what the baseline
would have on the fresh one. The claim is contradicted where the member does worse than that in the
mean of the seeds, beyond what the spread over the seeds allows (one-sided, 95 %, Student's t) and
beyond `MARGIN`, by which one architecture may carry over to other text less well than another.

What it proves: that the models do not merely know the pinned text. What it does not: that the
verifier's text is unlike the training text, or that another text would say the same.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from farthing.errors import CorpusError
from farthing.flow.verification.overlap import MOST_SHARE, WINDOW, known_windows
from farthing.flow.verification.released import Released, guarded
from farthing.model.shape import Shape
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.stages.verify.claim.student import reach
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding
from farthing.text.shards import TokenShard, write_shard

LEVEL = 2
# Of the bits per byte on the fresh text.
MARGIN = 0.02
# Fewer bytes say little: the models' differences are of some hundredths of a bit per byte.
FEWEST_BYTES = 4096
# Every model is scored on all of it, and it is held in memory.
MOST_BYTES = 256 << 20
_CHECK = "fresh text"
_REMEDY = "give files of UTF-8 text (.txt), or JSON lines with a field `text` (.jsonl)"

# (training, shape) -> bits per byte.
Scores = dict[tuple[str, str], float]


def fresh(released: Released, documents: Sequence[str]) -> list[Finding]:
    """Score every claimed model on the verifier's own text, and hold the claim against it.

    Args:
        released: the answer's files.
        documents: of the verifier, as `read_fresh` reads them.
    """
    count = sum(len(document.encode()) for document in documents)
    found: list[Finding] = []
    scores: Scores = {}
    with tempfile.TemporaryDirectory(prefix="farthing-") as folder:
        where = f"{len(documents)} documents, {count:,} bytes"
        found += guarded(
            _CHECK, where, LEVEL, lambda: _write(released, documents, Path(folder) / "shard")
        )
        found += guarded(_CHECK, where, LEVEL, lambda: _known(released, documents))
        for training in released.trainings:
            found += guarded(
                _CHECK,
                f"models/{training.attempts[-1].number}",
                LEVEL,
                partial(_score, released, training, Path(folder) / "shard", count, scores),
            )
    return found + guarded(_CHECK, where, LEVEL, lambda: _judge(released, scores))


def read_fresh(texts: Sequence[Path]) -> list[str]:
    """The documents of a verifier's files.

    Raises:
        CorpusError: a file is no text, or all of them together are too short or too long.
    """
    size = sum(path.stat().st_size for path in texts)
    if size > MOST_BYTES:
        raise CorpusError(
            f"the fresh text is {size:,} bytes long; at most {MOST_BYTES:,} are scored",
            remedy="bring a part of it: some megabytes say as much",
        )
    documents = [document for path in texts for document in read_texts(path)]
    count = sum(len(document.encode()) for document in documents)
    if count < FEWEST_BYTES:
        raise CorpusError(
            f"the fresh text is {count:,} bytes long; {FEWEST_BYTES:,} is the least that says "
            "anything",
            remedy="bring more text, as recent as you can",
        )
    return documents


def read_texts(path: Path) -> list[str]:
    """The documents of a file: `.jsonl` one a line, anything else one as a whole.

    Raises:
        CorpusError: it cannot be read as such.
    """
    try:
        data = path.read_bytes().decode("utf-8-sig")
        if path.suffix != ".jsonl":
            return [data] if data.strip() else []
        documents = [str(json.loads(line)["text"]) for line in data.split("\n") if line.strip()]
        # Half of a surrogate pair, which an escape can make, is no text.
        "".join(documents).encode()
        return documents
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}", remedy=_REMEDY) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorpusError(f"{path} is no such text: {error}", remedy=_REMEDY) from error


def expected_fresh(line: Sequence[tuple[float, float]], pinned: float) -> float:
    """What the baseline would have on the fresh text where it had `pinned` on the pinned one.

    Linear between its neighbouring lengths; beyond the first or last, along the nearest two, and
    with one length, or two that are equal, in proportion.

    Args:
        line: (pinned, fresh) of each length, at least one.
        pinned: of the method's member.
    """
    ordered = sorted(line)
    nearest = min(ordered, key=lambda point: abs(point[0] - pinned))
    pairs = [pair for pair in pairwise(ordered) if pair[1][0] > pair[0][0]]
    if not pairs:
        return nearest[1] * pinned / nearest[0]
    (left, low), (right, high) = min(
        pairs, key=lambda pair: max(pair[0][0] - pinned, pinned - pair[1][0], 0.0)
    )
    return low + (high - low) * (pinned - left) / (right - left)


def _write(released: Released, documents: Sequence[str], place: Path) -> Iterator[Finding]:
    tokenizer = released.corpus.tokenizer
    write_shard(
        place,
        (
            (ids, len(text.encode()))
            for ids, text in zip(tokenizer.encode_batch(documents), documents, strict=True)
        ),
        end_of_text=tokenizer.end_of_text,
        vocab_size=tokenizer.vocab_size,
    )
    yield from ()


def _known(released: Released, documents: Sequence[str]) -> Iterator[Finding]:
    """How much of the fresh text was trained on: that is the verifier's to mend, and no fault."""
    found, count = known_windows(released.corpus, documents)
    share = found / max(1, count)
    detail = (
        f"{found:,} of {count:,} windows of {WINDOW} bytes ({share:.2%}) stand in the training text"
    )
    if share > MOST_SHARE:
        detail += ": it is not fresh, and says little; bring another one"
    yield Finding(_CHECK, True, f"{len(documents)} documents", detail, LEVEL)


def _score(
    released: Released, training: Training, place: Path, count: int, scores: Scores
) -> Iterator[Finding]:
    run, supernet = released.recipe(training), released.model(training)
    shard = TokenShard.open(place)
    for text in _claimed(released, training):
        found = scores[training.name, text] = bits_per_byte(
            supernet.model,
            Shape.parse(text, supernet.model.config),
            shard,
            text_bytes=count,
            batch_sequences=run.evaluate.batch_sequences,
        )
        pinned = _claimed(released, training)[text]
        detail = f"{training.name}: {found:.4f} bits per byte, {pinned:.4f} on the pinned text"
        where = f"models/{training.attempts[-1].number}, {text}"
        yield Finding(_CHECK, math.isfinite(found), where, detail, LEVEL)


def _claimed(released: Released, training: Training) -> dict[str, float]:
    """Shape -> bits per byte on the pinned text, as the claim has them of a training."""
    run = training.attempts[-1].number
    (claimed,) = (each for each in released.claim.runs if each.runs[-1] == run)
    return claimed.bpb


def _judge(released: Released, scores: Scores) -> Iterator[Finding]:
    lines: dict[int, list[tuple[float, float]]] = {}
    method = [one for one in released.trainings if one.registered.arm == "method"]
    for training in released.trainings:
        if training.registered.arm == "baseline":
            line = lines.setdefault(training.seed, [])
            for shape, pinned in _claimed(released, training).items():
                line.append((pinned, scores[training.name, shape]))
    for reached in released.claim.reached:
        if not reached.counted:
            continue
        shares = []
        for training in method:
            pinned = _claimed(released, training)[reached.shape]
            expected = expected_fresh(lines[training.seed], pinned)
            shares.append(scores[training.name, reached.shape] / expected - 1.0)
        mean = math.fsum(shares) / len(shares)
        allowed = MARGIN + (reach(shares) if len(shares) > 1 else 0.0)
        detail = (
            f"where the baseline is as good on the pinned text, the member has {mean:+.2%} of its "
            f"bits per byte on the fresh one (at most {allowed:+.2%} by the spread over "
            f"{len(shares)} seeds)"
        )
        yield Finding(_CHECK, mean <= allowed, reached.shape, detail, LEVEL)
