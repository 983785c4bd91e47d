"""The recipe for one's own text: it asks for sources, and trains the quick start's model."""

import pytest

from farthing.errors import CorpusError
from farthing.flow import RunConfig
from farthing.recipes.loader import load_recipe
from farthing.stages.curate.profiles import build_rules
from farthing.stages.curate.sources import find_sources


def test_without_sources_it_asks_for_them_and_takes_no_sample():
    with pytest.raises(CorpusError, match="no sources are named"):
        find_sources(load_recipe("pile", [], RunConfig).corpus)


def test_it_trains_the_model_of_the_quick_start_on_the_mixture_of_the_corpus():
    pile, quickstart = (load_recipe(name, [], RunConfig) for name in ("pile", "quickstart"))
    assert pile.model == quickstart.model
    assert pile.train == quickstart.train.model_copy(update={"mixture": None})
    assert pile.corpus.mixture.stated


def test_the_rules_that_it_spells_are_those_that_hold_anyway():
    pile, quickstart = (load_recipe(name, [], RunConfig) for name in ("pile", "quickstart"))
    assert build_rules(pile.corpus.rules) == build_rules(quickstart.corpus.rules)
