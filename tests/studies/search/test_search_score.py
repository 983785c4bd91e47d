"""The quick score against the definition, the paired difference against bits per byte."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.stages.evaluate.calibration import calibration_text
from farthing.studies.search.score import held_out_nats, paired_difference, search_bpb
from farthing.text.corpus import Corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("score")
    lines = []
    for language, letters in (("en", "abcdefgh "), ("zh", "山水花草日月")):
        for work in range(30):
            source = random.Random(f"{language}{work}")
            text = "".join(source.choice(letters) for _ in range(source.randint(20, 90)))
            line = f'{{"id": "{language}{work}", "text": "{text}", "language": "{language}"}}\n'
            lines.append(line)
    (folder / "raw.jsonl").write_text("".join(lines), encoding="utf-8")
    settings = CurateConfig(
        sources=(str(folder / "raw.jsonl"),),
        until="raw",
        workers=1,
        tokenizer="bytes",
        held_out_share=0.2,
    )
    return curate(settings, folder / "corpus", "key").corpus


@pytest.fixture(scope="module")
def model(sizes, corpus: Corpus) -> Transformer:
    made = Transformer(sizes, corpus.vocab_size, corpus.tokenizer.end_of_text)
    initialize(made, 0)
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draws))
    return made.eval()


MEMBERS = ("5L-4E-2K", "3L-2E-1K")


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("batch", [1, 4])
def test_the_search_text_is_scored_window_by_window(model, corpus, member: str, batch: int):
    shape = Shape.parse(member, model.config)
    text = calibration_text(corpus, context=model.config.context, sequences=10, seed=3)
    expected = []
    for each in text.batches.values():
        nats = count = 0.0
        for row in torch.from_numpy(each.tokens):
            with torch.no_grad():
                logp = model(row[None, :-1], shape)[0].log_softmax(-1)
            for place, target in enumerate(row[1:].tolist()):
                if target != model.end_of_text:
                    nats -= float(logp[place, target])
                    count += 1
        # Bytes are tokens here.
        expected.append(nats / math.log(2) / count)
    found = search_bpb(model, shape, text, batch_sequences=batch)
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_windows_add_up_to_the_bits_per_byte_of_the_text(model, corpus):
    shape = Shape.parse(MEMBERS[1], model.config)
    for domain in corpus.domains:
        size = corpus.bytes("dev", domain)
        nats = held_out_nats(model, shape, corpus, "dev", domain, 3)
        expected = bits_per_byte(
            model, shape, corpus.shard("dev", domain), text_bytes=size, batch_sequences=3
        )
        assert nats.sum() / math.log(2) / size == pytest.approx(expected, rel=1e-6)


def test_a_paired_difference_and_its_error_against_redrawn_windows(model, corpus):
    shapes = [Shape.parse(member, model.config) for member in MEMBERS]
    found = paired_difference(model, *shapes, corpus, split="dev", batch_sequences=4)
    draws = np.random.default_rng(0)
    means, windows = np.zeros(4000), 0
    total = 0.0
    for domain in corpus.domains:
        nats = [held_out_nats(model, shape, corpus, "dev", domain, 4) for shape in shapes]
        bits = (nats[0] - nats[1]) / math.log(2) / corpus.bytes("dev", domain)
        windows += len(bits)
        total += bits.sum()
        means += draws.choice(bits, (4000, len(bits))).sum(axis=1)
    assert found.windows == windows
    assert found.mean == pytest.approx(total / len(corpus.domains))
    # The bootstrap divides by n, the formula by n - 1: a few windows tell the two apart a little.
    assert found.standard_error == pytest.approx((means / len(corpus.domains)).std(), rel=0.15)


def test_a_member_does_not_differ_from_itself(model, corpus):
    shape = Shape.parse(MEMBERS[0], model.config)
    found = paired_difference(model, shape, shape, corpus, split="dev", batch_sequences=4)
    assert (found.mean, found.standard_error) == (0.0, 0.0)
