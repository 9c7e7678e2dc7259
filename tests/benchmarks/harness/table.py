"""The report as a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from .figures import readable
from .report import Goal, Report, Result

_HEAD = ("row", "case", "subject", "metric", "median", "goal", "ratio", "goal of the ratio", "")


def table(report: Report) -> str:
    """Return one line for each result, ours and the baselines', behind what the machine was."""
    lines = [f"{name}: {told}  " for name, told in report.machine.items()]
    lines += ["", _line(_HEAD), _line(["---"] * len(_HEAD))]
    lines += [_line(_cells(report, result)) for result in report.results]
    lines += ["", *_remarks(report)]
    return "\n".join(lines).rstrip() + "\n"


def _cells(report: Report, result: Result) -> Iterator[str]:
    beside = report.ratio(result)
    has_ratio_goal = result.ratio_goal != Goal()
    yield from (result.row, result.case, result.subject, result.metric)
    yield f"{readable(result.value)} {result.unit}".rstrip()
    yield str(result.goal)
    yield "–" if beside is None else f"{readable(beside)} × {result.against}"
    yield str(result.ratio_goal) if has_ratio_goal else "–"
    yield report.verdict(result)


def _remarks(report: Report) -> Iterator[str]:
    for result in report.results:
        where = f"{result.row}, {result.case}, {result.subject}, {result.metric}"
        if result.void:
            yield f"- {where}: void, {result.void}"
        if result.notes:
            yield f"- {where}: {result.notes}"
    for row, failure in report.failures.items():
        yield f"- {row}: not measured, {failure}"


def _line(cells: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
