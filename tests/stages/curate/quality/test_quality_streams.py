"""Training text divided by quality: every part against a plain sort; held-out text stays whole."""

from __future__ import annotations

import json
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError, CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.text.batches import Batches
from farthing.text.corpus import SPLITS, Corpus
from farthing.text.provenance import DocumentRecord

PARTS = 3
MIXTURE = {
    "by": "temperature",
    "size_exponent": 0.5,
    "phases": [{"until": 0.75}, {"until": 1.0, "weights": {"ab.1": 3, "cd": 1}}],
}


def bits_per_byte(texts: list[str]) -> list[float]:
    """A stand-in for a model: a number from the first word, with ties."""
    return [float(len(text.split()[0]) % 7) for text in texts]


def made_up(seed: int, words: int) -> str:
    draw = random.Random(seed)
    letters = "abcdefghijklmnoprstuvw"
    return " ".join("".join(draw.choices(letters, k=draw.randint(2, 12))) for _ in range(words))


def rows_of(domains: dict[str, int]) -> list[dict[str, str]]:
    return [
        {"id": f"{domain}-{n}", "domain": domain, "text": made_up(9000 * place + n, 40 + n % 90)}
        for place, (domain, count) in enumerate(domains.items())
        for n in range(count)
    ]


def make(folder: Path, rows: list[dict[str, str]], **settings: Any) -> Corpus:
    folder.mkdir()
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole = {
        "sources": [str(source)],
        "tokenizer": "bytes",
        "rules": {"apply": False},
        "contamination": {"enabled": False},
        "workers": 1,
        **settings,
    }
    config = parse_config(CurateConfig, whole, where="test")
    return curate(config, folder / "corpus", "k", scorer=bits_per_byte).corpus


@pytest.fixture(scope="module")
def rows():
    return rows_of({"ab": 240, "cd": 60})


@pytest.fixture(scope="module")
def whole(rows, tmp_path_factory):
    return make(tmp_path_factory.mktemp("whole") / "x", rows)


@pytest.fixture(scope="module")
def divided(rows, tmp_path_factory):
    quality = {"by": "model", "model": "unused", "buckets": PARTS}
    place = tmp_path_factory.mktemp("divided") / "x"
    return make(place, rows, quality=quality, mixture=MIXTURE)


def texts_of(corpus: Corpus, split, domain) -> list[tuple[DocumentRecord, str]]:
    shard = corpus.shard(split, domain)
    records = list(corpus.documents(split, domain))
    return [
        (record, corpus.tokenizer.decode(shard.tokens[begin + 1 : end].tolist()))
        for record, begin, end in zip(records, shard.starts[:-1], shard.starts[1:], strict=True)
    ]


def plain_parts(rows: list[dict[str, str]]) -> dict[str, int]:
    """Id -> its part: best first, as long as less than so many parts of the bytes stand before."""
    sizes = [len(row["text"].encode()) for row in rows]
    order = sorted(range(len(rows)), key=lambda n: (bits_per_byte([rows[n]["text"]])[0], n))
    before, found = 0, {}
    for n in order:
        # The shares are written out as decimals, so a third is cut after sixteen places.
        limits = [Fraction(str(part / PARTS)) * sum(sizes) for part in range(1, PARTS)]
        found[rows[n]["id"]] = 1 + sum(before >= limit for limit in limits)
        before += sizes[n]
    return found


def test_each_part_is_that_of_a_plain_sort(rows, whole, divided):
    for domain in ("ab", "cd"):
        ids = {record.id for record in whole.documents("train", domain)}
        expected = plain_parts([row for row in rows if row["id"] in ids])
        assert set(expected.values()) == {1, 2, 3}
        found = {
            record.id: part
            for part in (1, 2, 3)
            for record in divided.documents("train", f"{domain}.{part}")
        }
        assert found == expected


def test_the_text_is_that_of_the_undivided_corpus(rows, whole, divided):
    text_of = {row["id"]: row["text"] for row in rows}
    assert divided.domains == tuple(
        f"{domain}{part}" for domain in ("ab", "cd") for part in ("", ".1", ".2", ".3")
    )
    assert divided.held_out_domains == whole.domains == ("ab", "cd")
    for split in SPLITS:
        for domain in divided.domains:
            for record, text in texts_of(divided, split, domain):
                assert (record.split, record.domain, text) == (split, domain, text_of[record.id])
    for split in ("dev", "test"):
        for domain in whole.domains:
            mine, its = (corpus.shard(split, domain).tokens for corpus in (divided, whole))
            assert mine.tolist() == its.tolist()
    assert len(divided.verify_pieces()) == len(whole.verify_pieces())


