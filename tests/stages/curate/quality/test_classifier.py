"""The classifier: what it learns, what it is measured by, what it refuses."""

from __future__ import annotations

import random

import numpy as np
import pytest

from farthing.documents.batch import large_strings, text_bytes
from farthing.errors import ArtifactError, CorpusError
from farthing.kernels.words import split_words
from farthing.stages.curate.quality.classifier import Classifier, learn, ranking_auc
from farthing.stages.curate.quality.examples import LEAST, draw_examples

GOOD = ["theorem", "proof", "lemma", "converges", "integral", "bounded", "定", "理", "证", "明"]
ORDINARY = ["click", "subscribe", "banner", "cookies", "login", "cart", "点", "击", "购", "买"]
COMMON = ["the", "of", "and", "to", "a", "in", "is", "的", "是", "在", "了", "有"]


def texts_of(words, count, seed, lines=1):
    """Texts in which one word in six tells the side."""
    source = random.Random(seed)
    return [
        "\n".join(
            " ".join(source.choice(words if source.random() < 1 / 6 else COMMON) for _ in range(12))
            for _ in range(lines)
        )
        for _ in range(count)
    ]


def batches(texts, size=64):
    return [large_strings(texts[place : place + size]) for place in range(0, len(texts), size)]


def learned(good, ordinary, *, seed=0, most=10_000):
    examples = draw_examples(batches(good), batches(ordinary), most=most, seed=seed)
    return learn(examples, seed=seed)


def scores_of(classifier, texts):
    data, offsets = text_bytes(large_strings(texts))
    return classifier.score(split_words(data, offsets), data, offsets)


@pytest.fixture(scope="module")
def trained():
    return learned(texts_of(GOOD, 400, 1), texts_of(ORDINARY, 300, 2))


def test_good_and_ordinary_texts_never_seen_are_told_apart(trained):
    assert (trained.good, trained.ordinary) == (400, 300)
    assert trained.auc > 0.95
    good = scores_of(trained.classifier, texts_of(GOOD, 200, 3))
    ordinary = scores_of(trained.classifier, texts_of(ORDINARY, 200, 4))
    pairs = np.sign(good[:, None] - ordinary[None, :]).mean()
    assert pairs > 0.9


def test_texts_that_do_not_differ_have_an_auc_of_a_half():
    same = learned(texts_of(COMMON, 1500, 5), texts_of(COMMON, 1500, 6))
    assert same.auc == pytest.approx(0.5, abs=0.12)


def test_the_same_examples_and_seed_give_the_same_weights(trained):
    again = learned(texts_of(GOOD, 400, 1), texts_of(ORDINARY, 300, 2))
    assert again.classifier.digest == trained.classifier.digest
    assert again.auc == trained.auc
    other = learned(texts_of(GOOD, 400, 1), texts_of(ORDINARY, 300, 2), seed=1)
    assert other.classifier.digest != trained.classifier.digest


def test_batches_do_not_change_what_is_drawn():
    good, ordinary = texts_of(GOOD, 500, 1), texts_of(ORDINARY, 500, 2)
    drawn = [
        draw_examples(batches(good, size), batches(ordinary, size), most=250, seed=3)
        for size in (17, 500)
    ]
    assert len(drawn[0].labels) == 500
    for name in ("features", "firsts", "labels"):
        assert (getattr(drawn[0], name) == getattr(drawn[1], name)).all()


def test_every_example_is_as_likely_to_be_drawn():
    numbered = [f"word{number}" for number in range(600)]
    hashes = [draw_examples(batches([text] * LEAST), batches([text] * LEAST), most=LEAST, seed=0)
              for text in (numbered[0], numbered[-1])]  # fmt: skip
    first, last = (examples.features[0] for examples in hashes)
    hits = np.zeros(2)
    for seed in range(60):
        drawn = draw_examples(batches(numbered), batches(numbered), most=200, seed=seed)
        hits += [first in drawn.features[:200], last in drawn.features[:200]]
    # Sixty draws of a third: 20 with a deviation of 3.7.
    assert (np.abs(hits - 20) < 12).all()


@pytest.mark.parametrize("side", ["good", "ordinary"])
def test_too_few_examples_of_a_side_are_refused(side):
    few, many = [*texts_of(GOOD, LEAST - 1, 1), "", "...!"], texts_of(GOOD, LEAST, 2)
    sides = {"good": batches(many), "ordinary": batches(many), side: batches(few)}
    with pytest.raises(CorpusError, match=rf"199 {side} examples .*\n.*quality\.{side}"):
        draw_examples(sides["good"], sides["ordinary"], most=1000, seed=0)


def test_the_first_and_last_lines_of_long_texts_do_not_count(trained):
    body = texts_of(COMMON, 1, 7, lines=40)[0].split("\n")
    good = "\n".join([" ".join(GOOD)] * 5 + body[5:-5] + [" ".join(GOOD)] * 5)
    ordinary = "\n".join([" ".join(ORDINARY)] * 5 + body[5:-5] + [" ".join(ORDINARY)] * 5)
    same, too = scores_of(trained.classifier, [good, ordinary])
    assert same == too
    short, shorter = scores_of(trained.classifier, [good[:200], ordinary[:200]])
    assert short > shorter


def test_a_text_scores_the_same_in_every_batch_and_nothing_scores_nothing(trained):
    texts = [*texts_of(GOOD, 5, 8), "", "…", *texts_of(ORDINARY, 5, 9)]
    together = scores_of(trained.classifier, texts)
    alone = [scores_of(trained.classifier, [text])[0] for text in texts]
    assert together.dtype == np.float32
    assert together.tolist() == alone
    assert (together[5:7] == 0).all()


def test_a_saved_classifier_scores_the_same(trained, tmp_path):
    path = tmp_path / "classifier.npz"
    trained.classifier.save(path)
    first = path.read_bytes()
    loaded = Classifier.load(path)
    assert loaded.digest == trained.classifier.digest
    loaded.save(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("damage", ["missing", "cut", "size"])
def test_a_damaged_classifier_is_an_error_with_a_remedy(trained, tmp_path, damage):
    path = tmp_path / "classifier.npz"
    if damage == "cut":
        trained.classifier.save(path)
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "size":
        np.savez(path, weights=np.zeros((4, 1), dtype=np.float32))
    with pytest.raises(ArtifactError, match="remedy"):
        Classifier.load(path)


@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_the_share_of_pairs_in_order(ties):
    source = np.random.default_rng(0)
    scores = source.normal(size=60).astype(np.float32)
    if ties:
        scores = np.round(scores)
    labels = (source.random(60) < 0.4).astype(np.int8)
    pairs = [
        1.0 if good > other else 0.5 if good == other else 0.0
        for good in scores[labels == 1]
        for other in scores[labels == 0]
    ]
    assert ranking_auc(scores, labels) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


def test_auc_of_one_side_alone_is_not_a_number():
    assert np.isnan(ranking_auc(np.ones(3, dtype=np.float32), np.ones(3, dtype=np.int8)))
