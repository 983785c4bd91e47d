"""Positions are computed here by hand, from the sizes that a chart states about itself."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from farthing.charts.bar import Part, draw_bar
from farthing.charts.curve import Band, CurveAxis, CurveDrawing, Dot, Piece, draw_curve
from farthing.charts.heat import HeatRow, draw_heat, load_class, quality_class
from farthing.charts.pareto import Member, draw_pareto
from farthing.charts.rows import Marker, Row, RowsDrawing, Value, draw_rows
from farthing.charts.scale import Scale, padded, round_ticks
from farthing.charts.svg import element, marked, text_width

DRAWING = CurveDrawing("c", "t", "d", 464.0, 268.0, 1)


def _marks(svg: str, kind: str = "") -> list[ET.Element]:
    found = [e for e in ET.fromstring(svg).iter("g") if "mark" in e.get("class", "").split()]
    return [e for e in found if kind in e.get("class", "").split() or not kind]


def _centre(mark: ET.Element) -> tuple[float, float]:
    circle = mark.find("circle")
    assert circle is not None
    return float(circle.get("cx", "")), float(circle.get("cy", ""))


def _texts(svg: str, kind: str) -> list[str]:
    every = ET.fromstring(svg).iter("text")
    return [e.text or "" for e in every if kind in e.get("class", "").split()]


def test_a_scale_is_linear_or_keeps_ratios():
    linear = Scale(0.0, 10.0, 100.0, 200.0)
    assert [linear(value) for value in (0, 2.5, 10)] == [100.0, 125.0, 200.0]
    log = Scale(1.0, 100.0, 0.0, 50.0, log=True)
    assert [log(value) for value in (1, 10, 100)] == pytest.approx([0.0, 25.0, 50.0])
    with pytest.raises(ValueError, match="no scale"):
        Scale(0.0, 1.0, 0.0, 1.0, log=True)


def test_ticks_are_round_and_inside():
    assert round_ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert round_ticks(0.0, 0.0017, 4) == [0.0, 0.0005, 0.001, 0.0015]
    assert round_ticks(2.003, 2.051, 5) == [2.01, 2.02, 2.03, 2.04, 2.05]
    assert Scale(3e-5, 4e-3, 0, 1, log=True).ticks(8) == pytest.approx(
        [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3]
    )
    assert Scale(1.0, 1e9, 0, 1, log=True).ticks(3) == [1.0, 1e4, 1e8]
    assert padded([2.0, 2.0]) != (2.0, 2.0)


def test_a_curve_puts_dollars_across_and_loss_up():
    dots = (Dot(1.0, 4.0, 4.0, 4.0, "one"), Dot(2.0, 2.0, 2.0, 2.0, "two"))
    svg = draw_curve([Piece(True, dots)], [], CurveAxis("$", str, 4.0), DRAWING)
    first, second = (_centre(mark) for mark in _marks(svg, "kept"))
    # 464 px wide less 46 left and 18 right: 100 px per dollar. 200 px high for 2.16 nats.
    assert first[0] == pytest.approx(146.0)
    assert second[0] == pytest.approx(246.0)
    assert second[1] - first[1] == pytest.approx(200.0 * 2.0 / 2.16, abs=0.2)
    assert _texts(svg, "end-label") == ["2.00"]


def test_lost_work_has_a_band_and_a_line_of_its_own():
    kept = Piece(True, (Dot(0.0, 4.0, 3.9, 4.1, "kept"), Dot(1.0, 3.0, 2.9, 3.1, "kept")))
    lost = Piece(False, (Dot(2.0, 3.0, 3.0, 3.0, "lost"),))
    bands = [Band(1.0, 2.0, "5 steps lost")]
    svg = draw_curve([kept, lost], bands, CurveAxis("$", str, 4.0), DRAWING)
    rect = next(e for e in ET.fromstring(svg).iter("rect") if e.get("class") == "lost-band")
    assert (float(rect.get("x", "")), float(rect.get("width", ""))) == (146.0, 100.0)
    assert _texts(svg, "lost-words") == ["5 steps lost"]
    assert len(_marks(svg, "lost")) == 1


def _members() -> list[Member]:
    return [
        Member(10.0, 2.0, "small", "s", on_front=True, ringed=False),
        Member(20.0, 1.0, "large", "l", on_front=True, ringed=True),
        Member(15.0, 1.5, "beaten", "b", on_front=False, ringed=False),
    ]


def test_the_pareto_picture_has_better_down_and_larger_right():
    svg = draw_pareto(_members(), "size", str, "p", "t")
    small, large = sorted(_centre(mark) for mark in _marks(svg, "front"))
    (beaten,) = (_centre(mark) for mark in _marks(svg, "beaten"))
    assert beaten[0] == pytest.approx((small[0] + large[0]) / 2, abs=0.1)
    assert small[0] < large[0]
    assert small[1] < beaten[1] < large[1]
    assert beaten[1] == pytest.approx((small[1] + large[1]) / 2, abs=0.1)
    assert set(_texts(svg, "name")) == {"small", "large", "beaten"}
    assert sum(e.get("class") == "ring" for e in ET.fromstring(svg).iter("circle")) == 1


def test_the_front_is_drawn_in_steps_through_its_members():
    root = ET.fromstring(draw_pareto(_members(), "size", str, "p", "t"))
    line = next(e for e in root.iter("path") if e.get("class") == "front-line")
    corners = [
        tuple(float(part) for part in corner.split())
        for corner in line.get("d", "").removeprefix("M").split("L")
    ]
    small, large = sorted(_centre(mark) for mark in _marks(ET.tostring(root).decode(), "front"))
    assert small in corners
    assert large in corners
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))


def test_names_never_lie_on_each_other():
    crowd = [Member(1.0 + i % 4 * 0.01, 2.0 + i * 0.002, f"4L-{i}E-2K", "", True, False)
             for i in range(14)]  # fmt: skip
    root = ET.fromstring(draw_pareto(crowd, "size", str, "p", "t"))
    boxes = []
    for label in (e for e in root.iter("text") if "name" in e.get("class", "").split()):
        x, y = float(label.get("x", "")), float(label.get("y", ""))
        boxes.append((x, y - 8, x + text_width(label.text or "", 11.0), y))
    assert boxes
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            apart = (
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            )
            assert apart, (one, other)


def test_rows_put_chance_and_intervals_on_one_scale():
    rows = [Row("ours", (Value(0.6, "tip", "ours", 0.5, 0.7),)),
            Row("theirs", (Value(0.9, "tip", "hollow"),))]  # fmt: skip
    drawing = RowsDrawing("r", "t", "d", 400.0, "accuracy", str)
    root = ET.fromstring(draw_rows(rows, drawing, Marker(0.5, "chance")))
    lines = {e.get("class"): e for e in root.iter("line")}
    chance, whisker = float(lines["marker"].get("x1", "")), lines["whisker"]
    (ours,) = _marks(ET.tostring(root).decode(), "ours")
    (theirs,) = _marks(ET.tostring(root).decode(), "hollow")
    assert float(whisker.get("x1", "")) == chance
    per_point = (_centre(ours)[0] - chance) / 0.1
    assert _centre(theirs)[0] == pytest.approx(chance + 0.4 * per_point, abs=0.3)
    assert theirs.find("path") is not None  # a diamond, not a dot: not our figure


def test_a_logarithmic_row_leaves_out_what_costs_nothing():
    rows = [Row("m", (Value(0.0, "0", "marginal"), Value(1.0, "1", "x"), Value(100.0, "2", "x")))]
    svg = draw_rows(rows, RowsDrawing("r", "t", "d", 400.0, "USD", str, log=True))
    assert len(_marks(svg)) == 2


def test_loads_and_scores_have_the_colour_of_their_class():
    assert [load_class(x) for x in (0, 0.1, 0.25, 1.0, 1.3, 4.0)] == [
        "dead", "l0", "l1", "l3", "l4", "l6",
    ]  # fmt: skip
    assert [quality_class(x, 1.0, 2.0) for x in (2.0, 1.5, 1.0)] == ["q0", "q3", "q6"]
    assert quality_class(1.0, 1.0, 1.0) == "q6"


def test_a_heat_map_has_a_cell_per_expert_and_a_cross_on_the_dead():
    svg = draw_heat([HeatRow("1", (0.0, 2.0)), HeatRow("2", (1.0, 1.0))], "h", "t", "d")
    assert len(_marks(svg)) == 4
    (dead,) = _marks(svg, "dead")
    assert dead.find("path") is not None
    assert dead.find("title").text == "layer 1, expert 0: 0.00 times an equal share"


def test_a_large_heat_map_stays_small():
    rows = [HeatRow(str(layer), tuple(float(e % 5) for e in range(128))) for layer in range(48)]
    assert len(draw_heat(rows, "h", "t", "d")) < 200_000


def test_a_bar_is_divided_in_proportion():
    parts = [Part(3.0, "three", "a", "training"), Part(1.0, "one", "b", "training waste")]
    rects = list(ET.fromstring(draw_bar(parts, "b", "t")).iter("rect"))
    assert [float(rect.get("x", "")) for rect in rects] == [0.0, 690.0]
    assert float(rects[0].get("width", "")) == pytest.approx(688.5)


def test_whatever_stands_in_a_chart_is_escaped():
    attack = '"><script>alert(1)</script>'
    svg = draw_bar([Part(1.0, attack, attack, attack)], attack, attack)
    assert "<script" not in svg
    ET.fromstring(svg)
    assert marked("", attack).count("&lt;script&gt;") == 1
    assert element("a", b='"') == '<a b="&quot;"/>'


def test_noise_does_not_fill_a_chart():
    near = [Member(1.0, 7.2473, "a", "", True, False), Member(2.0, 7.2476, "b", "", False, False)]
    heights = [_centre(mark)[1] for mark in _marks(draw_pareto(near, "size", str, "p", "t"))]
    assert abs(heights[0] - heights[1]) < 10