def test_the_manifest_says_what_is_in_each_part(divided):
    streams = divided.manifest.detail["streams"]
    assert divided.streams == {name: name[:2] for name in streams}
    for name, stated in streams.items():
        found = texts_of(divided, "train", name)
        scores = [-bits_per_byte([text])[0] for _, text in found]
        assert stated == {
            "domain": name[:2],
            "documents": len(found),
            "bytes": sum(len(text.encode()) for _, text in found),
            "least_quality": min(scores),
            "most_quality": max(scores),
        }
        assert [record.quality for record, _ in found] == scores
    assert streams["ab.1"]["least_quality"] >= streams["ab.2"]["most_quality"]


def test_the_mixture_shares_a_domain_out_among_its_parts(whole, divided):
    size = {domain: whole.tokens("train", domain) for domain in whole.domains}
    roots = {domain: tokens**0.5 for domain, tokens in size.items()}
    mixture = divided.mixture
    assert mixture is not None
    assert [each.stream for each in mixture.streams] == list(divided.streams)
    for each in mixture.streams:
        part = divided.tokens("train", each.stream) / size[each.domain]
        first = part * roots[each.domain] / sum(roots.values())
        decay = {"ab.1": 0.75}.get(each.stream, 0.25 * part if each.domain == "cd" else 0.0)
        assert each.weights == (pytest.approx(first), pytest.approx(decay))


def test_training_draws_by_stream_and_a_domain_may_be_weighed_as_a_whole(divided):
    def drawn(first: int, **more: Any) -> Counter[str]:
        batches = Batches(divided, context=16, seed=1, **more)
        return Counter(batches.order.locate(first + i).domain for i in range(1024))

    decay = drawn(3072, weights=None, sequences=4096)
    assert decay["ab.1"] == 768
    assert set(decay) == {"ab.1", "cd.1", "cd.2", "cd.3"}
    assert drawn(0, weights={"ab.3": 1.0}) == {"ab.3": 1024}
    named = drawn(0, weights={"ab": 1.0, "cd.2": 1.0})
    assert named["cd.2"] == 512
    assert set(named) == {"ab.1", "ab.2", "ab.3", "cd.2"}
    with pytest.raises(ConfigError, match=r"names 'ab' and its part 'ab.2'"):
        drawn(0, weights={"ab": 1.0, "ab.2": 1.0})


def test_without_a_mixture_training_reads_every_part_by_its_size(rows, tmp_path):
    quality = {"by": "model", "model": "unused", "buckets": 2}
    corpus = make(tmp_path / "x", rows, quality=quality)
    quotas = Batches(corpus, context=16, seed=1, weights=None).order.mixture[0][1]
    assert set(quotas) == set(corpus.streams)
    whole = sum(corpus.tokens("train", name) for name in corpus.streams)
    for name, quota in quotas.items():
        assert quota == pytest.approx(1024 * corpus.tokens("train", name) / whole, abs=1)


def test_pieces_change_no_part(rows, divided, tmp_path):
    again = make(
        tmp_path / "x",
        rows,
        quality={"by": "model", "model": "unused", "buckets": PARTS},
        mixture=MIXTURE,
        reading={"piece_bytes": 1 << 16},
        workers=2,
    )
    assert again.manifest.detail["pieces"]["count"] > 1
    assert again.text_digest == divided.text_digest


def test_a_domain_with_the_name_of_a_part_is_refused(tmp_path):
    rows = rows_of({"ab": 20, "ab.2": 20})
    with pytest.raises(CorpusError, match=r"'ab.2' has the name of a part by quality of 'ab'"):
        make(tmp_path / "x", rows, quality={"by": "model", "model": "unused", "buckets": 2})


def test_parts_are_only_made_for_a_mixture_and_need_scores(rows, tmp_path):
    quality = {"by": "model", "model": "unused", "buckets": 2}
    assert make(tmp_path / "x", rows, quality=quality, until="scored").streams == {}
    with pytest.raises(ConfigError, match="buckets need scores"):
        parse_config(CurateConfig, {"quality": {"buckets": 2}}, where="test")
