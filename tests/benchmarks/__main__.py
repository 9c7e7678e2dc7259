"""Run the benchmarks: `python -m tests.benchmarks [--quick] [ROW…]`."""

from __future__ import annotations

import platform
import resource
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
import psutil

from .harness.bench import Bench
from .harness.calibration import Machine, calibrate, typical, void_crippled
from .harness.expected import missing
from .harness.plots import gallery, plots
from .harness.processes import ROOT
from .harness.report import Report, Result
from .harness.table import table
from .rows import (
    activation,
    attach,
    cancel,
    fan_out,
    growth,
    many_threads,
    memory,
    paced,
    reattach,
    start_up,
    submit,
)

ROWS: Final[dict[str, Callable[[Bench], Iterator[Result]]]] = {
    "fan-out": fan_out.measure,
    "many-threads": many_threads.measure,
    "paced": paced.measure,
    "reattach": reattach.measure,
    "attach": attach.measure,
    "submit": submit.measure,
    "activation": activation.measure,
    "cancel": cancel.measure,
    "memory": memory.measure,
    "start-up": start_up.measure,
    "growth": growth.measure,
}
# Seconds that each row takes on two quiet cores, in the full mode and in the quick one.
SECONDS: Final[dict[str, tuple[float, float]]] = {
    "fan-out": (150, 8),
    "many-threads": (75, 6),
    "paced": (165, 6),
    "reattach": (10, 3),
    "attach": (15, 2),
    "submit": (60, 4),
    "activation": (20, 3),
    "cancel": (15, 2),
    "memory": (60, 8),
    "start-up": (60, 2),
    "growth": (90, 4),
}
_WHOM: Final = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
OUT: Final = ROOT / "docs" / "explanation" / "performance"


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option(
    "--quick",
    is_flag=True,
    help="Small sizes and one repeat: under a minute on two quiet cores, not fifteen.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the JSON, the table and the plots go; by default the docs, or with --quick or "
    "only some of the rows build/benchmarks.",
)
@click.option(
    "--scratch",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Where the databases of the run lie; by default the system's folder for such things.",
)
@click.option("--redraw", is_flag=True, help="Measure nothing: table and plots of the last run.")
def main(
    rows: tuple[str, ...], quick: bool, out: Path | None, scratch: Path | None, redraw: bool
) -> None:
    """Measure ROWS, by default all of them, and write what was found."""
    if out is None:
        out = ROOT / "build" / "benchmarks" if quick or rows else OUT
    if redraw:
        write(Report.from_json((out / "results.json").read_text()), out)
        return
    with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder:
        report = run(Bench(Path(folder), quick), rows or tuple(ROWS))
    write(report, out)
    click.echo(table(report))
    click.echo(f"Written to {out}", err=True)
    sys.exit(1 if report.failures else 0)


def run(bench: Bench, rows: tuple[str, ...]) -> Report:
    """Measure rows, and the machine before, between and after them."""
    report, machines = Report(), [_calibrate(bench)]
    began = time.monotonic()
    for n, name in enumerate(rows):
        bench.tell(_outlook(bench, rows, n, time.monotonic() - began))
        row_began, spent = time.monotonic(), _processor_seconds()
        try:
            report.add(ROWS[name](bench))
        except Exception as exc:  # the other rows are worth having; the run fails in the end
            traceback.print_exc()
            report.failures[name] = f"{type(exc).__name__}: {exc}"[:500]
        machines.append(_calibrate(bench))
        took = time.monotonic() - row_began, _processor_seconds() - spent
        bench.tell(f"{name} took {took[0]:.1f} s, and {took[1]:.1f} s of processor time")
    machine = typical(machines)
    void_crippled(report.results, machine)
    if not bench.quick and rows == tuple(ROWS):
        report.failures |= dict.fromkeys(missing(report), "no row yielded it")
    report.machine = _described(machine, bench)
    return report


def write(report: Report, out: Path) -> None:
    """Write `results.json`, `table.generated.md` and the plots into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(report.to_json())
    (out / "table.generated.md").write_text(table(report))
    for old in out.glob("*.svg"):
        old.unlink()
    drawn = plots(report)
    for plot in drawn:
        (out / f"{plot.name}.svg").write_text(plot.svg())
    (out / "plots.generated.md").write_text(gallery(drawn))


def _processor_seconds() -> float:
    """Return what this process has used, and those of its children that have ended."""
    return sum(sum(resource.getrusage(whose)[:2]) for whose in _WHOM)


def _outlook(bench: Bench, rows: tuple[str, ...], done: int, taken: float) -> str:
    """Say which row comes, and how long the rest takes where it goes on as slowly as so far."""
    usual = [SECONDS[name][bench.quick] for name in rows]
    slower = taken / sum(usual[:done]) if done else 1.0
    left = sum(usual[done:]) * slower
    return f"row {done + 1} of {len(rows)}, {rows[done]}; about {left:.0f} s are left"


def _calibrate(bench: Bench) -> Machine:
    return calibrate(bench.folder, bench.size(300, 50))


def _described(machine: Machine, bench: Bench) -> dict[str, Any]:
    libraries = ("trio", "trio-websocket", "websockets", "uvloop", "python-socketio")
    return {
        "mode": "quick" if bench.quick else f"full, {bench.repeats} repeats",
        "cores": psutil.cpu_count(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "libraries": ", ".join(f"{name} {version(name)}" for name in libraries),
        "a step of a bare loop": f"{machine.loop * 1000:.0f} ns",
        "a bare SQLite commit": f"{machine.commit:.0f} µs",
    }


if __name__ == "__main__":
    main()
