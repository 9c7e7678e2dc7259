"""The lines of a recording as values; `actors.incident.lines` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson
from attrs import field, frozen
from cattrs import Converter

from ...core.commands import OnBusy
from ...incident.lines import FORMAT
from ...incident.output import NEWER, OLDER
from ...limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class DamagedIncident(ValueError):
    """A recording cannot be replayed; the text says what was expected, what came, and where."""


@frozen(kw_only=True)
class Start:
    """The process started."""

    mono: float
    limits: Limits
    format: str


@frozen(kw_only=True)
class GoesOn:
    """A file begins where the one before it was full; so many lines are gone since the start."""

    mono: float
    limits: Limits
    format: str
    dropped: int


@frozen(kw_only=True)
class Stop:
    """The process stopped in order."""

    mono: float


@frozen(kw_only=True)
class Missing:
    """So many lines are not there: the disk was too slow for them."""

    mono: float = 0.0
    lines: int


@frozen(kw_only=True)
class Claimed:
    """A thread was activated, at this cursor."""

    mono: float
    thread: str
    position: str


@frozen(kw_only=True)
class Asked:
    """A command; the fields are those of its sort."""

    mono: float
    n: int
    caller: int
    principal: str
    thread: str
    command: str
    turn: str | None = None
    record: str | None = None
    kind: str = ""
    digest: str = ""
    key: str | None = None
    on_busy: OnBusy = OnBusy.REJECT
    cuts: bool = False
    after: str | None = None
    to: str = ""
    rollback: bool = False
    unless_busy: bool = False
    unless_used: bool = False


@frozen(kw_only=True)
class Answered:
    """What came of the command of that number."""

    mono: float
    n: int
    answer: str | None = None
    refused: str | None = None
    turn: str | None = None
    duplicate: bool = False
    outcome: str | None = None
    existed: bool | None = None


@frozen(kw_only=True)
class Attached:
    """Somebody began to watch a thread."""

    mono: float
    n: int
    caller: int
    principal: str
    thread: str
    cursor: str | None
    mode: str
    position: str


@frozen(kw_only=True)
class Detached:
    """The watching of that number is over."""

    mono: float
    n: int


@frozen(kw_only=True)
class Ended:
    """A turn ended."""

    mono: float
    thread: str
    turn: str
    state: str


@frozen(kw_only=True)
class Failed:
    """A thread's actor failed; or the journal, where none is named."""

    mono: float
    thread: str | None
    error: str


Line: TypeAlias = (
    Start
    | GoesOn
    | Stop
    | Missing
    | Claimed
    | Asked
    | Answered
    | Attached
    | Detached
    | Ended
    | Failed
)

_SORTS: Final[dict[str, type[Line]]] = {
    "start": Start,
    "goes_on": GoesOn,
    "stop": Stop,
    "missing": Missing,
    "claimed": Claimed,
    "asked": Asked,
    "answered": Answered,
    "attached": Attached,
    "detached": Detached,
    "ended": Ended,
    "failed": Failed,
}
_converter: Final = Converter()


@frozen
class Lines:
    """A recording.

    Args:
        lines: oldest first; the first one is a `Start` or a `GoesOn`.
        notes: what is not in it, in sentences.
    """

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())


def read_lines(folder: Path) -> Lines:
    """Read what a runtime recorded into a folder.

    Raises:
        DamagedIncident: where it is no recording, or not a whole one.
        OSError: where it cannot be read.
    """
    older, newer = folder / OLDER, folder / NEWER
    if not newer.exists():
        raise DamagedIncident(f"expected {NEWER} in {folder}, found none")
    lines: list[Line] = []
    cut = 0
    for path in (older, newer) if older.exists() else (newer,):
        for read in _read_file(path):
            cut += read is None
            lines += [read] if read is not None else []
    if not lines or not isinstance(lines[0], Start | GoesOn):
        raise DamagedIncident(f"the first line of {folder} has to tell of a start")
    return Lines(tuple(lines), tuple(_notes(lines, cut)))


def _notes(lines: Sequence[Line], cut: int) -> Iterator[str]:
    gone = sum(each.lines for each in lines if isinstance(each, Missing))
    if isinstance(lines[0], GoesOn):
        yield f"it goes further back: {lines[0].dropped} lines before it are gone"
    if gone:
        yield f"{gone} lines are missing: the disk was too slow for them"
    if cut:
        yield f"{cut} lines were cut short by a crash"


def _read_file(path: Path) -> Iterator[Line | None]:
    """Yield the lines of a file; None for one that a crash cut short: then a start follows."""
    texts = path.read_bytes().splitlines()
    for number, text in enumerate(texts, 1):
        try:
            yield _read(text)
        except orjson.JSONDecodeError as exc:
            following = texts[number] if number < len(texts) else b'{"line":"start"'
            if number == 1 or not following.startswith(b'{"line":"start"'):
                raise _damaged(path, number, "expected a JSON object") from exc
            yield None
        except (ExceptionGroup, LookupError, TypeError, ValueError) as exc:
            raise _damaged(path, number, _why(exc)) from exc


def _read(text: bytes) -> Line:
    raw: Any = orjson.loads(text)
    read = _converter.structure(raw, _SORTS[raw["line"]])
    if isinstance(read, Start | GoesOn) and read.format != FORMAT:
        raise ValueError(f"expected the format {FORMAT}, found {read.format:.80}")
    return read


def _why(exc: Exception) -> str:
    if isinstance(exc, ExceptionGroup):
        return _why(exc.exceptions[0])
    if isinstance(exc, KeyError):
        return f"expected {exc.args[0]!r:.80}"
    return str(exc)[:200]


def _damaged(path: Path, number: int, why: str) -> DamagedIncident:
    return DamagedIncident(f"line {number} of {path} cannot be read: {why}")
