"""Whole runs on a planted pile: what was planted is what is dropped, masked and counted."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from judged import reasons_of

from farthing.artifacts.curation import BenchmarkHits
from farthing.artifacts.trail import read_trail
from farthing.documents.readers.read import read_documents
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.items import EvalItem
from farthing.stages.curate.phases.rejected import REJECTED_NAME
from farthing.stages.curate.run import curate
from farthing.stages.curate.settings.licences import LicencesConfig
from farthing.text.corpus import SPLITS
from farthing.text.sample import sample_file

QUESTION = (
    "Farmer Wanyonyi has twenty three goats and sells seven of them at the market in Kakamega "
    "before noon, and then buys four more from his neighbour; how many goats graze at his farm "
    "in the evening of that day?"
)
CHINESE_QUESTION = (
    "农夫王老六家里养着二十三只山羊。早上他赶着羊群到镇上的集市卖掉了七只。午后又从邻居李婶那里"
    "买回来四只。请问当天傍晚在他家后山坡上吃草的山羊一共有多少只。"
)
ITEMS = [
    EvalItem("planted", "1", QUESTION, ("20 goats",), "en"),
    EvalItem("planted", "2", CHINESE_QUESTION, ("二十只山羊",), "zh"),
    EvalItem("planted", "short", "Two plus two?", ("4",), "en"),
    EvalItem("elsewhere", "1", QUESTION.replace("goats", "donkeys")[::-1], (), "en"),
]
# Kind, domain -> what is written into documents of its own, one after the other.
PERSONAL = {
    ("email", "en"): ["jane.roe@company-mail.org", "j+lists@sub.uni-bonn.de", "a1@b2.io"],
    ("phone", "en"): ["+44 20 7946 0958"],
    ("ip", "en"): ["8.8.200.4", "66.249.64.13"],
    ("key", "en"): ["AKIAIOSFODNN7EXAMPLE"],
    ("email", "zh"): ["zhang_san@163.com"],
    ("phone", "zh"): ["13812345678", "199 8765 4321"],
    ("id", "zh"): ["11010519491231002X"],
}
COPIES, NEAR, LICENCES, UNSTATED, LEAKS, CHINESE_LEAKS, JUNK, SUMS = 7, 5, 3, 2, 4, 3, 6, 4
CHINESE_NEAR = 3


@pytest.fixture(scope="module")
def good() -> list[dict[str, str]]:
    """Real texts that pass every rule, long enough to be told apart."""
    found = []
    for document in read_documents([sample_file("train")]):
        long = 4000 if document.domain == "en" else 1500
        if document.domain in ("en", "zh") and len(document.text) >= long:
            row = {"id": document.id, "text": document.text[:long], "domain": document.domain}
            found.append({**row, "work": document.id})
    drawn = random.Random(5).sample(found, 240)
    kept = []
    for language in ("en", "zh"):
        rows = [row for row in drawn if row["domain"] == language]
        reasons = reasons_of([row["text"] for row in rows], language)
        kept += [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    return kept


def sum_of(number: int) -> dict[str, str]:
    """A word problem with its solution: plain English, but for what is worked out in it."""
    draw = random.Random(number)
    name, thing = f"{draw.choice('BDKLM')}o{draw.choice('dlnr')}a", draw.choice(["plums", "nails"])
    boxes, each, sold = draw.randint(11, 29), draw.randint(31, 59), draw.randint(61, 99)
    return {
        "id": f"sums-{number}",
        "domain": "en",
        "license": "MIT",
        "text": f"{name} packs {boxes} boxes, each with {each} {thing}, and sells {sold} of the "
        f"{thing} before lunch. How many {thing} does {name} have left when the shop closes?\n\n"
        f"There are {boxes} x {each} = {boxes * each} {thing} in all boxes together.\nAfter lunch "
        f"{boxes * each} - {sold} = {boxes * each - sold} of them are left.\n"
        f"#### {boxes * each - sold}",
    }


@pytest.fixture(scope="module")
def made(good, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plants")
    rows = [{**row, "license": "MIT"} for row in good]
    english = [row for row in rows if row["domain"] == "en"]
    chinese = [row for row in rows if row["domain"] == "zh"]
    unstated = {**rows[5]}
    del unstated["license"]
    plants = [
        # Equal text under other ids, and nearly equal text.
        *({**row, "id": f"copy-{n}"} for n, row in enumerate(english[:COPIES])),
        *(
            {**row, "id": f"near-{n}", "text": row["text"] + " And so it was, for a while."}
            for n, row in enumerate(english[7 : 7 + NEAR])
        ),
        *(
            {**row, "id": f"near-zh-{n}", "text": row["text"] + "\n如此又过了好些日子。"}
            for n, row in enumerate(chinese[7 : 7 + CHINESE_NEAR])
        ),
        *(
            {**row, "id": f"licence-{n}", "license": "proprietary"}
            for n, row in enumerate(rows[:LICENCES])
        ),
        *({**unstated, "id": f"unstated-{n}"} for n in range(UNSTATED)),
        *(
            {**row, "id": f"leak-{n}", "text": f"{row['text']}\n{QUESTION} The answer is 20 goats."}
            for n, row in enumerate(english[20 : 20 + LEAKS])
        ),
        *(
            {**row, "id": f"leak-zh-{n}", "text": f"{row['text']}\n{CHINESE_QUESTION}二十只山羊。"}
            for n, row in enumerate(chinese[20 : 20 + CHINESE_LEAKS])
        ),
        # The question without its answer: told, but kept.
        {**english[24], "id": "asked", "text": f"{english[24]['text'][:2000]}\n{QUESTION}"},
        *(
            {"id": f"junk-{n}", "domain": "en", "license": "MIT", "text": "buy now! " * (200 + n)}
            for n in range(JUNK)
        ),
        *map(sum_of, range(SUMS)),
        {**english[30], "id": english[31]["id"]},
    ]
    # The leaks stand in texts of their own: without them they would be near-duplicates.
    taken = {row["text"] for row in [*english[20:25], *chinese[20 : 20 + CHINESE_LEAKS]]}
    rows = [row for row in rows if row["text"] not in taken]
    places = {"en": iter(english[40:]), "zh": iter(chinese[40:])}
    for (_, domain), planted in PERSONAL.items():
        for text in planted:
            next(places[domain])["text"] += f"\nPlanted: {text} ."
    path = folder / "pile.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows + plants]
    path.write_text("\n".join([*lines[:50], "{not json", *lines[50:]]) + "\n", encoding="utf-8")
    config = CurateConfig(
        sources=(str(path),),
        tokenizer="bytes",
        licences=LicencesConfig(allow=("MIT",), unstated="drop"),
        keep_rejected=True,
        workers=1,
    )
    return curate(config, folder / "corpus", "key", items=ITEMS)


def ids_by_reason(made) -> dict[str, set[str]]:
    table = pq.read_table(Path(made.corpus.directory) / REJECTED_NAME)
    found: dict[str, set[str]] = {}
    for row in table.select(["id", "reason"]).to_pylist():
        assert row["id"] not in found.setdefault(row["reason"], set())
        found[row["reason"]].add(row["id"])
    return found


def numbered(name: str, count: int) -> set[str]:
    return {f"{name}-{n}" for n in range(count)}


def test_what_was_planted_is_dropped_for_its_reason_and_nothing_else_is(made, good):
    english = [row["id"] for row in good if row["domain"] == "en"]
    assert ids_by_reason(made) == {
        "exact_duplicate": numbered("copy", COPIES),
        "near_duplicate": numbered("near", NEAR) | numbered("near-zh", CHINESE_NEAR),
        "licence:proprietary": numbered("licence", LICENCES),
        "licence:unstated": numbered("unstated", UNSTATED),
        "contaminated": numbered("leak", LEAKS) | numbered("leak-zh", CHINESE_LEAKS),
        "rule:en.stop_words": numbered("junk", JUNK),
        "duplicate_id": {english[31]},
    }
    assert made.corpus.manifest.detail["refused"] == {"not_json": 1}
    assert made.corpus.manifest.detail["dropped"] == {
        reason: len(ids) for reason, ids in ids_by_reason(made).items()
    }


def test_the_clusters_are_those_that_were_planted(made):
    sizes = Counter(cluster.documents for cluster in made.trail.clusters)
    assert sizes == {2: COPIES + NEAR + CHINESE_NEAR}


def test_word_problems_are_held_to_the_rules_of_maths(made):
    records = [
        record
        for split in SPLITS
        for record in made.corpus.documents(split, "en")
        if record.profile == "maths"
    ]
    assert {record.id for record in records} == numbered("sums", SUMS)
    assert {record.language for record in records} == {"en"}


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
    counts = {
        (each.kind, each.domain): (each.masks, each.documents) for each in made.trail.funnel.masks
    }
    assert counts == {place: (len(planted),) * 2 for place, planted in PERSONAL.items()}
    corpus = made.corpus
    texts = [
        corpus.tokenizer.decode(shard.tokens[begin + 1 : end].tolist())
        for split in SPLITS
        for domain in corpus.domains
        for shard in [corpus.shard(split, domain)]
        for begin, end in zip(shard.starts[:-1], shard.starts[1:], strict=True)
    ]
    assert not any(
        planted in text for text in texts for one in PERSONAL.values() for planted in one
    )
    masks = Counter(found for text in texts for found in re.findall(r"Planted: (<\w+>) \.", text))
    assert masks == {"<EMAIL>": 4, "<PHONE>": 3, "<IP>": 2, "<KEY>": 1, "<ID>": 1}


def test_the_contamination_names_document_and_item(made):
    contamination = made.trail.contamination
    assert contamination is not None
    elsewhere, planted = contamination.benchmarks
    assert planted == BenchmarkHits(
        benchmark="planted",
        items=3,
        not_looked_for=1,
        items_hit=2,
        documents=LEAKS + CHINESE_LEAKS,
        question_only=1,
    )
    assert elsewhere == BenchmarkHits(
        benchmark="elsewhere", items=1, items_hit=0, documents=0, question_only=0
    )
    found = {(hit.item, hit.verdict, hit.document) for hit in contamination.hits}
    assert found == {
        *(("1", "contaminated", name) for name in numbered("leak", LEAKS)),
        *(("2", "contaminated", name) for name in numbered("leak-zh", CHINESE_LEAKS)),
        ("1", "question_only", "asked"),
    }
    assert contamination.unlisted == 0


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
