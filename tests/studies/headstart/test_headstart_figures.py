"""What a beginning is worth, from cells whose answers are known."""

import math

import pytest

from farthing.studies.headstart.config import GrowthConfig, HeadstartSettings
from farthing.studies.headstart.figures import read_study
from farthing.studies.headstart.page import markdown, sentences
from farthing.studies.headstart.picture import picture

SEEDS = (0, 1)
SETTINGS = HeadstartSettings(
    seeds=SEEDS,
    members=("half",),
    lengths=(0.25, 0.5),
    longer=(1.0, 2.0),
    ways={"plain": (), "carried": ("start.optimizer=carried",)},
    grow={"stacked": GrowthConfig(member="half", share=0.25)},
)


@pytest.fixture
def cells(make_cell):
    """The elastic run costs 8, training on 2 or 4, runs from scratch up to 16."""
    every = []
    for seed, luck in ((0, 0.0), (1, 0.02)):
        every.append(make_cell("elastic", seed, [8.0], {"full": 2.0 + luck, "half": 2.1 + luck}))
        for length, plain, carried in ((0.25, 2.2, 2.0), (0.5, 1.9, 1.8)):
            for way, bpb in (("plain", plain), ("carried", carried + luck)):
                name, costs = f"half/{way}", [8.0, 8.0 * length]
                cell = make_cell(
                    "continued", seed, costs, {"half": bpb + luck}, name=name, length=length
                )
                every.append(cell)
        for length, bpb in ((0.25, 2.8), (0.5, 2.4), (1.0, 2.0), (2.0, 1.6)):
            whole = {"half": bpb + luck}
            every.append(
                make_cell("scratch", seed, [8.0 * length], whole, name="half", length=length)
            )
        family = {"full": 1.9 + luck, "half": 2.2 + 2 * luck}
        every.append(make_cell("grown", seed, [2.0, 6.0], family, name="stacked"))
    return every


def test_training_on_is_compared_with_the_cut_member_and_with_the_first_way(cells):
    (curves,) = read_study(cells, SETTINGS).members
    assert curves.cut.values == pytest.approx((2.1, 2.12))
    assert curves.parent == {"flops": 8.0, "device_seconds": 16.0}
    plain, carried = curves.ways["plain"], curves.ways["carried"]
    assert [end.length for end in plain] == [0.25, 0.5]
    assert plain[0].since_cut.values == pytest.approx((0.1, 0.1))
    assert plain[0].over_first is None
    assert carried[1].over_first.values == pytest.approx((-0.1, -0.08))
    assert carried[1].spent == {"flops": 4.0, "device_seconds": 8.0}


def test_from_scratch_is_taken_at_the_extra_and_at_the_total_cost(cells):
    (curves,) = read_study(cells, SETTINGS).members
    short, long = curves.ways["plain"]
    assert short.over_scratch["flops"]["extra"].values == pytest.approx((-0.6, -0.6))
    assert long.over_scratch["device_seconds"]["extra"].values == pytest.approx((-0.5, -0.5))
    # 8 + 4 lies between the runs of 8 and of 16, on the logarithm.
    there = 2.0 - 0.4 * math.log(12 / 8) / math.log(2)
    assert long.over_scratch["flops"]["total"].mean == pytest.approx(1.9 - there)
    # A half by active FLOPs: the two members have the same.
    assert curves.share == 0.5
    assert long.over_scratch["flops"]["amortised"].values == pytest.approx((-0.1, -0.1))
    assert curves.scratch_at_total["flops"][1][0] == 4.0
    assert curves.scratch_at_total["flops"][1][1].values[0] == pytest.approx(there)


def test_beyond_the_runs_from_scratch_nothing_is_said(cells):
    shorter = [cell for cell in cells if (cell.arm, cell.length) != ("scratch", 2.0)]
    (curves,) = read_study(shorter, SETTINGS).members
    over = curves.ways["plain"][0].over_scratch
    assert over["flops"]["total"] is None
    assert over["device_seconds"]["total"] is None
    assert over["flops"]["extra"] is not None
    assert curves.scratch_at_total["flops"] == ()


def test_a_grown_family_is_compared_member_by_member_at_what_both_runs_cost(cells):
    (grown,) = read_study(cells, SETTINGS).grown
    assert grown.differences["full"].values == pytest.approx((-0.1, -0.1))
    assert grown.differences["half"].values == pytest.approx((0.1, 0.12))
    assert grown.mean_difference.values == pytest.approx((0.0, 0.01))
    assert grown.cost["flops"].mean == pytest.approx(1.0)


def test_a_length_that_lacks_a_seed_is_left_out_and_what_broke_is_named(cells, make_cell):
    rest = [
        cell for cell in cells if (cell.name, cell.length, cell.seed) != ("half/carried", 0.25, 1)
    ]
    broken = make_cell(
        "continued", 1, [8.0], {}, name="half/carried", length=0.25, complaint="the loss broke (x)"
    )
    study = read_study([*rest, broken], SETTINGS)
    assert [end.length for end in study.members[0].ways["carried"]] == [0.5]
    assert sentences(study)[-1] == (
        "Nothing came of continued half/carried at length 0.25 with seed 1: the loss broke."
    )


def test_before_every_seed_has_its_elastic_run_there_are_no_figures(cells):
    study = read_study([cell for cell in cells if cell.arm != "elastic"], SETTINGS)
    assert study.members == study.grown == ()


def test_the_page_says_whether_it_paid(cells):
    study = read_study(cells, SETTINGS)
    page = markdown(study, SETTINGS, title="t", command="c", pictures={"half": ["a.svg"]})
    assert "For 50% more, best is carried: 1.8200" in page
    assert "0.5900 better (p = 0.0054) than the same size from scratch at equal extra FLOPs" in page
    assert "| carried | 25% | 10 | 2.0200 ± 0.0283 |" in page
    assert "Grown (stacked), the family is 0.0050 worse (p = 0.25, no more than chance)" in page
    assert "| stacked | half, 25% of the FLOPs | 10 + 10 |" in page
    drawn = picture(study.members[0], "flops")
    assert drawn.startswith("<svg ")
    for words in (">carried<", ">as cut out<", ">scratch, extra<", ">scratch, total<"):
        assert words in drawn
