"""The scaling law: its form against a calculation by hand, its limits, its move towards a text."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from farthing.errors import PlanError
from farthing.predict.curve import NAMES
from farthing.predict.law import REACH, law_of, shipped_law
from farthing.predict.points import shipped_points

QUICKSTART = {"tokens": 900 * 4096, "steps": 900, "smallest": 271_296}
# What docs/results/quickstart.md has: active and all parameters without embeddings, bits per byte.
MEASURED = {
    "6L-16E-4K": (588_096, 1_413_312, 2.004),
    "4L-8E-2K": (313_728, 557_568, 2.008),
    "4L-4E-1K": (271_296, 389_952, 2.010),
}


@pytest.fixture
def law():
    return shipped_law()


def test_the_quick_start_which_it_was_not_fitted_on_is_predicted_within_three_per_cent(law):
    assert "quickstart" not in {point.recipe for point in shipped_points()}
    for active, total, measured in MEASURED.values():
        found = law.bpb(active=active, total=total, **QUICKSTART)
        assert found.value == pytest.approx(measured, rel=0.03)
        assert found.low < found.value < found.high


def test_a_prediction_is_the_form_that_the_docstring_gives(law):
    c = dict(zip(NAMES, law.rows[0], strict=True))
    active, total, smallest, tokens, steps = 4e5, 1.2e6, 1e5, 5e6, 900
    n = smallest ** (1 - c["size_power"]) * active ** c["size_power"]
    kept = 1 - c["family_tax"]
    warm = c["warm_tokens"] * (n * total / active / 1e6) ** c["warm_power"]
    d = kept * tokens / (1 + warm / (kept * tokens) + c["warm_steps"] / (kept * steps))
    x = 482.01 / n**0.3478 + 2085.43 / d**0.3658
    by_hand = c["level"] * (1.8172 + c["bend"] * math.log(1 + x / c["bend"]))
    found = law.bpb(
        active=int(active), total=int(total), tokens=tokens, steps=steps, smallest=int(smallest)
    )
    assert found.value == pytest.approx(by_hand, rel=1e-9)


def test_at_scale_it_is_the_law_of_others_in_bits_of_its_own_text(law):
    c = dict(zip(NAMES, law.rows[0], strict=True))
    theirs = 1.8172 + 482.01 / 1e11**0.3478 + 2085.43 / 1e13**0.3658
    found = law.bpb(active=10**11, total=10**11, tokens=1e13, steps=1e6)
    assert found.value == pytest.approx(c["level"] * theirs, rel=0.005)


def test_more_of_anything_that_helps_lowers_the_loss(law):
    base = {"active": 400_000, "total": 1_000_000, "tokens": 4e6, "steps": 1000}
    at = law.bpb(**base).value
    assert law.bpb(**{**base, "tokens": 8e6, "steps": 2000}).value < at
    assert law.bpb(**{**base, "active": 800_000, "total": 2_000_000, "tokens": 4e7}).value < at
    assert law.bpb(**{**base, "steps": 100}).value > at
    assert law.bpb(**base, smallest=100_000).value > at


def test_ranges_widen_away_from_what_was_measured(law):
    def width(tokens, active):
        found = law.bpb(active=active, total=active, tokens=tokens, steps=tokens / 4096)
        return found.high / found.low

    assert width(5e6, 300_000) < width(5e8, 10**7) < width(5e10, 10**9)
    assert width(5e6, 300_000) < width(3e5, 300_000)


def test_asked_for_tokens_it_gives_those_that_reach_the_goal(law):
    sizes = {"active": 400_000, "total": 1_000_000, "smallest": 150_000}
    found = law.tokens_for(1.95, **sizes, batch_tokens=4096)
    steps = found.value / 4096
    assert law.bpb(**sizes, tokens=found.value, steps=steps).value == pytest.approx(1.95)
    assert found.low < found.value < found.high
    surely = law.bpb(**sizes, tokens=found.high, steps=found.high / 4096)
    assert surely.value < 1.95


def test_a_goal_that_no_training_reaches_is_refused_with_the_best_that_is_possible(law):
    with pytest.raises(PlanError, match=r"0\.5 bits per byte.*never gets below"):
        law.tokens_for(0.5, active=400_000, total=400_000, batch_tokens=4096)


def test_a_goal_beyond_the_limits_is_refused_unless_asked_for(law):
    sizes = {"active": 2_000_000, "total": 2_000_000, "batch_tokens": 65_536}
    with pytest.raises(PlanError, match=r"beyond the law: .* tokens are \S+ times those"):
        law.tokens_for(1.32, **sizes)
    assert law.tokens_for(1.32, **sizes, beyond=True).value > REACH * law.most_tokens


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"active": 10**9}, "active parameters"),
        ({"tokens": 1e12}, "tokens"),
        ({"active": 1000}, "active parameters"),
        ({"tokens": 1e4}, "tokens"),
        ({"steps": 3}, "steps"),
    ],
)
def test_it_says_which_limit_is_left(law, asked, word):
    inside = {"active": 400_000, "tokens": 4e6, "steps": 1000}
    assert law.outside(**inside) is None
    said = law.outside(**{**inside, **asked})
    assert said is not None
    assert f" {word} are " in said


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"active": -1}, {"steps": math.nan}])
def test_absurd_sizes_are_refused_by_name(law, wrong):
    asked = {"active": 400_000, "total": 400_000, "tokens": 4e6, "steps": 1000, **wrong}
    with pytest.raises(PlanError, match=next(iter(wrong))):
        law.bpb(**asked)


def of_text(factor, corpus="abc", recipes=1):
    """Points whose losses are the law's own times a factor."""
    law, made = shipped_law(), []
    for number in range(recipes):
        sizes = {"active": 300_000, "total": 800_000, "tokens": 2e6 * (1 + number), "steps": 900}
        point = replace(shipped_points()[-1], corpus=corpus, recipe=f"mine {number}", **sizes)
        made.append(replace(point, smallest=300_000, bpb=factor * law.bpb(**sizes).value))
    return made


