"""Problems as text and as data."""

from penstock.spec.problems import Problem, in_file_order, listed, render, ticked

ONE = Problem("a.yaml", 3, 5, "unknown-key", "unknown key `polcy`", ("policy", "type"), "policy", "    polcy: default")
TWO = Problem("a.yaml", 9, 1, "cycle", "stage `a` waits for itself: `a → a`")
OTHER = Problem("b.yaml", 1, 1, "empty-file", "the file is empty")


def test_a_problem_shows_its_place_its_line_and_what_would_be_right() -> None:
    assert ONE.render() == (
        "a.yaml:3:5: unknown key `polcy`\n"
        "    3 |     polcy: default\n"
        "      |     ^\n"
        "  did you mean `policy`? accepted: `policy`, `type`"
    )


def test_a_problem_as_data_has_the_keys_that_scripts_rely_on() -> None:
    assert ONE.to_dict() == {
        "file": "a.yaml",
        "line": 3,
        "column": 5,
        "code": "unknown-key",
        "message": "unknown key `polcy`",
        "accepted": ["policy", "type"],
        "suggestion": "policy",
    }


def test_the_problems_of_a_file_stand_under_its_name() -> None:
    expected = ["a.yaml: 2 problems", ONE.render(), TWO.render(), "b.yaml: 1 problem", OTHER.render()]
    assert render([ONE, OTHER, TWO]) == "\n\n".join(expected)


def test_problems_come_in_file_order_and_once() -> None:
    assert in_file_order([TWO, ONE, TWO]) == [ONE, TWO]


def test_a_long_line_is_cut_around_its_column() -> None:
    text = Problem("a.yaml", 1, 1001, "x", "m", quoted="a" * 1000 + "b" + "a" * 1000).render()
    _, line, caret = text.splitlines()
    assert len(line) < 140
    assert line[caret.index("^")] == "b"


def test_a_tab_does_not_shift_the_caret() -> None:
    _, line, caret = Problem("a.yaml", 1, 4, "x", "m", quoted="a:\tb").render().splitlines()
    assert line[caret.index("^")] == "b"


def test_nothing_that_a_terminal_would_act_on_is_printed() -> None:
    assert ticked("red\x1b[31m\u202e") == "`red�[31m�`"
    assert Problem("a.yaml", 1, 1, "x", "m", quoted="\x1b]0;title\x07").render().isprintable() is False
    assert "\x1b" not in Problem("a.yaml", 1, 1, "x", "m", quoted="\x1b]0;title\x07").render()


def test_long_names_and_long_lists_are_cut() -> None:
    assert ticked("x" * 65) == f"`{'x' * 63}…`"
    assert listed([f"n{i}" for i in range(22)]).endswith("`n19` and 2 more")
