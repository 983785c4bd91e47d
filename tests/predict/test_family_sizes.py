"""From active parameters to a supernet: near what was asked, in the proportions of the recipes."""

import itertools
import json
from pathlib import Path

import pytest
import zstandard
from pydantic import ConfigDict

import farthing
from farthing.errors import PlanError
from farthing.flow.config import RunConfig
from farthing.model.shape import Shape, distinct_shapes
from farthing.predict import sizes
from farthing.recipes.loader import load_recipe

ASKED = [5e4, 3e5, 1e6, 3e6, 2e7, 1e8, 1e9, 2e10, 3e11]


@pytest.mark.parametrize("active", ASKED)
def test_a_family_has_about_the_active_parameters_that_were_asked_for(active):
    family = sizes.family_of(active)
    assert family.active == pytest.approx(active, rel=0.15)
    assert family.count(family.members[0]).active_non_embedding == family.active


@pytest.mark.parametrize("active", ASKED)
def test_the_members_are_different_shapes_that_the_supernet_holds_and_itself_first(active):
    family = sizes.family_of(active)
    shapes = distinct_shapes(family.members, family.model)
    assert shapes[0] == Shape.full(family.model)
    counts = [family.count(member).total for member in family.members]
    assert max(counts) == counts[0]
    assert len(shapes) in (3, 4)


def test_larger_families_are_wider_deeper_and_read_longer_contexts_with_more_words():
    families = [sizes.family_of(active) for active in ASKED]
    for one, next_one in itertools.pairwise(families):
        assert one.model.hidden_dim < next_one.model.hidden_dim
        assert one.model.context <= next_one.model.context
        assert one.vocabulary <= next_one.vocabulary


def test_at_the_size_of_the_recipe_compare_1m_the_rules_say_what_it_says():
    recipe = load_recipe("compare-1m", [], _Anything)
    model, train = recipe.model, recipe.train
    family = sizes.family_of(9.4e5)
    assert abs(family.model.num_layers - model.num_layers) <= 1
    assert family.model.hidden_dim == pytest.approx(model.hidden_dim, rel=0.15)
    assert (family.model.num_experts, family.model.top_k) == (model.num_experts, model.top_k)
    assert (family.vocabulary, family.model.context) == (4096, model.context)
    optimizer = train.optimizer
    assert sizes.learning_rates(model.hidden_dim) == {
        "muon_learning_rate": optimizer.muon_learning_rate,
        "embedding_learning_rate": optimizer.embedding_learning_rate,
        "output_learning_rate": optimizer.output_learning_rate,
        "other_learning_rate": optimizer.other_learning_rate,
    }
    tokens = train.steps * train.batch_sequences * model.context
    batch = sizes.batch_sequences(tokens, model.context)
    assert batch == pytest.approx(train.batch_sequences, rel=0.5)
    assert sizes.members_of(model, 4)[1:3] == train.elastic.sizes[1:]


def test_the_batch_follows_the_published_law():
    tokens = 1e10
    assert sizes.batch_sequences(tokens, 2048) * 2048 == pytest.approx(0.58 * 1e10**0.571, abs=2048)
    assert sizes.batch_sequences(tokens, 2048, multiple=64) % 64 == 0


def test_text_bounds_the_tokens_and_the_rule_does_otherwise():
    assert sizes.tokens_for(1e6) == 2e7
    assert sizes.tokens_for(1e6, most=3e6) == 3e6


def test_the_bytes_of_the_sample_are_those_of_its_training_text():
    path = Path(farthing.__file__).parent / "text" / "sample" / "train.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = stream.read().decode("utf-8").split("\n")
    counted = sum(len(json.loads(line)["text"].encode()) for line in lines if line)
    assert counted == sizes.SAMPLE_BYTES


@pytest.mark.parametrize(("active", "members"), [(10.0, 4), (1e14, 4), (1e6, 0), (1e6, 9)])
def test_sizes_that_no_rule_reaches_are_refused(active, members):
    with pytest.raises(PlanError) as caught:
        sizes.family_of(active, members=members)
    assert caught.value.remedy


class _Anything(RunConfig):
    """`compare-1m` has settings of its study beside those of a run."""

    model_config = ConfigDict(extra="ignore")
