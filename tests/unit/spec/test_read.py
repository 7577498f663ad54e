"""Reading: bounded, with places, and with YAML 1.2's values."""

from pathlib import Path

import pytest

from penstock.spec.read import read_yaml
from penstock.spec.source import Node, Place, YamlFile

BOMBS = {
    "aliases": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
    "brackets": "name: " + "[" * 100_000,
    "brackets on many lines": "name:\n" + "  [\n" * 100_000,
    "indents": "".join(" " * i + "a:\n" for i in range(1000)),
    "keys": "stages:\n" + "".join(f"  k{i}: 1\n" for i in range(300_000)),
    "keys within a MiB": "stages:\n" + "".join(f"  k{i}: 1\n" for i in range(60_000)),
    "question marks": "? " * 2_000 + "\n",
    "long line": 'name: "' + "x" * 500_000 + '"\n',
    "dashes": "- " * 2_000 + "\n",
    "many documents": "---\n" * 100_000,
    "tags": "%TAG ! tag:x,2000:\n" * 1000 + "--- a",
}


def read(path: Path, content: str | bytes) -> YamlFile:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_yaml(path)


def told(file: YamlFile) -> list[tuple[int, int, str]]:
    return [(each.line, each.column, each.code) for each in file.problems]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused(bomb: str, tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", BOMBS[bomb])
    assert len(file.problems) == 1
    assert file.value is None


def test_values_and_keys_know_their_places(tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", "# é\nname: é\nstages:\n  - {type: x, 'n': [1, é, 2]}\n")
    assert file.value == {"name": "é", "stages": [{"type": "x", "n": [1, "é", 2]}]}
    assert file.nodes[("name",)] == Node(Place(2, 7), Place(2, 1), "é")
    assert file.nodes[("stages", 0, "n")] == Node(Place(4, 20), Place(4, 15), None)
    assert file.nodes[("stages", 0, "n", 2)] == Node(Place(4, 27), None, "2")


def test_a_place_that_is_not_there_is_that_of_what_is_around_it(tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", "a:\n  b: {c: 1}\n")
    assert file.node(("a", "SomeTag", "b", "missing")) == file.nodes[("a", "b")]
    assert YamlFile("empty.yaml").node(("a",)) == Node(Place(1, 1))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("'no'", "no"),
        ('"1"', "1"),
        ("1.2.3", "1.2.3"),
        ("a b", "a b"),
        ("|\n  two\n  lines", "two\nlines\n"),
        ("! plain", "plain"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object, tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", f"key: {text}\n")
    assert (file.value, file.problems) == ({"key": value}, [])


@pytest.mark.parametrize(
    "text", ["010", "0x1f", "1_000", "1:30", "2024-01-01", ".inf", ".nan", "=", "1e999", "9223372036854775808"]
)
def test_what_readers_of_yaml_disagree_on_is_refused(text: str, tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", f"key: {text}\n")
    assert told(file) == [(1, 6, "ambiguous-value")]
    assert file.is_told(("key",))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: caf\xe9\n", (1, 10, "not-utf-8")),
        ("name: x\n".encode("utf-16"), (1, 1, "not-utf-8")),
        (b"a: 1\nb: \x07\n", (2, 4, "yaml-syntax")),
        (b"a: 1\nb: 2\x00\n", (2, 5, "yaml-syntax")),
        ("é: 1\né: \x07\n".encode(), (2, 4, "yaml-syntax")),
        (b"\xef\xbb\xbf- a\n", (1, 1, "bad-value")),
        (b"---\n...\n", (2, 1, "bad-value")),
        (b"a: 1\n...\nb: 2\n", (3, 1, "yaml-syntax")),
        (b"a: b: c\n", (1, 5, "yaml-syntax")),
        (b"a: @b\n", (1, 4, "yaml-syntax")),
        (b"%YAML 9.9\n---\na: 1\n", (1, 1, "yaml-syntax")),
        (b"a: *b\n", (1, 4, "alias")),
        (b"*a : b\n", (1, 1, "alias")),
        (b"&a a: b\n", (1, 1, "alias")),
    ],
)
def test_what_is_no_plain_yaml_is_told_with_its_place(
    content: bytes, expected: tuple[int, int, str], tmp_path: Path
) -> None:
    assert told(read(tmp_path / "a.yaml", content)) == [expected]


def test_a_byte_order_mark_is_not_in_the_way(tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", b"\xef\xbb\xbfname: x\n")
    assert (file.value, file.nodes[("name",)].value) == ({"name": "x"}, Place(1, 7))


def test_a_duplicate_key_does_not_hide_other_problems(tmp_path: Path) -> None:
    file = read(tmp_path / "a.yaml", "a: 1\na: 010\n? {x: 1}\n: 2\nb: 1\n2: c\n")
    assert file.value == {"a": 1, "b": 1}
    assert told(file) == [(2, 1, "duplicate-key"), (2, 4, "ambiguous-value"), (3, 3, "bad-key"), (6, 1, "bad-key")]


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "broken.yaml").symlink_to("nowhere")
    for name in ("folder.yaml", "broken.yaml", "absent.yaml"):
        assert told(read_yaml(tmp_path / name)) == [(1, 1, "unreadable")]
