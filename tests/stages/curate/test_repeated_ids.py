"""An id names one document of a corpus: of several with it, the first stays."""

from __future__ import annotations

import json

from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.text.corpus import SPLITS


def test_of_documents_with_one_id_the_first_stays_and_the_others_are_told_apart(tmp_path):
    rows = [{"id": f"d{n}", "text": f"text number {n} " * 20} for n in range(40)]
    copy, impostor = dict(rows[3]), {"id": "d5", "text": "of another kind " * 20}
    for name, part in (("a", [*rows[:20], copy]), ("b", [impostor, *rows[20:]])):
        lines = "".join(json.dumps(row) + "\n" for row in part)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    config = CurateConfig(
        sources=(str(tmp_path),), until="raw", workers=1, tokenizer="bytes", held_out_share=0.1
    )
    corpus = curate(config, tmp_path / "corpus", "key").corpus
    found = {}
    for split in SPLITS:
        shard = corpus.shard(split, "und")
        for number, record in enumerate(corpus.documents(split, "und")):
            tokens = shard.tokens[shard.starts[number] + 1 : shard.starts[number + 1]]
            assert record.id not in found
            found[record.id] = corpus.tokenizer.decode(tokens.tolist())
    assert found == {row["id"]: row["text"] for row in rows}
    assert corpus.manifest.detail["dropped"] == {"duplicate_id": 1, "repeated_document": 1}
