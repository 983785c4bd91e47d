"""Smaller steps, each beside the same step of others: reading, masking, copies, lines, leaks.

    python bench/curation/race_kernels.py [--text FOLDER] [--json FILE]

Reading is JSON lines in zstd to documents in memory; the others begin with texts in memory. What
the programs do is alike and not the same, and the table says how: ours mask six kinds of data and
theirs two; ours weigh whole questions and look for their answers, datatrove asks whether any run of
twelve words of a question occurs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from juicer import JUICER, JUICER_PACKAGE, masked, text_hashes
from pile import Document, batches, draw, files_of, megabytes_of, read
from races import Figure, Outcome, Side, is_there, need, one_thread, options, race, version_of

from farthing.documents.batch import text_bytes
from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.options import Reading
from farthing.documents.readers.read import read_piece
from farthing.flow.evaluation_texts import evaluation_items
from farthing.kernels.line_hashes import line_sets
from farthing.kernels.words import split_words
from farthing.stages.curate.contamination.hits import candidates, gram_hits, gram_weights
from farthing.stages.curate.contamination.index import build_index
from farthing.stages.curate.contamination.judge import judge
from farthing.stages.curate.duplicates.exact import text_digests
from farthing.stages.curate.privacy.mask import mask
from farthing.stages.curate.settings.contamination import ContaminationConfig

LEAST_LINE_BYTES = 40
READ, MASK, COPIES, LINES, LEAKS = (
    "reading .jsonl.zst",
    "masking personal data",
    "digests for equal texts",
    "hashes of lines",
    "benchmark questions",
)
Steps = dict[tuple[str, str], Callable[[], object]]
ADDED = {
    (READ, "farthing"): "records checked, into Arrow batches",
    (READ, "datatrove"): "Python objects",
    (READ, "daft"): "Arrow",
    (MASK, "farthing"): "e-mail, IP, phone, ID, card, keys",
    (MASK, "datatrove"): "e-mail, IP",
    (MASK, "data-juicer"): "e-mail, IP",
    (COPIES, "farthing"): "BLAKE2b of normal form C, white space as one",
    (COPIES, "datatrove"): "XXH64 of the text",
    (COPIES, "data-juicer"): "MD5 of the stripped text",
    (LINES, "farthing"): f"lines of {LEAST_LINE_BYTES} bytes or more, once a document",
    (LINES, "datatrove"): "each line, simplified",
    (LEAKS, "farthing"): "weighed runs of 5 words, then answers",
    (LEAKS, "datatrove"): "any run of 12 words",
}


def our_steps(documents: Sequence[Document], file: Path) -> Steps:
    """farthing's, over all batches."""
    arrays = batches(documents)
    flat = [text_bytes(each) for each in arrays]
    config = ContaminationConfig()
    index = build_index(evaluation_items(config))

    def leaks() -> list[object]:
        words = [split_words(*each) for each in flat]
        hits = [gram_hits(each, index) for each in words]
        weights = gram_weights([each.grams for each in hits], len(documents), index)
        found: list[object] = []
        for (data, _), split, hit in zip(flat, words, hits, strict=True):
            pairs = candidates(hit, weights, index, config)
            found += judge(data, split, pairs, weights, index, config)
        return found

    return {
        (READ, "farthing"): lambda: [
            batch for piece in cut(find_files([file])) for batch in read_piece(piece, Reading())
        ],
        (MASK, "farthing"): lambda: [mask(each) for each in arrays],
        (COPIES, "farthing"): lambda: [text_digests(*each) for each in flat],
        (LINES, "farthing"): lambda: [line_sets(*each, LEAST_LINE_BYTES) for each in flat],
        (LEAKS, "farthing"): leaks,
    }


