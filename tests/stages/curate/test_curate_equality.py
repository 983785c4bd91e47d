"""The same corpus from the same text: for any workers, any pieces, and after being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from farthing.artifacts.canonical import digest_file
from farthing.artifacts.config import parse_config
from farthing.documents.readers.read import read_documents
from farthing.execution.work import PieceResult
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.items import EvalItem
from farthing.stages.curate.phases import maps
from farthing.stages.curate.run import Curated, curate, work_folder
from farthing.text.sample import sample_file

SMALL, MIDDLE, LARGE = 1 << 16, 3 << 16, 1 << 21
BYTES_OF_A_DOMAIN = 480_000
# Of the pieces themselves they tell: which there were, and who is asked for them.
ABOUT_PIECES = {"pieces.jsonl", "manifest.json"}
QUESTION = "Which of the seven lanterns did Odalys hang over the northern gate of Vellmar?"
ITEM = EvalItem("made-up", "0", QUESTION, (), "en")

# A run of its own, to be killed.
RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_curate_equality import run

if __name__ == "__main__":
    run(Path(sys.argv[2]), Path(sys.argv[3]), workers=2)
"""


def run(source: Path, directory: Path, workers: int, piece_bytes: int = SMALL) -> Curated:
    settings = {
        "sources": [str(source)],
        "reading": {"piece_bytes": piece_bytes},
        "workers": workers,
        "vocab_size": 1024,
        "duplicates": {"line_documents": 4},
    }
    return curate(parse_config(CurateConfig, settings, where="test"), directory, "k", items=[ITEM])


def _rows() -> list[dict[str, str]]:
    """Two megabytes of the sample, with copies, edited copies, repeated lines and an item."""
    rows, sizes = [], Counter[str]()
    for document in read_documents([sample_file("train")]):
        size = len(document.text.encode())
        if sizes[document.domain] + size <= BYTES_OF_A_DOMAIN:
            sizes[document.domain] += size
            rows.append({"id": document.id, "text": document.text, "domain": document.domain})
    line = "Sign up for our newsletter and never miss a story about lanterns again."
    for row in [row for row in rows if row["domain"] == "en"][::3]:
        row["text"] += f"\n{line}\n"
    copies = [{**row, "id": f"copy-{row['id']}"} for row in rows[3::50]]
    edited = [
        {**row, "id": f"edited-{row['id']}", "text": row["text"] + " And so it goes on."}
        for row in rows[7::50]
    ]
    rows[11]["text"] += f" {ITEM.question}"
    return [*rows, *copies, *edited]


def _contents(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): digest_file(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ABOUT_PIECES
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    rows = _rows()
    for number in range(3):
        lines = "".join(json.dumps(row) + "\n" for row in rows[number::3])
        (folder / f"{number}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Curated:
    return run(source, tmp_path_factory.mktemp("expected") / "corpus", workers=1)


def test_every_step_had_something_to_do(expected):
    dropped = Counter(expected.corpus.manifest.detail["dropped"])
    assert dropped["exact_duplicate"] > 5
    assert dropped["near_duplicate"] > 5
    assert dropped["contaminated"] == 1
    assert expected.corpus.manifest.detail["pieces"]["count"] > 20
    assert {step.name: step for step in expected.trail.funnel.steps}["lines"].changed_bytes > 0


def test_two_workers_make_the_corpus_of_one(tmp_path, source, expected):
    assert run(source, tmp_path / "corpus", workers=2).corpus.digest == expected.corpus.digest


@pytest.mark.parametrize("piece_bytes", [MIDDLE, LARGE])
def test_other_pieces_hold_the_same_text(tmp_path, source, expected, piece_bytes):
    made = run(source, tmp_path / "corpus", workers=1, piece_bytes=piece_bytes).corpus
    pieces = made.manifest.detail["pieces"]["count"]
    assert pieces < expected.corpus.manifest.detail["pieces"]["count"]
    assert _contents(made.directory) == _contents(expected.corpus.directory)


def test_a_run_that_is_killed_goes_on_and_loses_a_piece_a_worker(
    tmp_path, source, expected, monkeypatch
):
    corpus = tmp_path / "corpus"
    finished, begun = _kill_in_the_middle(tmp_path, source, corpus)
    assert len(begun) <= 2
    reused: list[int] = []

    def watched(work: Any, pieces: Sequence[Any], *place: Any, **how: Any) -> list[PieceResult]:
        results = run_pieces(work, pieces, *place, **how)
        reused.extend(result.number for result in results if result.reused)
        return results

    run_pieces = maps.run_pieces
    monkeypatch.setattr(maps, "run_pieces", watched)
    made = run(source, corpus, workers=2).corpus
    assert sorted(reused) == sorted(finished)
    assert made.digest == expected.corpus.digest
    assert [path.name for path in corpus.parent.iterdir() if path.name[0] == "."] == []


def _kill_in_the_middle(tmp_path: Path, source: Path, corpus: Path) -> tuple[list[int], list[int]]:
    """Pieces that a run had finished when it was killed, and those that it was at."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, script, Path(__file__).parent, source, corpus], start_new_session=True
    )
    measured = work_folder(corpus) / "measure"
    last = time.monotonic() + 120
    while len(list(measured.glob("[0-9]*"))) < 5:
        assert process.poll() is None, "the run ended by itself"
        assert time.monotonic() < last, "waited for two minutes"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = [int(path.name) for path in measured.glob("[0-9]*")]
    begun = [int(path.name[1:7]) for path in measured.glob(".*.partial*")]
    return finished, [number for number in begun if number not in finished]
