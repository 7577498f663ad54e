"""What counts as a secret, and what is printed of it."""

from pathlib import Path

import pytest

from penstock.spec.read import read_yaml
from penstock.spec.secrets import is_secret_key, redacted


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apiKey",
        "api-key",
        "OPENAI_API_KEY",
        "password",
        "db_password",
        "token",
        "access_token",
        "bot-token",
        "secret",
        "client_secret",
        "aws_secret_access_key",
        "private_key",
        "Authorization",
        "credentials",
    ],
)
def test_these_keys_hold_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["max_tokens", "tokenizer", "pad_token", "key", "api_key_env", "passwords_file", "author"]
)
def test_these_keys_do_not(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  api_key: sk-1", "  api_key: …"),
        ('  "api_key" : "sk-1" # note', '  "api_key" : …'),
        ("{model: m, token: t, x: 1}", "{model: m, token: …"),
        ("  api_key: {env: OPENAI_KEY}", "  api_key: {env: OPENAI_KEY}"),
        ("  api_key: {env: sk-1}", "  api_key: …"),
        ("  url: postgresql://me:pw@db/x", "  url: postgresql://me:…@db/x"),
        ("  max_tokens: 5", "  max_tokens: 5"),
    ],
)
def test_a_line_is_shown_without_its_secrets(line: str, shown: str) -> None:
    assert redacted(line) == shown


@pytest.mark.parametrize(
    "text",
    [
        "api_key: planted\n",
        "api_key: 12345\n",
        "api_key: [planted]\n",
        "api_key: {env: planted-secret}\n",
        "api_key: {value: planted}\n",
        "api_key: |\n  planted\n  secret\n",
        "deep: [{password: planted}]\n",
        "url: https://me:planted@host/\n",
    ],
)
def test_a_secret_in_a_file_is_a_problem_that_does_not_show_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    problems = read_yaml(path).problems
    assert [each.code for each in problems] == ["literal-secret"]
    assert all(word not in problems[0].render() for word in ("planted", "secret\n", "12345"))


@pytest.mark.parametrize(
    "text", ["api_key: {env: OPENAI_KEY}\n", "api_key:\n  env: K\n", "api_key: null\n", "token: false\n"]
)
def test_a_secret_that_is_named_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    assert read_yaml(path).problems == []
