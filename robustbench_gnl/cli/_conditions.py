"""`--corruptions` and `--severities`: text to checked values."""

from __future__ import annotations

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.suites import DEFAULT_SUITE, Suite


def parse_corruptions(text: str, suite: Suite = DEFAULT_SUITE) -> tuple[str, ...]:
    """`common`, `extra`, `all`, a group, or names with commas between them, in order.

    Raises:
        UsageError: A name is no corruption and no group.
    """
    chosen: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if part in suite.selections:
            chosen += suite.selections[part]
        elif part in suite.all_corruptions:
            chosen.append(part)
        else:
            known = (*suite.selections, *suite.all_corruptions)
            hint = did_you_mean(part, known)
            raise UsageError(
                f"unknown corruption {part!r}{hint or '; known: ' + ', '.join(known)}", name=part
            )
    return tuple(dict.fromkeys(chosen))


def parse_severities(text: str, suite: Suite = DEFAULT_SUITE) -> tuple[int, ...]:
    """`1-5`, `3` or `1,3,5`, sorted.

    Raises:
        UsageError: It is not that, or a severity that the suite does not have.
    """
    chosen: set[int] = set()
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            ends = int(first), int(last if dash else first)
            if not set(ends) <= set(suite.severities):
                raise ValueError
            chosen.update(range(ends[0], ends[1] + 1))
    except ValueError:
        chosen = set()
    if not chosen:
        raise UsageError(
            f"severities are {suite.severities[0]} to {suite.severities[-1]}, such as 1-5 or 1,3; "
            f"got {text!r}",
            severities=text,
        )
    return tuple(sorted(chosen))
