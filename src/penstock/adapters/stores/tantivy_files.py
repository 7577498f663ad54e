"""The files of a Tantivy index, checked: Tantivy itself believes the bytes of a segment without looking.

Each file of a segment ends with a footer: JSON with a `crc` (CRC-32 of all that stands before it), the length of that
JSON and a magic number, both 32 bits, little-endian (`tantivy/src/directory/footer.rs`, index format 7).
"""

import atexit
import json
import os
import shutil
import struct
import tempfile
import zlib
from os import SEEK_END
from pathlib import Path

META = "meta.json"

_MAGIC = 1337
_BLOCK = 1 << 20
_TAIL = struct.Struct("<II")


def broken_files(folder: Path) -> list[str]:
    """The names of files that do not hold what was written, `meta.json` first; empty where there is no index."""
    while True:
        try:
            before = (folder / META).read_bytes()
        except FileNotFoundError:
            return []
        try:
            segments = [each["segment_id"].replace("-", "") for each in json.loads(before)["segments"]]
        except (ValueError, TypeError, KeyError):
            return [META]
        try:
            return sorted(path.name for each in segments for path in folder.glob(f"{each}.*") if not _is_sound(path))
        except FileNotFoundError:  # merged away in the meantime; or gone, which the opening of the index tells
            if (folder / META).read_bytes() == before:
                return []


def readable(folder: Path) -> Path:
    """The folder itself; where it cannot be written, a temporary one that shows its files.

    Tantivy makes a lock file beside what it reads. The temporary folder goes with the process.
    """
    if os.access(folder, os.W_OK):
        return folder
    shown = Path(tempfile.mkdtemp(prefix="penstock-index-"))
    atexit.register(shutil.rmtree, shown, ignore_errors=True)
    for path in folder.iterdir():
        if not path.name.endswith(".lock"):
            (shown / path.name).symlink_to(path.absolute())
    return shown


def _is_sound(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, SEEK_END)
        if size < _TAIL.size:
            return False
        file.seek(size - _TAIL.size)
        length, magic = _TAIL.unpack(file.read(_TAIL.size))
        end = size - _TAIL.size - length
        if magic != _MAGIC or end < 0:
            return False
        file.seek(end)
        try:
            wanted = json.loads(file.read(length))["crc"]
        except (ValueError, TypeError, KeyError):
            return False
        file.seek(0)
        found = 0
        while block := file.read(min(_BLOCK, end - file.tell())):
            found = zlib.crc32(block, found)
        return bool(found == wanted)
