from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from farthing.documents.readers.read import read_documents
from farthing.documents.record import Document
from farthing.text.sample import DIRECTORY, sample_file

SIDES = ("train", "dev", "test")
ALLOWED = {"public-domain", "CC0-1.0", "MIT", "Apache-2.0", "PSF-2.0", "BSD-3-Clause", "CC-BY-4.0"}


@pytest.fixture(scope="module")
def sample() -> dict[str, list[Document]]:
    return {side: list(read_documents([sample_file(side)])) for side in SIDES}


def test_the_sample_is_between_four_and_six_megabytes_compressed():
    total = sum(sample_file(side).stat().st_size for side in SIDES)
    assert 4_000_000 < total < 6_000_000


def test_every_domain_has_text_on_every_side(sample):
    for side, least in (("train", 4_000_000), ("dev", 90_000), ("test", 90_000)):
        sizes: Counter[str] = Counter()
        for document in sample[side]:
            sizes[document.domain] += document.size
        assert set(sizes) == {"en", "zh", "code", "maths"}
        assert min(sizes.values()) > least


def test_no_work_is_on_two_sides(sample):
    sides = defaultdict(set)
    for side in SIDES:
        for document in sample[side]:
            sides[document.work].add(side)
    assert {work for work, found in sides.items() if len(found) > 1} == set()


def test_every_licence_is_allowed_and_every_source_is_stated(sample):
    documents = [document for side in SIDES for document in sample[side]]
    assert {document.licence for document in documents} <= ALLOWED
    assert "unstated" not in {document.source for document in documents}


def shingles(text: str) -> set[tuple[str, ...]]:
    """Eight words in a row, where a Chinese character is a word; numbers are all alike."""
    words = re.findall(r"\d+|[^\W\d_]", re.sub(r"[a-z]+", lambda m: f"{hash(m[0])} ", text.lower()))
    return {tuple(words[i : i + 8]) for i in range(max(1, len(words) - 7))}


def test_no_held_out_document_has_a_near_duplicate_in_another_side(sample):
    # Exact Jaccard and containment of word shingles over an inverted index: another unit, another
    # measure and another code path than the hashed windows of curate.
    held = [(side, d) for side in ("test", "dev") for d in sample[side]]
    sets = [shingles(document.text) for _, document in held]
    index = defaultdict(list)
    for number, found in enumerate(sets):
        for shingle in found:
            index[shingle].append(number)
    near = []
    for side in SIDES:
        for document in sample[side]:
            mine = shingles(document.text)
            common = Counter(n for s in mine & index.keys() for n in index[s] if held[n][0] != side)
            for number, count in common.items():
                smaller = min(len(mine), len(sets[number]))
                if smaller >= 8 and count / smaller > 0.3:
                    near.append((side, document.id, held[number][1].id, count / smaller))
    assert near == []


def test_sources_and_licences_say_what_the_data_hold(sample):
    text = (DIRECTORY / "SOURCES.md").read_text(encoding="utf-8")
    for side in SIDES:
        for domain in ("en", "zh", "code", "maths"):
            mine = [d for d in sample[side] if d.domain == domain]
            assert f"| {domain} | {side} | {len(mine)} | {sum(d.size for d in mine)} |" in text
        for document in sample[side]:
            work = re.sub(r"^law/([^/]+)/.*", r"law/\1/*", document.work)
            work = re.sub(r"^gsm8k-train/.*", "gsm8k-train/*", work)
            assert re.search(
                rf"(?m)^\| {re.escape(work)} \| {document.domain} \| {side} \|.*"
                rf"\| {re.escape(document.licence)} \| {re.escape(document.source)} \|$",
                text,
            )
            assert document.id.split("#")[0].removeprefix(document.work).lstrip("/") in text
    notices = (DIRECTORY / "LICENSES.md").read_text(encoding="utf-8")
    for words in ("Permission is hereby granted", "Python Software Foundation", "Open Logic"):
        assert words in notices


def test_the_sample_has_no_markup_left_over(sample):
    prose = [d for side in SIDES for d in sample[side] if d.domain in ("en", "zh")]
    marks = re.compile(r"</?(strong|div|p|br|span)\b|<!--|\r|\ufffd")
    assert [d.id for d in prose if marks.search(d.text)] == []