def datatrove_steps(documents: Sequence[Document], file: Path, folder: Path) -> Steps:
    """datatrove's, a document at a time as in its pipelines."""
    from datatrove.data import Document as TheirDocument
    from datatrove.pipeline.decont.n_grams import NGramsDecontFilter
    from datatrove.pipeline.dedup.exact_dedup import ExactDedupConfig, ExactDedupSignature
    from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig, SentenceDedupSignature
    from datatrove.pipeline.formatters.pii import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader

    def content_of(document: TheirDocument) -> str:
        return str(document.text)

    # It chooses the hash function by the type itself, not by the name of one.
    content_of.__annotations__["return"] = str
    masking = PIIFormatter()
    line = SentenceDedupSignature(
        str(folder), config=SentDedupConfig(n_sentences=1, split_sentences=False)
    )
    copies = ExactDedupSignature(str(folder), config=ExactDedupConfig(content_of))
    reader = JsonlReader(str(file.parent), glob_pattern=file.name, compression="zstd")
    leaks = NGramsDecontFilter(str(folder))
    _write_index(leaks, folder / "embedded.index.hashes")
    made = [TheirDocument(text=each.text, id=each.id) for each in documents]
    return {
        (READ, "datatrove"): lambda: list(reader.run()),
        (MASK, "datatrove"): lambda: [masking.format(each.text) for each in documents],
        (COPIES, "datatrove"): lambda: [
            copies.get_hashes(each, number) for number, each in enumerate(made)
        ],
        (LINES, "datatrove"): lambda: [
            line.get_hashes(each, number) for number, each in enumerate(made)
        ],
        (LEAKS, "datatrove"): lambda: [leaks.filter(each) for each in made],
    }


def _write_index(leaks: Any, path: Path) -> None:  # noqa: ANN401 - of an untyped library
    """The embedded questions as its indexer writes them, which would want lighteval."""
    from datatrove.utils.text import simplify_text

    hashes = set()
    for item in evaluation_items(ContaminationConfig()):
        words = leaks.tokenizer.word_tokenize(
            simplify_text(item.question, leaks.config.norm_config)
        )
        length = leaks.config.n_grams
        runs = (words[n : n + length] for n in range(len(words) - length + 1))
        hashes |= {leaks.hash_func(" ".join(run)) for run in runs}
    np.array(sorted(hashes), dtype=np.uint64).tofile(path)


def other_steps(documents: Sequence[Document], file: Path) -> Steps:
    """Those of rivals that the race can do without."""
    texts, steps = [each.text for each in documents], Steps()
    if is_there(JUICER):
        steps[(MASK, "data-juicer")] = lambda: masked(texts)
        steps[(COPIES, "data-juicer")] = lambda: text_hashes(texts)
    if is_there("daft"):
        import daft

        steps[(READ, "daft")] = lambda: daft.read_json(str(file)).to_arrow()
    return steps


def write(documents: Sequence[Document], folder: Path) -> Path:
    """The documents as a file of JSON lines in zstd, for the readers."""
    rows = ({"id": each.id, "text": each.text} for each in documents)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = folder / "documents.jsonl.zst"
    path.write_bytes(zstandard.compress("".join(lines).encode()))
    return path


def main() -> int:
    """Run the race; 0."""
    asked = options(__doc__).parse_args()
    one_thread()
    need("datatrove")
    documents = draw(read(files_of(asked.text)), asked.megabytes)
    megabytes = megabytes_of(documents)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text").mkdir()
        (folder / "index").mkdir()
        file = write(documents, folder / "text")
        steps = our_steps(documents, file)
        steps |= datatrove_steps(documents, file, folder / "index") | other_steps(documents, file)
        sides = [
            Side(f"{step}: {program}", work, work)
            for (step, program), work in sorted(steps.items(), key=lambda each: each[0][0])
        ]
        found = race(sides, megabytes, asked.rounds)
    rates = {key: found[f"{key[0]}: {key[1]}"] for key in steps}
    report(asked, f"{len(documents):,} documents, {megabytes:.2f} MB of UTF-8", rates)
    return 0


def report(asked: object, setting: str, rates: dict[tuple[str, str], Figure]) -> None:
    """The table and the JSON."""
    outcome = Outcome(
        "race_kernels",
        "Smaller steps, one thread",
        list(range(asked.rounds)),
        [f"{setting}; MB for each CPU-second"],
    )
    rows = []
    for step in (READ, MASK, COPIES, LINES, LEAKS):
        own = rates[(step, "farthing")]
        for (kind, program), rate in rates.items():
            if kind == step:
                ratio = "" if program == "farthing" else own.over(rate)
                rows.append([step, program, ADDED[(step, program)], rate, ratio])
    columns = ["step", "program", "what it does", "MB/CPU-s", "farthing over it"]
    outcome.table("Rates", columns, rows)
    outcome.versions = version_of("datatrove", JUICER_PACKAGE, "daft", "numba", "pyarrow")
    outcome.close(asked.json)


if __name__ == "__main__":
    sys.exit(main())