ASKED = {"active": 300_000, "total": 800_000, "tokens": 4e6, "steps": 900}


def test_one_run_on_other_text_moves_the_level_nearly_all_the_way(law):
    moved = law_of(of_text(1.3)).bpb(**ASKED).value / law.bpb(**ASKED).value
    assert 1.29 < moved < 1.3


def test_one_run_on_the_sample_moves_its_level_a_part_of_the_way(law):
    moved = law_of(of_text(1.03, corpus="sample")).bpb(**ASKED).value / law.bpb(**ASKED).value
    assert 1.01 < moved < 1.028
    more = law_of(of_text(1.03, corpus="sample", recipes=5)).bpb(**ASKED).value
    assert moved < more / law.bpb(**ASKED).value < 1.03


def test_members_and_seeds_of_one_recipe_count_once():
    once, often = law_of(of_text(1.2)), law_of(of_text(1.2) * 10)
    assert often.bpb(**ASKED) == once.bpb(**ASKED)


def test_text_that_nobody_has_read_widens_the_range_and_says_so(law):
    unread, known = law_of((), corpus="abc"), law.bpb(**ASKED)
    found = unread.bpb(**ASKED)
    assert found.value == known.value
    assert found.high / found.low > 1.5 > known.high / known.low
    assert "no run here has read this text" in unread.basis
    read = law_of(of_text(1.0), corpus="abc").bpb(**ASKED)
    assert read.high / read.low < found.high / found.low


def test_runs_of_the_workspace_carry_the_limits_with_them(law):
    larger = [replace(point, active=10**8, tokens=1e10, recipe="big") for point in of_text(1.0)]
    assert law.outside(active=10**8, tokens=1e10, steps=1e4) is not None
    assert law_of(larger).outside(active=10**8, tokens=1e10, steps=1e4) is None


def test_asking_the_law_loads_neither_torch_nor_scipy():
    asked = (
        "import sys; from farthing.predict.law import law_of, shipped_law; "
        "from farthing.predict import fit, local; "
        "law_of(()).tokens_for(2.0, active=400_000, total=10**6, batch_tokens=4096); "
        "print({'torch', 'scipy'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_the_shipped_rows_are_a_fit_and_its_bootstrap(law):
    assert law.rows.shape == (201, len(NAMES))
    middle = np.median(law.rows[1:], axis=0)
    assert middle[0] == pytest.approx(law.rows[0, 0], rel=0.1)
    assert np.std(law.rows[1:, NAMES.index("alpha")]) == pytest.approx(0.02, rel=0.2)
