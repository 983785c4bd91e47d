"""A tiny recipe, built as the bench builds it."""

from __future__ import annotations

import pytest
import torch

from farthing.bench.subject import Subject, make_subject
from farthing.bench.text import sample_corpus
from farthing.flow import RunConfig
from farthing.recipes.loader import load_recipe


@pytest.fixture(scope="session")
def bench_run() -> RunConfig:
    return load_recipe("smoke", ["train.micro_sequences=2"], RunConfig)


@pytest.fixture(scope="session")
def bench_corpus(bench_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("bench") / "corpus"
    return sample_corpus(bench_run.corpus, bench_run.model.context, place)


@pytest.fixture
def build_subject(bench_corpus):
    """Makes a step that has been taken a few times, so that no gradient is empty."""

    def build(run: RunConfig) -> Subject:
        made = make_subject(run, bench_corpus, torch.device("cpu"))
        for step in range(4):
            made.whole_step(step)
        return made

    return build


@pytest.fixture
def subject(bench_run, build_subject):
    return build_subject(bench_run)
