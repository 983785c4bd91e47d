"""Published models by the names that people type."""

import pytest

from farthing.cost.parameters import architecture_parameters
from farthing.cost.published import PublishedModel, find_published
from farthing.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("deepseek-v3", "DeepSeek-V3"),
        ("gpt-3", "GPT-3 175B"),
        ("GPT 3", "GPT-3 175B"),
        ("llama-3.1-405b", "Llama 3.1 405B"),
        ("olmo-3", "Olmo 3 32B"),
        ("olmo-3-7b", "Olmo 3 7B"),
        ("ernie-4.5", "ERNIE-4.5-300B-A47B"),
    ],
)
def test_short_names_find_their_model(asked, name):
    assert find_published(asked).name == name


@pytest.mark.parametrize("asked", ["granite", "unheard-of", ""])
def test_names_of_several_or_of_none_are_refused_with_the_names(asked):
    with pytest.raises(UsageError) as caught:
        find_published(asked)
    assert "Granite 3.0 8B" in caught.value.remedy


def test_the_sizes_of_ernie_give_the_parameters_of_its_name():
    model = find_published("ernie-4.5")
    count = architecture_parameters(model.sizes)
    assert count.total == pytest.approx(300e9, rel=0.005)
    # Of 47 billion active ones: one of the embedding and output matrices is counted there.
    one_matrix = model.sizes.width * model.sizes.vocabulary
    assert count.active - one_matrix == pytest.approx(47e9, rel=0.005)


def test_of_ernie_no_tokens_are_told():
    assert not isinstance(find_published("ernie-4.5"), PublishedModel)
