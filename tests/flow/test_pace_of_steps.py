"""A few training steps timed before a run: how many, which count, that nothing is left of them."""

import pytest
import torch

from farthing.bench.text import sample_corpus
from farthing.cost.architecture import architecture_of
from farthing.flow.config import RunConfig
from farthing.flow.pace import measure_pace
from farthing.model.shape import Shape
from farthing.predict.local import reference_seconds
from farthing.recipes.loader import load_recipe
from farthing.stages.train.elastic_expectation import expected_step_flops


@pytest.fixture(scope="module")
def run():
    return load_recipe("smoke", ["train.elastic=null"], RunConfig)


@pytest.fixture(scope="module")
def corpus(run, tmp_path_factory):
    place = tmp_path_factory.mktemp("pace") / "corpus"
    return sample_corpus(run.corpus, run.model.context, place)


class Steps:
    """A clock by which the steps take what the test says."""

    def __init__(self, *seconds):
        self._seconds = list(seconds)
        self._now = 0.0
        self._inside = False

    def __call__(self):
        if self._inside:
            self._now += self._seconds.pop(0)
        self._inside = not self._inside
        return self._now


def of_reference(run, corpus, seconds):
    sizes = architecture_of(run.model, corpus.vocab_size, Shape.full(run.model))
    flops = expected_step_flops(run.train, run.model, corpus.vocab_size)
    tokens = run.train.batch_sequences * run.model.context
    return seconds / reference_seconds(sizes, tokens, flops)


def test_the_pace_is_that_of_the_steps_after_the_first_two(run, corpus):
    clock = Steps(4.0, 4.0, *[0.5] * 30)
    found = measure_pace(run, corpus, clock)
    # Documents end inside windows, so a real step attends to a little less than is reckoned.
    assert found.pace == pytest.approx(of_reference(run, corpus, 0.5), rel=0.1)
    assert found.threads == 1


def test_where_a_step_takes_long_one_is_enough(run, corpus):
    found = measure_pace(run, corpus, Steps(60.0))
    assert found.pace == pytest.approx(of_reference(run, corpus, 60.0), rel=0.1)
    assert found.high / found.low > 1.9


def test_a_real_clock_ends_and_leaves_the_threads_as_they_were(run, corpus):
    before = torch.get_num_threads()
    found = measure_pace(run, corpus)
    assert 0.05 < found.pace < 1000
    assert torch.get_num_threads() == before
