"""Bytes to text, or the reason why they are none."""

import codecs
import re

from penstock.errors import RejectedError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PRINTABLE_ASCII = bytes((*range(0x20, 0x7F), 0x09, 0x0A, 0x0D))
CONTROL_SHARE = 0.01
ASCII_SHARE = 0.7


def decode(content: bytes) -> str:
    """The text of `content`: by its byte order mark, else as UTF-8, else as Western 8-bit text if it reads like that.

    Raises `RejectedError` for bytes that are no text, or text in an encoding that cannot be told.
    """
    text = _decode(content)
    if text and len(_CONTROL.findall(text)) > CONTROL_SHARE * len(text):
        raise RejectedError("content: binary data; text in UTF-8 or UTF-16 would be right")
    return text


def _decode(content: bytes) -> str:
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "")
    try:
        return content.decode(encoding or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        ascii_count = len(content) - len(content.translate(None, _PRINTABLE_ASCII))
        if encoding or ascii_count < ASCII_SHARE * len(content):
            raise RejectedError(
                f"content: not text in {(encoding or 'utf-8').upper()} (byte {exc.start}); "
                "UTF-8, or UTF-16 with a byte order mark, would be right"
            ) from exc
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")
