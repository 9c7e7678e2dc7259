"""What is left on disk when the power goes: SQLite's writes recorded, and replayed up to a moment.

Killing a process cannot show whether anything was synced: the kernel keeps what was written. Here
every write, truncation and sync that SQLite asks for is recorded, and a moment of the recording is
turned into what a disk could hold that lost power just then.
"""

from .disk_log import DiskLog
from .recording import NotRecordable, record_disk

__all__ = ["DiskLog", "NotRecordable", "record_disk"]
