"""`--corruptions` and `--severities`: text to checked values."""

from __future__ import annotations

import corruptions
from robustbench_gnl.errors import UsageError, did_you_mean

GROUP_NAMES = ("common", "extra", "all", *list(corruptions.GROUPS)[:4])


def parse_corruptions(text: str) -> tuple[str, ...]:
    """`common`, `extra`, `all`, a group, or names with commas between them, in order.

    Raises:
        UsageError: A name is no corruption and no group.
    """
    chosen: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if part in GROUP_NAMES:
            chosen += corruptions.names(part)
        elif part in corruptions.names("all"):
            chosen.append(part)
        else:
            known = (*GROUP_NAMES, *corruptions.names("all"))
            hint = did_you_mean(part, known)
            raise UsageError(
                f"unknown corruption {part!r}{hint or '; known: ' + ', '.join(known)}", name=part
            )
    return tuple(dict.fromkeys(chosen))


def parse_severities(text: str) -> tuple[int, ...]:
    """`1-5`, `3` or `1,3,5`, sorted.

    Raises:
        UsageError: It is not that, or a severity is outside 1 to 5.
    """
    chosen: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            ends = int(first), int(last if dash else first)
            if not set(ends) <= set(corruptions.SEVERITIES):
                raise ValueError
            chosen.update(range(ends[0], ends[1] + 1))
    except ValueError:
        chosen = set()
    if not chosen:
        raise UsageError(
            f"severities are 1 to 5, such as 1-5 or 1,3; got {text!r}", severities=text
        )
    return tuple(sorted(chosen))
