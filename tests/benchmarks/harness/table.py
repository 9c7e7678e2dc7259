"""The report as tables in Markdown: what was to be reached, and all that was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .figures import readable, spread
from .report import Goal, Report, Result

_GOALS = ("row", "case", "what", "found", "goal", "beside", "goal of the ratio", "verdict")
_FIGURES = ("row", "case", "whose", "what", "median", "apart", "beside")


def table(report: Report) -> str:
    """Return what the machine was, the goals with their verdicts, and every figure."""
    lines = [f"{name}: {told}  " for name, told in report.machine.items()]
    lines += ["", "### Goals", "", _tally(report), ""]
    lines += _rows(_GOALS, (_goal_cells(report, each) for each in report.judged()))
    lines += ["", "### All figures", ""]
    lines += ["“Apart” is how far the repeats lie apart, as a share of their median.", ""]
    lines += _rows(_FIGURES, (_figure_cells(report, each) for each in report.results))
    lines += ["", *_remarks(report)]
    return "\n".join(lines).rstrip() + "\n"


def _tally(report: Report) -> str:
    verdicts = [report.verdict(each) for each in report.judged()]
    counted = (f"{verdicts.count(each)} {each}" for each in ("met", "short", "void"))
    unmeasured = f", {len(report.failures)} not measured" if report.failures else ""
    return f"Of {len(verdicts)} goals: {', '.join(counted)}{unmeasured}."


def _goal_cells(report: Report, result: Result) -> Iterator[str]:
    whose = "" if result.subject == "holdfast" else f" ({result.subject})"
    yield from (result.row, result.case, result.metric + whose, _figure(result))
    yield str(result.goal)
    yield _beside(report, result)
    yield f"{result.ratio_goal} ×" if result.ratio_goal != Goal() else "–"
    yield report.told_verdict(result)


def _figure_cells(report: Report, result: Result) -> Iterator[str]:
    yield from (result.row, result.case, result.subject, result.metric, _figure(result))
    yield f"{spread(result.values):.0%}" if len(result.values) > 1 else "–"
    yield _beside(report, result)


def _figure(result: Result) -> str:
    return f"{readable(result.value)} {result.unit}".rstrip()


def _beside(report: Report, result: Result) -> str:
    ratio = report.ratio(result)
    return "–" if ratio is None else f"{readable(ratio)} × {result.against}"


def _remarks(report: Report) -> Iterator[str]:
    for result in report.results:
        where = f"{result.row}, {result.case}, {result.subject}, {result.metric}"
        if result.void:
            yield f"- {where}: void, {result.void}"
        if result.notes:
            yield f"- {where}: {result.notes}"
    for row, failure in report.failures.items():
        yield f"- {row}: not measured, {failure}"


def _rows(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> list[str]:
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
