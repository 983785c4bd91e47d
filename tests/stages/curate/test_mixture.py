from __future__ import annotations

import json
from collections import Counter

import pytest
from encoded_corpora import made_up_rows, make_corpus

from farthing.artifacts.canonical import digest_file
from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.stages.curate.mixture import (
    describe_mixture,
    make_mixture,
    read_too_often,
    searched_digest,
)
from farthing.stages.curate.settings.mixture import MixtureConfig
from farthing.text.batches import Batches
from farthing.text.tokenizer import byte_vocabulary

TOKENS = {"en": 8_000_000, "zh": 1_000_000, "code": 1_000}


def config(**settings) -> MixtureConfig:
    return parse_config(MixtureConfig, settings, where="x")


def shares(**settings) -> dict[str, tuple[float, ...]]:
    mixture = make_mixture(config(**settings), TOKENS)
    assert mixture is not None
    return {each.stream: each.weights for each in mixture.streams}


def test_by_size_in_one_phase_nothing_is_stated():
    assert make_mixture(MixtureConfig(), TOKENS) is None


def test_by_temperature_sizes_are_raised_to_a_power():
    # By hand: 8000 : 1000 : 1 to the power of 1/3 is 20 : 10 : 1.
    found = shares(by="temperature", size_exponent=1 / 3)
    assert found == {
        "en": (pytest.approx(20 / 31),),
        "zh": (pytest.approx(10 / 31),),
        "code": (pytest.approx(1 / 31),),
    }


def test_by_hand_weights_need_not_sum_to_one_and_who_is_not_named_is_left_out():
    assert shares(by="hand", weights={"en": 3, "zh": 1}) == {
        "en": (0.75,),
        "zh": (0.25,),
        "code": (0.0,),
    }


def test_searched_weights_come_from_a_file_whose_digest_is_noted(tmp_path):
    file = tmp_path / "found.json"
    file.write_text(json.dumps({"weights": {"zh": 2, "code": 2}, "score": 1}))
    settings = config(by="searched", searched=str(file))
    mixture = make_mixture(settings, TOKENS)
    assert {each.stream: each.weights[0] for each in mixture.streams}["zh"] == 0.5
    described = describe_mixture(settings, mixture)
    assert described["mixture_by"]["searched_sha256"] == digest_file(file)
    assert searched_digest(settings) == digest_file(file)
    assert searched_digest(MixtureConfig()) is None


@pytest.mark.parametrize(
    "text", ["{}", '{"weights": {"zh": "x"}}', '{"weights": {"zh": -1}}', "[", '{"weights": {}}']
)
def test_a_file_without_weights_is_refused(tmp_path, text):
    file = tmp_path / "found.json"
    file.write_text(text)
    with pytest.raises(ConfigError):
        make_mixture(config(by="searched", searched=str(file)), TOKENS)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        searched_digest(config(by="searched", searched=str(file)))


def test_phases_have_weights_of_their_own_or_those_of_the_whole():
    phases = [{"until": 0.8}, {"until": 1.0, "weights": {"code": 1}}]
    found = shares(by="hand", weights={"en": 1, "zh": 1}, phases=phases)
    assert found == {"en": (0.5, 0.0), "zh": (0.5, 0.0), "code": (0.0, 1.0)}


def test_epochs_of_each_domain_and_a_word_where_one_is_read_too_often():
    phases = [{"until": 0.8}, {"until": 1.0, "weights": {"zh": 1}}]
    mixture = make_mixture(config(by="hand", weights={"en": 1, "zh": 1}, phases=phases), TOKENS)
    # 10 million tokens: 4 of en; 4 and then 2 of zh, which has one.
    assert mixture.epochs(10_000_000) == pytest.approx({"en": 0.5, "zh": 6.0, "code": 0.0})
    (warning,) = read_too_often(mixture, 10_000_000, most_epochs=4)
    assert warning.startswith("zh is read 6.0 times in 10,000,000 tokens")
    assert read_too_often(mixture, 10_000_000, most_epochs=6.5) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "hand"}, "go together"),
        ({"weights": {"en": 1}}, "go together"),
        ({"by": "searched"}, "go together"),
        ({"by": "hand", "weights": {"en": -1}}, "from 0 up"),
        ({"by": "hand", "weights": {"en": 0}}, "above 0"),
        ({"phases": [{"until": 0.8}]}, "must be 1.0"),
        ({"phases": [{"until": 0.8}, {"until": 0.8}, {"until": 1.0}]}, "must rise"),
        ({"by": "temperature", "size_exponent": 1.5}, "size_exponent"),
    ],
)
def test_settings_that_make_no_mixture_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        config(**settings)


