"""Rebuild the embedded benchmark sample: the same files, the same bytes.

    python scripts/build_benchmark_sample.py --eval DIR [--out src/farthing/stages/evaluate/sample]

DIR holds `blimp.jsonl.gz` and `sling.jsonl.gz`. Of every paradigm that the definition asks, a few
pairs are taken, evenly spread by position; `parts.yaml` says how many of how many. LICENSES.md is
kept by hand.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import defaultdict
from pathlib import Path

import yaml
import zstandard

from farthing.stages.evaluate.definition import BenchmarkDefinition, shipped_definitions
from farthing.stages.evaluate.questions import Question, evenly_spread, read_questions

PAIRS_OF_A_PARADIGM = {"blimp": 6, "sling": 12}
KEPT_FIELDS = {
    "blimp": ("sentence_good", "sentence_bad", "UID", "pairID"),
    "sling": ("sentence_good", "sentence_bad", "file", "pair_ID"),
}


def main() -> None:
    """Parse the arguments and write the sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eval", type=Path, required=True, help="folder of the whole benchmarks")
    parser.add_argument("--out", type=Path, default=Path("src/farthing/stages/evaluate/sample"))
    arguments = parser.parse_args()
    parts = {}
    for name, count in PAIRS_OF_A_PARADIGM.items():
        definition = shipped_definitions()[name]
        path = arguments.eval / f"{name}.jsonl.gz"
        packed = path.read_bytes()
        lines = gzip.decompress(packed).decode("utf-8").split("\n")
        found = read_questions(packed, path, definition, None)
        chosen = choose(found.questions, count)
        rows = [shorten(lines[question.line - 1], definition) for question in chosen]
        write(arguments.out / f"{name}.jsonl.zst", rows)
        paradigms = len({question.group for question in chosen})
        parts[name] = f"{count} pairs of each of {paradigms} paradigms, out of {found.of}"
        print(name, len(rows), parts[name])
    header = "# Which part of each benchmark stands here; made by build_benchmark_sample.py\n"
    text = header + yaml.safe_dump(parts, sort_keys=True)
    (arguments.out / "parts.yaml").write_text(text, encoding="utf-8")


def choose(questions: tuple[Question, ...], count: int) -> list[Question]:
    """`count` questions of each paradigm, evenly spread by position, in the order of the file."""
    paradigms = defaultdict(list)
    for question in questions:
        paradigms[question.group].append(question)
    return [
        members[i]
        for members in paradigms.values()
        for i in evenly_spread(len(members), min(count, len(members)))
    ]


def shorten(line: str, definition: BenchmarkDefinition) -> str:
    """The line with just the fields that are read, and the pair's number."""
    row = json.loads(line)
    kept = {field: row[field] for field in KEPT_FIELDS[definition.name]}
    return json.dumps(kept, ensure_ascii=False) + "\n"


def write(path: Path, rows: list[str]) -> None:
    """Pack the rows; the same rows, the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress("".join(rows).encode()))


if __name__ == "__main__":
    main()
