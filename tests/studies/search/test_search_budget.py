"""How many members are measured where nobody says."""

from __future__ import annotations

import pytest

from farthing.studies.search.config import SearchConfig
from farthing.studies.search.run import with_budget

ASKED = SearchConfig(limit="active", bound=1.0)


@pytest.mark.parametrize(
    ("trained", "evaluations"),
    # 4 % of three passes over what was trained, at 8,192 tokens for each member.
    [(10_000, 48), (8_192_000, 120), (10**9, 400)],
)
def test_the_budget_is_a_share_of_the_training(trained: int, evaluations: int):
    assert with_budget(ASKED, trained, 8192).evaluations == evaluations


@pytest.mark.parametrize("own", [{"evaluations": 7}, {"seconds": 2.5}])
def test_a_budget_of_ones_own_stays(own):
    asked = ASKED.model_copy(update=own)
    assert with_budget(asked, 10**9, 8192) == asked
