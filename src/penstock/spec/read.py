"""Reading a YAML file within bounds: no file can make the reader slow or big."""

from pathlib import Path

from penstock.spec.composer import compose
from penstock.spec.problems import Problem
from penstock.spec.source import Place, YamlFile

MAX_BYTES = 1 << 20
MAX_LINE = 4_096


def read_yaml(path: Path) -> YamlFile:
    """Read a file. It never raises: what is wrong is in `problems`."""
    file = YamlFile(str(path))
    refused = _read_text(file, path)
    if refused is None:
        compose(file)
    else:
        file.problems.append(refused)
    return file


def _read_text(file: YamlFile, path: Path) -> Problem | None:
    start = Place(1, 1)
    try:
        if not path.is_file():
            return file.problem_at(start, "unreadable", "not a file that can be read; a YAML file is expected here")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        return file.problem_at(start, "unreadable", f"cannot be read: {exc.strerror or type(exc).__name__}")
    if len(data) > MAX_BYTES:
        return file.problem_at(start, "too-large", f"the file is larger than {MAX_BYTES >> 20} MiB; split it")
    try:
        file.text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode()
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        file.text = data.decode(errors="replace")
        return file.problem_at(place, "not-utf-8", "bytes that are not UTF-8; save the file as UTF-8")
    for number, line in enumerate(file.lines, start=1):
        if len(line) > MAX_LINE:
            message = f"the line is longer than {MAX_LINE:,} characters; break it (`>-` folds lines into one text)"
            return file.problem_at(Place(number, MAX_LINE + 1), "too-large", message)
    return None
