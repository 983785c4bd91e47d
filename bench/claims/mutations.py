"""Random single mutations of a claim's bundle: how many does `farthing verify` see at L0 and L1?

    python bench/claims/mutations.py [--count 10000] [--seed 0] [--claim FILE] [--to RESULT]

One mutation each: a bit or byte anywhere in the file, bytes cut out or put in, a field of a JSON
line or of the statement edited and encoded again, lines deleted, doubled or exchanged, files
deleted, renamed or exchanged. Half of those inside of files also correct sizes and digests in the
statement, as somebody would who has everything but the key.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from result_files import RESULTS, Row, Target, write_result
from synthetic import Story

from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.claims.archive import file_facts, open_bundle, write_bundle
from farthing.bench.clock import Neighbours
from farthing.errors import ClaimError
from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.opening import open_claim

Json = dict[str, Any]
_ALL = 1 << 31
_WANTED = 10_000


@dataclass(frozen=True)
class Original:
    """A bundle taken apart."""

    raw: bytes
    envelope: bytes
    files: dict[str, bytes]

    @classmethod
    def of(cls, path: Path) -> Original:
        """Read it."""
        with open_bundle(path, statement_name="claim.json") as bundle:
            files = {name: bundle.read(name, most=_ALL) for name in bundle.names}
            return cls(path.read_bytes(), bundle.statement_bytes, files)


@dataclass(frozen=True)
class Outcome:
    """What a verifier made of the mutations.

    Attributes:
        tried, seen: by kind.
        missed: kinds and numbers of those that passed.
        crashed: those that ended in something else than a reason.
    """

    tried: Counter[str]
    seen: Counter[str]
    missed: list[str]
    crashed: list[str]


def run(path: Path, scratch: Path, *, count: int, seed: int) -> Outcome:
    """Mutate a claim `count` times, once each.

    Args:
        path: of the claim.
        scratch: an empty folder.
        count: of mutations.
        seed: of all of them.
    """
    original, source = Original.of(path), random.Random(seed)
    outcome = Outcome(Counter(), Counter(), [], [])
    kinds = sorted(KINDS)
    target = scratch / "mutated.claim"
    for number in range(count):
        kind = kinds[number % len(kinds)]
        KINDS[kind](original, source, target)
        # Two like lines exchanged are no mutation.
        while target.read_bytes() == original.raw:
            KINDS[kind](original, source, target)
        outcome.tried[kind] += 1
        try:
            if is_seen(target):
                outcome.seen[kind] += 1
            else:
                outcome.missed.append(f"{kind} {number}")
        except Exception as error:  # noqa: BLE001 - a crash is what is looked for
            outcome.crashed.append(f"{kind} {number}: {type(error).__name__}: {error}")
    return outcome


def is_seen(path: Path) -> bool:
    """Whether levels 0 and 1 refuse a bundle or find something wrong in it."""
    try:
        with open_claim(path) as opened:
            return not check_claim(opened).ok
    except ClaimError:
        return True


def _flip(original: Original, source: random.Random, target: Path) -> None:
    raw = bytearray(original.raw)
    raw[source.randrange(len(raw))] ^= 1 << source.randrange(8)
    target.write_bytes(raw)


def _cut(original: Original, source: random.Random, target: Path) -> None:
    at, length = source.randrange(len(original.raw)), source.choice((1, 2, 512, 4096))
    target.write_bytes(original.raw[:at] + original.raw[at + length :])


def _insert(original: Original, source: random.Random, target: Path) -> None:
    at, length = source.randrange(len(original.raw) + 1), source.choice((1, 512, 1024))
    target.write_bytes(original.raw[:at] + source.randbytes(length) + original.raw[at:])


def _truncate(original: Original, source: random.Random, target: Path) -> None:
    target.write_bytes(original.raw[: source.randrange(len(original.raw))])


def _field(original: Original, source: random.Random, target: Path) -> None:
    """A value of a line or of a whole JSON file, encoded again."""
    name = _file(original, source)
    lines = original.files[name].splitlines(keepends=True)
    if not name.endswith(".jsonl"):
        lines = [original.files[name]]
    place = source.randrange(len(lines))
    value = json.loads(lines[place])
    _edit(value, source)
    lines[place] = canonical_json(value) + b"\n"
    _repack(original, source, target, {**original.files, name: b"".join(lines)})


def _delete_line(original: Original, source: random.Random, target: Path) -> None:
    _with_lines(original, source, target, lambda lines, at, _other: [*lines[:at], *lines[at + 1 :]])


def _double_line(original: Original, source: random.Random, target: Path) -> None:
    _with_lines(original, source, target, lambda lines, at, _other: [*lines[: at + 1], *lines[at:]])


def _exchange_lines(original: Original, source: random.Random, target: Path) -> None:
    def exchanged(lines: list[bytes], at: int, other: int) -> list[bytes]:
        lines[at], lines[other] = lines[other], lines[at]
        return lines

    _with_lines(original, source, target, exchanged)


def _delete_file(original: Original, source: random.Random, target: Path) -> None:
    name = _file(original, source)
    files = {each: data for each, data in original.files.items() if each != name}
    _repack(original, source, target, files)


def _rename_file(original: Original, source: random.Random, target: Path) -> None:
    name = _file(original, source)
    files = {each: data for each, data in original.files.items() if each != name}
    number = source.randrange(100)
    new = f"{name.rpartition('/')[0] or 'steps'}/{number + 1000}.jsonl"
    _repack(original, source, target, {**files, new: original.files[name]})


def _exchange_files(original: Original, source: random.Random, target: Path) -> None:
    one, other = _file(original, source), _file(original, source)
    files = original.files
    _repack(original, source, target, {**files, one: files[other], other: files[one]})


def _statement(original: Original, source: random.Random, target: Path) -> None:
    """A value of the statement, encoded again under the old signature."""
    envelope = json.loads(original.envelope)
    statement = json.loads(base64.b64decode(envelope["payload"]))
    _edit(statement, source)
    write_bundle(target, _enveloped(envelope, statement), "claim.json", original.files)


def _envelope(original: Original, source: random.Random, target: Path) -> None:
    envelope = json.loads(original.envelope)
    _edit(envelope, source)
    write_bundle(target, canonical_json(envelope) + b"\n", "claim.json", original.files)


KINDS: dict[str, Callable[[Original, random.Random, Path], None]] = {
    "bit flipped": _flip,
    "bytes cut out": _cut,
    "bytes put in": _insert,
    "file cut off": _truncate,
    "field edited": _field,
    "line deleted": _delete_line,
    "line doubled": _double_line,
    "lines exchanged": _exchange_lines,
    "file deleted": _delete_file,
    "file renamed": _rename_file,
    "files exchanged": _exchange_files,
    "statement edited": _statement,
    "envelope edited": _envelope,
}


def _with_lines(
    original: Original,
    source: random.Random,
    target: Path,
    change: Callable[[list[bytes], int, int], list[bytes]],
) -> None:
    name = _file(original, source)
    lines = original.files[name].splitlines(keepends=True)
    at, other = source.randrange(len(lines)), source.randrange(len(lines))
    data = b"".join(change(lines, at, other))
    _repack(original, source, target, {**original.files, name: data})


def _file(original: Original, source: random.Random) -> str:
    # Short ones as often as long ones: a book is one file among many.
    return source.choice(sorted(name for name, data in original.files.items() if data))


def _repack(
    original: Original, source: random.Random, target: Path, files: dict[str, bytes]
) -> None:
    """With the statement as it is, or with its list of files corrected."""
    envelope = json.loads(original.envelope)
    if files == original.files:
        target.write_bytes(original.raw)
        return
    signed = original.envelope
    if source.random() < 0.5:
        statement = json.loads(base64.b64decode(envelope["payload"]))
        facts = {name: each.model_dump() for name, each in file_facts(files).items()}
        statement["predicate"]["files"] = facts
        signed = _enveloped(envelope, statement)
    write_bundle(target, signed, "claim.json", files)


def _enveloped(envelope: Json, statement: Json) -> bytes:
    payload = base64.b64encode(canonical_json(statement)).decode()
    return canonical_json({**envelope, "payload": payload}) + b"\n"


def _edit(value: Any, source: random.Random) -> None:  # noqa: ANN401 - any JSON value
    """Another value somewhere in a JSON object, in place."""
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = source.choice(keys)
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner:
            place = inner
            continue
        place[key] = _other(inner, source)
        return


def _other(value: Any, source: random.Random) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool) or value is None:
        return source.choice((0, "x", value is None))
    if isinstance(value, (int, float)):
        return value + source.choice((1, -1, 0.5, 1000))
    if isinstance(value, str) and value:
        at = source.randrange(len(value))
        return value[:at] + source.choice("0123456789abcdef") + value[at + 1 :] + "0"
    return "x"


def main() -> None:
    """Count how many were seen, by kind, and write it down; exits with 1 if one was not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--claim", type=Path, help="a claim to mutate; without it a synthetic one")
    parser.add_argument("--to", type=Path, default=RESULTS / "mutations.json")
    asked = parser.parse_args()
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        path = asked.claim or Story(place).write()
        begun = time.process_time()
        if is_seen(path):
            raise SystemExit(f"{path} is refused as it is: it shows nothing about mutations")
        whole = time.process_time() - begun
        begun = time.process_time()
        outcome = run(path, place, count=asked.count, seed=asked.seed)
        seconds = time.process_time() - begun
        size = path.stat().st_size
    seen, tried = outcome.seen.total(), outcome.tried.total()
    named = asked.claim.name if asked.claim else "a synthetic claim"
    rows = [
        Row(f"size of the claim ({named})", round(size / 1e6, 3), "MB"),
        Row("mutations, each of which changed a byte", tried, "mutations"),
        Row("of them refused or contradicted at level 0 or 1", seen, "mutations"),
        Row("of them not seen", len(outcome.missed), "mutations"),
        Row("of them ended without a reason", len(outcome.crashed), "mutations"),
    ]
    rows += [
        Row(f"{kind}: seen of {outcome.tried[kind]}", outcome.seen[kind], "mutations")
        for kind in sorted(KINDS)
    ]
    rows += [
        Row("levels 0 and 1 of the claim as it is", round(whole, 3), "CPU-s"),
        Row("all mutations, made and looked at", round(seconds, 1), "CPU-s"),
    ]
    met = seen == tried and tried >= _WANTED
    target = Target(
        f"100 % of {_WANTED:,} random single mutations seen at levels 0 and 1",
        f"{seen:,} of {tried:,}",
        met,
    )
    write_result(asked.to, "Random single mutations of a claim", rows, target, neighbours)
    for each in (*outcome.missed, *outcome.crashed):
        print(f"  not seen: {each}")
    raise SystemExit(0 if seen == tried else 1)


if __name__ == "__main__":
    main()
