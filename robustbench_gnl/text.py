"""Formatting of text: escapes of control characters, plurals, short lists and short values."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from typing import Any

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters: C0 (escape sequences, line breaks), DEL, C1
    "\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # formatting
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters and marks that are drawn as nothing
    "\ud800-\udfff"  # surrogates: half a character, or a byte of a path that is no UTF-8
    "\ufdd0-\ufdef\ufffe\uffff"  # no characters at all; XML cannot hold the last two
    "\U000e0000-\U000e007f"  # tags: a second, invisible ASCII
    "]"
)
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001faff"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_JOINED_EMOJI = re.compile(f"[{_EMOJI}\ufe0f]\u200d(?=[{_EMOJI}])")


def printable(text: str) -> str:
    r"""The text on one line, with all invisible characters escaped: `\x1b`.

    Control characters (escape sequences and line breaks among them), changes of the writing
    direction, characters without width, lone surrogates and noncharacters become Python's escapes.
    Everything else stays as it is: letters of every script, and emoji, also joined ones.
    """
    if not _UNSAFE.search(text):
        return text
    joiners = {match.end() - 1 for match in _JOINED_EMOJI.finditer(text)}
    return _UNSAFE.sub(
        lambda match: match[0] if match.start() in joiners else _escaped(match[0]), text
    )


def counted(n: int, one: str, many: str | None = None) -> str:
    """`1 image`, `1,000 images`.

    Args:
        many: The plural, where it is not `one` with an s.
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def some_of(names: Iterable[object], most: int = 3, *, last: str = ", ") -> str:
    """`fog, snow, frost and 2 more`: the first names, and how many others there are.

    Args:
        last: The word before the last name if all are named.
    """
    texts = [str(name) for name in names]
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return last.join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def _escaped(character: str) -> str:
    return ascii(character)[1:-1]  # `\n`, `\x1b`, `\u202e`, `\U000e0041`


def quoted(value: Any) -> str:
    """A value as messages quote it: its `repr`, short, however long or deeply nested it is."""
    return _SHORT.repr(value)
