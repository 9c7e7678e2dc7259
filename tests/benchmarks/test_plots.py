"""Plots: well-formed, one bar for each result, as long as the figure is large, and their goals."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from .harness.plots import Bar, Plot, gallery, plots
from .harness.report import Goal, Report, Result

_SVG = "{http://www.w3.org/2000/svg}"
_FIGURES = st.floats(1e-3, 1e9)


def _bars(plot: Plot) -> list[float]:
    root = ElementTree.fromstring(plot.svg())
    return [
        float(rect.attrib["width"])
        for rect in root.findall(f"{_SVG}rect")
        if rect.get("class") == "bar"
    ]


def _goals(plot: Plot) -> list[float]:
    """Return how far from the left of the bars the goals are drawn."""
    root = ElementTree.fromstring(plot.svg())
    found = (path for path in root.findall(f"{_SVG}path") if path.get("class") == "goal")
    return [float(path.attrib["d"][1:].split()[0]) - 270 for path in found]


@given(st.lists(_FIGURES, min_size=1, max_size=20))
def test_bars_are_in_the_order_of_their_figures_and_fit(values: list[float]) -> None:
    plot = Plot("p", "a < b & c", tuple(Bar("<x>", "holdfast", value) for value in values))
    lengths = _bars(plot)
    assert len(lengths) == len(values)
    assert all(1 <= length <= 400 for length in lengths)
    pairs = sorted(zip(values, lengths, strict=True))
    assert [length for _, length in pairs] == sorted(lengths)


@given(_FIGURES, _FIGURES)
def test_a_goal_lies_on_the_side_of_the_bar_where_its_figure_lies(
    value: float, goal: float
) -> None:
    plot = Plot("p", "t", (Bar("a", "holdfast", value, goal),), goal="x")
    (length,), (line,) = _bars(plot), _goals(plot)
    assert 0 <= line <= 400
    assert (length <= line + 0.2) if value <= goal else (line <= length + 0.2)


def test_nothing_has_no_length() -> None:
    assert _bars(Plot("p", "t", (Bar("a", "x", 0.0), Bar("b", "x", 1.0))))[0] == 0


def _result(subject: str, metric: str, **more: str) -> Result:
    return Result("many threads", "200 × 1", subject, metric, "ms", [1.0], **more)


def test_results_of_a_row_and_metric_share_a_plot_and_void_ones_are_left_out() -> None:
    report = Report(
        results=[
            _result("holdfast", "deliveries/s"),
            _result("trio-websocket", "deliveries/s"),
            _result("python-socketio", "deliveries/s", void="crippled"),
            _result("holdfast", "told alone"),
        ]
    )
    (plot,) = plots(report)
    assert plot.name == "many-threads-deliveries-s"
    assert [bar.subject for bar in plot.bars] == ["holdfast", "trio-websocket"]


def test_a_plot_tells_its_unit_and_its_goal() -> None:
    ours = _result("holdfast", "p50")
    ours.goal = Goal(most=2.0)
    (plot,) = plots(Report(results=[ours, _result("trio-websocket", "p50")]))
    assert plot.title == "many threads: p50, in ms"
    assert "red: the goal, ≤ 2.00 ms" in plot.svg()
    assert len(_goals(plot)) == 1
    assert gallery([plot]) == ("![many threads: p50, in ms](performance/many-threads-p50.svg)\n")
