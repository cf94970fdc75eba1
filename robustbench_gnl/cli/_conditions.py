"""`--suite`, `--corruptions` and `--severities`: text to the conditions of a suite."""

from __future__ import annotations

from robustbench_gnl.errors import UsageError, did_you_mean, option
from robustbench_gnl.records import Condition, conditions_of
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES, Suite, get_suite

MAIN_CORRUPTIONS = "common"
"""What `--corruptions` is where it is left out: those that the means of the suite are over."""
ALL_SEVERITIES = DEFAULT_SUITE.severity_span("-")
"""What `--severities` is where it is left out; of a suite without severities it means none."""
CORRUPTIONS_METAVAR = "common|extra|all|NAME,..."
SEVERITIES_METAVAR = f"{ALL_SEVERITIES}|1,3"


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
            raise _unknown_corruption(part, suite)
    return tuple(dict.fromkeys(chosen))


def _unknown_corruption(name: str, suite: Suite) -> UsageError:
    known = tuple(dict.fromkeys((*suite.selections, *suite.all_corruptions)))
    hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
    if not suite.has_severities:  # not a typing error: the data is another suite
        hint = f" of {suite.title}, which has {', '.join(suite.all_corruptions)} only; leave out "
        hint += option("corruptions")
    return UsageError(f"unknown corruption {name!r}{hint}", name=name)


def parse_severities(text: str, suite: Suite = DEFAULT_SUITE) -> tuple[int, ...]:
    """A range such as `2-4`, or numbers such as `1,3`, sorted; `(0,)` for a suite without
    severities.

    Raises:
        UsageError: It is not that, or a severity that the suite does not have.
    """
    if not suite.has_severities:
        if text != ALL_SEVERITIES:
            raise UsageError(
                f"{suite.title} has no severities, got {text!r}; leave out {option('severities')}",
                severities=text,
            )
        return suite.severities
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
            f"severities are {suite.severity_span()}, such as {ALL_SEVERITIES} or 1,3; "
            f"got {text!r}",
            severities=text,
        )
    return tuple(sorted(chosen))


def parse_conditions(corruptions: str, severities: str, suite: Suite) -> tuple[Condition, ...]:
    """Each severity of each corruption.

    Raises:
        UsageError: The suite does not have one of them.
    """
    return conditions_of(parse_corruptions(corruptions, suite), parse_severities(severities, suite))


def check_conditions(corruptions: str, severities: str, suite: str | None) -> None:
    """Refuse what no suite has, or not the one that was named, before the data is opened, which
    tells which suite it is.

    Raises:
        UsageError: The suite is unknown, or does not have the conditions.
    """
    if suite is not None:
        parse_conditions(corruptions, severities, get_suite(suite))
        return
    for other in SUITES.values():
        try:
            parse_conditions(corruptions, severities, other)
        except UsageError:
            continue
        return
    parse_conditions(corruptions, severities, DEFAULT_SUITE)
