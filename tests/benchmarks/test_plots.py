"""Plots: well-formed, one bar for each result, as long as the figure is large."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from .harness.plots import Bar, Plot, plots
from .harness.report import Report, Result

_SVG = "{http://www.w3.org/2000/svg}"


def _bars(plot: Plot) -> list[float]:
    root = ElementTree.fromstring(plot.svg())
    return [float(rect.attrib["width"]) for rect in root.findall(f"{_SVG}rect")[1:]]


@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=20))
def test_bars_are_in_the_order_of_their_figures_and_fit(values: list[float]) -> None:
    plot = Plot("p", "a < b & c", tuple(Bar("<x>", "holdfast", value) for value in values))
    lengths = _bars(plot)
    assert len(lengths) == len(values)
    assert all(1 <= length <= 400 for length in lengths)
    pairs = sorted(zip(values, lengths, strict=True))
    assert [length for _, length in pairs] == sorted(lengths)


def test_nothing_has_no_length() -> None:
    assert _bars(Plot("p", "t", (Bar("a", "x", 0.0), Bar("b", "x", 1.0))))[0] == 0


def test_results_of_a_row_and_metric_share_a_plot_and_void_ones_are_left_out() -> None:
    def result(subject: str, metric: str, **more: str) -> Result:
        return Result("many threads", "200 × 1", subject, metric, "", [1.0], **more)

    report = Report(
        results=[
            result("holdfast", "deliveries/s"),
            result("trio-websocket", "deliveries/s"),
            result("python-socketio", "deliveries/s", void="crippled"),
            result("holdfast", "told alone"),
        ]
    )
    (plot,) = plots(report)
    assert plot.name == "many-threads-deliveries-s"
    assert [bar.subject for bar in plot.bars] == ["holdfast", "trio-websocket"]
