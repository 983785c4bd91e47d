"""Whole runs on a planted pile: what was planted is what is dropped, masked and counted."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from farthing.artifacts.trail import read_trail
from farthing.documents.readers.read import read_documents
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.items import EvalItem
from farthing.stages.curate.phases.rejected import REJECTED_NAME
from farthing.stages.curate.run import curate
from farthing.stages.curate.settings.licences import LicencesConfig
from farthing.text.sample import sample_file

QUESTION = (
    "Farmer Wanyonyi has twenty three goats and sells seven of them at the market in Kakamega "
    "before noon, and then buys four more from his neighbour; how many goats graze at his farm "
    "in the evening of that day?"
)


@pytest.fixture(scope="module")
def good() -> list[dict[str, str]]:
    """Real texts that pass every rule, long enough to be told apart."""
    found = []
    for document in read_documents([sample_file("train")]):
        long = 4000 if document.domain == "en" else 1500
        if document.domain in ("en", "zh") and len(document.text) >= long:
            row = {"id": document.id, "text": document.text[:long], "domain": document.domain}
            found.append({**row, "work": document.id})
    return random.Random(5).sample(found, 240)


@pytest.fixture(scope="module")
def made(good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plants")
    rows = [{**row, "license": "MIT"} for row in good]
    english = [row for row in rows if row["domain"] == "en"]
    plants = [
        # Equal text under other ids, and nearly equal text.
        *({**row, "id": f"copy-{n}"} for n, row in enumerate(english[:7])),
        *(
            {**row, "id": f"near-{n}", "text": row["text"] + " And so it was, for a while."}
            for n, row in enumerate(english[7:12])
        ),
        *(
            {**row, "id": f"licence-{n}", "license": "proprietary"}
            for n, row in enumerate(rows[:3])
        ),
        *(
            {**row, "id": f"leak-{n}", "text": f"{row['text']}\n{QUESTION} The answer is 20 goats."}
            for n, row in enumerate(english[20:24])
        ),
        *(
            {"id": f"junk-{n}", "domain": "en", "license": "MIT", "text": "buy now! " * (200 + n)}
            for n in range(6)
        ),
        {**english[30], "id": english[31]["id"]},
    ]
    # The leaks stand in texts of their own: without them they would be near-duplicates.
    taken = {row["text"] for row in english[20:24]}
    rows = [row for row in rows if row["text"] not in taken]
    english[40]["text"] += "\nWrite to jane.roe@company-mail.org or call +44 20 7946 0958."
    path = folder / "pile.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows + plants]
    path.write_text("\n".join([*lines[:50], "{not json", *lines[50:]]) + "\n", encoding="utf-8")
    config = CurateConfig(
        sources=(str(path),),
        tokenizer="bytes",
        licences=LicencesConfig(allow=("MIT",)),
        keep_rejected=True,
        workers=1,
    )
    item = EvalItem("planted", "1", QUESTION, ("20 goats",), "en")
    return curate(config, folder / "corpus", "key", items=[item])


def ids_by_reason(made) -> dict[str, set[str]]:
    table = pq.read_table(Path(made.corpus.directory) / REJECTED_NAME)
    found: dict[str, set[str]] = {}
    for row in table.select(["id", "reason"]).to_pylist():
        found.setdefault(row["reason"], set()).add(row["id"])
    return found


def test_what_was_planted_is_dropped_for_its_reason(made):
    reasons = ids_by_reason(made)
    assert {i for i in reasons["exact_duplicate"] if i.startswith("copy-")} == {
        f"copy-{n}" for n in range(7)
    }
    near = reasons["near_duplicate"]
    assert len(near) == 5
    assert reasons["licence:proprietary"] == {f"licence-{n}" for n in range(3)}
    assert reasons["contaminated"] == {f"leak-{n}" for n in range(4)}
    junk = {i for reason, ids in reasons.items() if reason.startswith("rule:") for i in ids}
    assert {f"junk-{n}" for n in range(6)} <= junk
    assert len(reasons["duplicate_id"]) == 1
    assert made.corpus.manifest.detail["refused"] == {"not_json": 1}


def test_the_funnel_counts_every_document_once(made):
    funnel = made.trail.funnel
    kept = sum(
        count["documents"]
        for domains in made.corpus.manifest.detail["splits"].values()
        for count in domains.values()
    )
    assert funnel.steps[-1].left.documents == kept
    table = pq.read_table(Path(made.corpus.directory) / REJECTED_NAME)
    refused = 1
    assert funnel.steps[0].entered.documents == kept + len(table) + refused
    assert read_trail(Path(made.corpus.directory)) == made.trail


def test_personal_data_is_masked_in_the_text_and_counted(made):
    masks = {(each.kind, each.domain): each.masks for each in made.trail.funnel.masks}
    assert masks["email", "en"] == 1
    assert masks["phone", "en"] == 1
    corpus = made.corpus
    texts = [
        corpus.tokenizer.decode(shard.tokens[begin + 1 : end].tolist())
        for split in ("train", "dev", "test")
        for shard in [corpus.shard(split, "en")]
        for begin, end in zip(shard.starts[:-1], shard.starts[1:], strict=True)
    ]
    assert not any("jane.roe" in text for text in texts)
    assert sum("Write to <EMAIL> or call <PHONE>." in text for text in texts) == 1


def test_the_contamination_names_document_and_item(made):
    contamination = made.trail.contamination
    assert contamination is not None
    (planted,) = contamination.benchmarks
    assert (planted.benchmark, planted.items, planted.items_hit, planted.documents) == (
        *("planted", 1, 1, 4),
    )
    assert {hit.document for hit in contamination.hits} == {f"leak-{n}" for n in range(4)}


def test_another_corpus_on_equal_ground_borrows_tokenizer_and_held_out_text(made, tmp_path):
    source = Path(made.corpus.directory).parent / "pile.jsonl"
    config = CurateConfig(
        sources=(str(source),),
        tokenizer="bytes",
        until="raw",
        held_out_from=str(made.corpus.directory),
        workers=1,
    )
    raw = curate(config, tmp_path / "raw", "key").corpus
    assert raw.tokenizer.fingerprint == made.corpus.tokenizer.fingerprint
    for split in ("dev", "test"):
        for domain in made.corpus.domains:
            mine, theirs = (c.shard(split, domain).tokens for c in (raw, made.corpus))
            assert mine.tolist() == theirs.tolist()
    held = {
        record.work
        for split in ("dev", "test")
        for domain in made.corpus.domains
        for record in made.corpus.documents(split, domain)
    }
    training = [r for d in raw.domains for r in raw.documents("train", d)]
    assert training
    assert not held & {record.work for record in training}
    # Raw text keeps what later steps drop.
    assert any(record.id.startswith("junk-") for record in training)
    assert len(raw.verify_pieces()) == 2