def test_a_domain_that_is_not_there_is_refused_by_name():
    settings = config(phases=[{"until": 0.5}, {"until": 1.0, "weights": {"fr": 1}}])
    with pytest.raises(ConfigError, match=r"phase 2 of .* names 'fr'"):
        make_mixture(settings, TOKENS)


STREAMS = {"en.1": "en", "en.2": "en", "en.3": "en"}
DIVIDED = {
    **{"en": 0, "zh": 1_000_000, "code": 1_000},
    **{"en.1": 1_000_000, "en.2": 2_000_000, "en.3": 5_000_000},
}


def shares_of_streams(**settings) -> dict[str, tuple[float, ...]]:
    mixture = make_mixture(config(**settings), DIVIDED, STREAMS)
    assert mixture is not None
    domains = {each.stream: each.domain for each in mixture.streams}
    assert domains == {**STREAMS, "zh": "zh", "code": "code"}
    return {each.stream: each.weights for each in mixture.streams}


def test_by_temperature_a_divided_domain_counts_as_a_whole():
    # As of 8000 : 1000 : 1 above; the 20 of en are shared out as 1 : 2 : 5.
    found = shares_of_streams(by="temperature", size_exponent=1 / 3)
    parts = {"en.1": 2.5, "en.2": 5.0, "en.3": 12.5, "zh": 10.0, "code": 1.0}
    assert found == {name: (pytest.approx(part / 31),) for name, part in parts.items()}


def test_by_hand_a_part_or_a_divided_domain_is_weighed():
    phases = [{"until": 0.8}, {"until": 1.0, "weights": {"en.1": 3, "zh": 1}}]
    assert shares_of_streams(by="hand", weights={"en": 8, "zh": 2}, phases=phases) == {
        "en.1": (pytest.approx(0.1), 0.75),
        "en.2": (pytest.approx(0.2), 0.0),
        "en.3": (pytest.approx(0.5), 0.0),
        "zh": (pytest.approx(0.2), 0.25),
        "code": (0.0, 0.0),
    }


def test_a_domain_and_its_part_are_not_weighed_at_a_time():
    with pytest.raises(ConfigError, match=r"names 'en' and its part 'en\.2'"):
        shares_of_streams(by="hand", weights={"en": 1, "en.2": 1})


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_what_has_no_training_text_is_not_drawn_from(exponent):
    tokens = {**TOKENS, "gone": 0}
    mixture = make_mixture(config(by="temperature", size_exponent=exponent), tokens)
    assert {each.stream: each.weights for each in mixture.streams}["gone"] == (0.0,)
    with pytest.raises(ConfigError, match="weighs 'gone', of which no training text is left"):
        make_mixture(config(by="hand", weights={"en": 1, "gone": 1}), tokens)


def test_training_reads_the_mixture_that_the_corpus_states_unless_it_has_its_own(tmp_path):
    phases = [{"until": 0.5}, {"until": 1.0, "weights": {"zh": 3, "en": 1}}]
    settings = config(by="hand", weights={"en": 1}, phases=phases)
    tokens = {"en": 999, "zh": 999}
    stated = describe_mixture(settings, make_mixture(settings, tokens))
    rows = made_up_rows(200)
    corpus = make_corpus(tmp_path, [rows], byte_vocabulary(), more=stated)

    def drawn(first: int, **more) -> Counter[str]:
        batches = Batches(corpus, context=8, seed=1, **more)
        return Counter(batches.order.locate(first + i).domain for i in range(1024))

    assert drawn(0, weights=None, sequences=2048) == {"en": 1024}
    assert drawn(1024, weights=None, sequences=2048) == {"en": 256, "zh": 768}
    assert drawn(1024, weights=None) == {"en": 1024}
    assert drawn(0, weights={"zh": 1.0}, sequences=2048) == {"zh": 1024}
