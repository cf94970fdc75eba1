"""The grammar of gate rules, and their parser.

    RULE     = SUBJECT ":+" NUMBER UNIT     the number may rise that far above the baseline's
             | SUBJECT ":-" NUMBER UNIT     it must fall that far below the baseline's
             | SUBJECT "<=" NUMBER UNIT     it may be that high; no baseline is needed
    SUBJECT  = a metric of the catalogue that rules may name: "mCE", "relative_mCE", "clean_error"
             | ("CE" | QUANTITY) "[" NAME "]" | QUANTITY "[" NAME "," SEVERITY "]" | QUANTITY
    QUANTITY = "error" | "top5_error" | "nll" | "ece"
    NAME     = a corruption or a group
    UNIT     = ""      points of mCE or CE; after "<=" also a fraction below 1 of an error or of ece
             | "pp"    percentage points of an error or of ece, after ":"
             | "nats"  of nll
             | "%"     of the baseline's value, after ":"; of an error or of ece, after "<="

A QUANTITY without a selection is the mean over all corruption cells that were run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.metrics.catalogue import RELATIVE_MCE
from robustbench_gnl.metrics.quantities import CALIBRATION_ERROR
from robustbench_gnl.metrics.unit import NATS
from robustbench_gnl.statistics.rules import CHANGE, LIMIT, Rule, RuleUnit, Subject, subjects
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES

GRAMMAR = (
    "a rule is FIELD:+NUMBER with a unit, such as mCE:+0.5 (points), error:+2pp (percentage "
    "points), error[fog]:+1pp, error[blur,5]:+2pp, nll:+0.1nats, ece:+10% (of the baseline's); "
    "FIELD:-NUMBER for a required gain, such as mCE:-0.5; or FIELD<=NUMBER for a limit, such as "
    "mCE<=70, clean_error<=25%, nll<=2.5nats"
)
MOST = 1_000_000
"""No metric has larger values, so a larger number in a rule is a typing error."""
_RULE = re.compile(
    r"(?P<subject>\w+)\s*(?:\[(?P<selection>[^\]]*)\])?\s*(?P<operator>[:<>=!\u2264\u2265]+)"
    r"(?P<number>[^%a-zA-Z]*)(?P<unit>pp|nats|%|)"
)
_UNSIGNED = re.compile(r"\d+(\.\d+)?|\.\d+")


def parse_rule(text: str) -> Rule:
    """Read one rule.

    Raises:
        UsageError: It is none; the sentence shows what one looks like.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise _bad(text, GRAMMAR)
    subject = _subject(text, match["subject"])
    is_limit = _is_limit(text, match)
    number = match["number"].strip()
    if is_limit:
        value, unit = _limit(text, subject, number, match["unit"])
    else:
        value, unit = _change(text, subject, number, match["unit"])
    name, severity = _selection(text, subject, match["selection"])
    return Rule(text.strip(), subject, value, unit, name, severity, is_limit)


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Read all rules.

    Raises:
        UsageError: There are none, one cannot be read, or one was given twice.
    """
    if not texts:
        raise UsageError(f"expected at least one --fail-on RULE: {GRAMMAR}")
    rules = tuple(parse_rule(text) for text in texts)
    seen: dict[Rule, str] = {}
    for rule in rules:
        meaning = replace(rule, text="")
        if meaning in seen:
            other = "" if seen[meaning] == rule.text else f", as {seen[meaning]} too"
            raise UsageError(f"the rule {rule.text} was given twice{other}; once is enough")
        seen[meaning] = rule.text
    return rules


def _subject(text: str, name: str) -> Subject:
    """What the rule is about.

    Raises:
        UsageError: There is no such metric or quantity.
    """
    known = subjects()
    found = known.get(name.lower())
    if found is not None:
        return found
    hint = did_you_mean(name.lower(), known)
    for lower, one in known.items():
        hint = hint.replace(repr(lower), repr(one.name))
    listed = ", ".join(
        f"{one.name}[NAME]" if one.needs_selection else one.name for one in known.values()
    )
    raise _bad(text, f"unknown field {name!r}{hint or ';'} the fields are {listed}")


def _is_limit(text: str, match: re.Match[str]) -> bool:
    """Which of the two operators it is.

    Raises:
        UsageError: The operator is neither `:` nor `<=`.
    """
    operator = match["operator"]
    if operator in (CHANGE, LIMIT):
        return operator == LIMIT
    subject = match.string[: match.start("operator")].strip()
    value = (match["number"] + match["unit"]).strip().lstrip("+-") or "NUMBER"
    if ">" in operator or "\u2265" in operator:
        raise _bad(
            text,
            f"lower is better, so a rule says how high a number may be; write {subject}<={value}, "
            f"got {operator!r}",
        )
    means_limit = "<" in operator or "\u2264" in operator
    raise _bad(
        text,
        f"expected ':' before a change or '<=' before a limit, got {operator!r}; write "
        + (f"{subject}<={value}" if means_limit else f"{subject}:+{value} or {subject}<={value}"),
    )


def _change(text: str, subject: Subject, number: str, unit_text: str) -> tuple[float, RuleUnit]:
    """How far the number may rise, or must fall.

    Raises:
        UsageError: It is no number, its unit does not fit, or nothing could break or keep it.
    """
    example = f"0.5{subject.unit.rule_unit}"
    if number[:1] not in ("+", "-") or not _UNSIGNED.fullmatch(number[1:]):
        raise _bad(
            text,
            f"expected a sign and a unit, such as {subject.name}:+{example} for what may rise by "
            f"that, or {subject.name}:-{example} for what must fall by it, got {number!r}",
        )
    value = _number(text, number)
    unit = _unit(text, subject, unit_text)
    if number.startswith("-") and value == 0:
        raise _bad(text, "a gain of 0 is none; write +0 for what may not rise")
    if unit == "pp" and value >= 100:
        raise _bad(text, "a share of images rises by less than 100 pp, so it could never fail")
    if unit == "pp" and value <= -100:
        raise _bad(text, "a share of images falls by less than 100 pp, so it would always fail")
    # A relative mCE may be below 0, so that it can fall by more than itself.
    if unit == "%" and value <= -100 and subject.metric is not RELATIVE_MCE:
        raise _bad(text, "a number falls by less than 100 % of itself, so it would always fail")
    return value, unit


def _limit(text: str, subject: Subject, number: str, unit_text: str) -> tuple[float, RuleUnit]:
    """How high the number may be.

    Raises:
        UsageError: It is no number, its unit does not fit, or nothing could break it.
    """
    if not _UNSIGNED.fullmatch(number):
        raise _bad(
            text, f"expected a limit of 0 or more, such as {_example(subject)}, got {number!r}"
        )
    value = _number(text, number)
    if not subject.unit.is_share:
        wanted = subject.unit.rule_unit
        if unit_text != wanted:
            what = (
                f"{subject.name} needs its unit, {wanted}"
                if wanted
                else f"{subject.name} is in points: no unit"
            )
            raise _bad(text, f"{what}, such as {_example(subject)}, got {unit_text!r}")
        return value, "nats" if subject.unit is NATS else "points"
    if unit_text not in ("", "%"):
        raise _bad(
            text,
            f"the limit of {subject.name} is in % of the images, such as {_example(subject)}, "
            f"got {unit_text!r}",
        )
    if not unit_text:
        if value >= 1:
            raise _bad(
                text,
                f"{subject.name} needs a unit: % such as {_example(subject)}, or a fraction below "
                f"1 such as {subject.name}<=0.25",
            )
        value = round(100 * value, 10)  # 0.07 is 7 %, not 7.000000000000001 %
    if value >= 100:
        raise _bad(text, "a share of images is never above 100 %, so it could never fail")
    return value, "%"


def _number(text: str, number: str) -> float:
    value = float(number)
    if abs(value) >= MOST:
        raise _bad(text, f"no number is that high; expected less than {MOST:,}, got {number[:20]}")
    return value


def _example(subject: Subject) -> str:
    """A limit of that subject, as people write it."""
    if subject.is_ratio:
        return f"{subject.name}{'[fog]' if subject.needs_selection else ''}<=70"
    if subject.unit is NATS:
        return f"{subject.name}<=2.5nats"
    return f"{subject.name}<={5 if subject.quantity is CALIBRATION_ERROR else 25}%"


def _unit(text: str, subject: Subject, unit: str) -> RuleUnit:
    """The unit of a change that fits the subject.

    Raises:
        UsageError: The unit does not fit the subject.
    """
    if unit == "%":
        return "%"
    if subject.is_ratio:
        if unit:
            raise _bad(
                text,
                f"{subject.name} is in points, {_reference_name()} = 100: leave out {unit}, or "
                "write % of the baseline's",
            )
        return "points"
    if subject.unit is NATS:
        if unit != "nats":
            raise _bad(
                text,
                f"{subject.name} needs a unit: nats, such as {subject.name}:+0.1nats, or % of the "
                "baseline's",
            )
        return "nats"
    if unit != "pp":
        raise _bad(
            text,
            f"{subject.name} needs a unit: pp for percentage points, such as {subject.name}:+2pp, "
            "or % of the baseline's",
        )
    return "pp"


def _reference_name() -> str:
    return DEFAULT_SUITE.reference.name if DEFAULT_SUITE.reference else "the reference"


def _selection(text: str, subject: Subject, selection: str | None) -> tuple[str | None, int | None]:
    """The name and the severity in the brackets, which some suite must have."""
    if selection is None:
        if subject.needs_selection:
            raise _bad(
                text,
                f"{subject.name} is of a corruption or a group, such as {subject.name}[fog]:+1",
            )
        return None, None
    if not subject.takes_selection:
        raise _bad(text, f"{subject.name} takes no selection; write error[{selection}] or CE[...]")
    name, *rest = (part.strip() for part in selection.split(","))
    several = {
        one for suite in SUITES.values() for one in suite.selections if one not in suite.groups
    }
    known = dict.fromkeys(
        one for suite in SUITES.values() for one in (*suite.selections, *suite.all_corruptions)
    )
    if name not in known:
        raise _bad(text, f"unknown corruption or group {name!r}{did_you_mean(name, known)}")
    if subject.needs_selection and (rest or name in several):
        raise _bad(
            text,
            f"{subject.name} is over all severities of a corruption or a group: "
            f"{subject.name}[fog], {subject.name}[blur]",
        )
    if not rest:
        return name, None
    suite = next(
        (one for one in SUITES.values() if name in {*one.selections, *one.all_corruptions}),
        DEFAULT_SUITE,
    )
    severities = suite.severities
    if not suite.has_severities:
        raise _bad(text, f"{suite.title} has no severities: write {subject.name}[{name}]")
    if len(rest) != 1 or rest[0] not in map(str, severities):
        raise _bad(
            text,
            f"a severity is {severities[0]} to {severities[-1]}, such as "
            f"{subject.name}[{name},{severities[-1]}]",
        )
    return name, int(rest[0])


def _bad(text: str, why: str) -> UsageError:
    return UsageError(f"the rule {text!r} cannot be read: {why}", rule=text)
