"""The other side: clients of any language, against a server that says what a script says.

`holdfast conform --client COMMAND` runs it. docs/how-to/conformance.md has what the client under
test has to do; `driver` does it with our own client.
"""

from .run import Theatre, check_client
from .scenes import SCENES, Scene
from .stage import Connection, Line, Stage

__all__ = ["SCENES", "Connection", "Line", "Scene", "Stage", "Theatre", "check_client"]
