"""Rules of a gate: what a run must not exceed, as text and as a test.

    RULE    = FIELD ":+" NUMBER UNIT     the number may rise that far above the baseline's
            | FIELD ":-" NUMBER UNIT     it must fall that far below the baseline's
            | FIELD "<=" NUMBER UNIT     it may be that high; no baseline is needed
    FIELD   = "mCE" | "relative_mCE" | "clean_error"
            | ("CE" | KIND) "[" NAME "]" | KIND "[" NAME "," SEVERITY "]" | KIND
    KIND    = "error" | "top5_error" | "nll" | "ece"
    NAME    = a corruption or a group
    UNIT    = ""      points of mCE or CE; after "<=" also a fraction below 1 of an error or of ece
            | "pp"    percentage points of an error or of ece, after ":"
            | "nats"  of nll
            | "%"     of the baseline's value, after ":"; of an error or of ece, after "<="

A KIND without a selection is the mean over all corruption cells that were run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import corruptions
from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.metrics import GROUPS
from robustbench_gnl.records import CLEAN, COMMON_CONDITIONS, Condition, conditions_of
from robustbench_gnl.reference import Reference
from robustbench_gnl.statistics.linear import LinearField, linear_fields, mean_error_field

Unit = Literal["points", "pp", "nats", "%"]

KINDS = {
    "error": "error",
    "top5_error": "top5_error",
    "nll": "negative_log_likelihood",
    "ece": "calibration_error",
}
"""Kinds of numbers that every cell has, and their names elsewhere."""
RATIOS = ("mce", "relative_mce", "ce")
TYPED = {"mce": "mCE", "relative_mce": "relative_mCE", "ce": "CE"}
"""How people write a field, where it is not as it is."""
FIELDS = ("mCE", "relative_mCE", "CE[NAME]", "clean_error", *KINDS)
CHANGE, LIMIT = ":", "<="
"""What stands between a field and its number: how far it may change, or how high it may be."""
GRAMMAR = (
    "a rule is FIELD:+NUMBER with a unit, such as mCE:+0.5 (points), error:+2pp (percentage "
    "points), error[fog]:+1pp, error[blur,5]:+2pp, nll:+0.1nats, ece:+10% (of the baseline's); "
    "FIELD:-NUMBER for a required gain, such as mCE:-0.5; or FIELD<=NUMBER for a limit, such as "
    "mCE<=70, clean_error<=25%, nll<=2.5nats"
)
MOST = 1_000_000
"""No number of a model is that high, so a rule that names more is a slip."""
_RULE = re.compile(
    r"(?P<field>\w+)\s*(?:\[(?P<selection>[^\]]*)\])?\s*(?P<operator>[:<>=!\u2264\u2265]+)"
    r"(?P<number>[^%a-zA-Z]*)(?P<unit>pp|nats|%|)"
)
_UNSIGNED = re.compile(r"\d+(\.\d+)?|\.\d+")


@dataclass(frozen=True)
class Rule:
    """How far one number may rise, how far it must fall, or how high it may be."""

    text: str
    """As it was typed."""
    field: str
    """`mce`, `relative_mce`, `ce`, `clean_error`, or a key of KINDS."""
    selection: tuple[Condition, ...] | None
    """The cells it looks at; None: all corruption cells that were run."""
    threshold: float
    """In points, percentage points, nats or percent; below 0 where a gain is required."""
    unit: Unit
    name: str | None = None
    """The corruption or group of `CE[...]`."""
    is_limit: bool = False
    """Whether the threshold is of the number itself, and not of its change."""

    @property
    def is_gain(self) -> bool:
        """Whether the number must fall."""
        return not self.is_limit and self.threshold < 0

    @property
    def field_text(self) -> str:
        """`error[fog]`: what stands before the threshold, as it was typed."""
        return self.text.split(LIMIT if self.is_limit else CHANGE, 1)[0].strip()

    @property
    def limit(self) -> float:
        """How high the number may be, in its own unit; of a rule that `is_limit`."""
        return self.threshold / 100 if self.unit == "%" else self.threshold

    def threshold_from(self, baseline: float) -> float:
        """What may be added to the baseline's value, in the value's own unit."""
        if self.unit == "%":
            return abs(baseline) * self.threshold / 100
        return self.threshold / 100 if self.unit == "pp" else self.threshold


def parse_rule(text: str) -> Rule:
    """Read one rule.

    Raises:
        UsageError: It is none; the sentence shows what one looks like.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise _bad(text, GRAMMAR)
    field = match["field"].lower()
    known = ("mce", "relative_mce", "ce", "clean_error", *KINDS)
    if field not in known:
        hint = did_you_mean(field, known)
        for untyped, typed in TYPED.items():
            hint = hint.replace(repr(untyped), repr(typed))
        raise _bad(
            text,
            f"unknown field {match['field']!r}{hint or ';'} the fields are {', '.join(FIELDS)}",
        )
    is_limit = _is_limit(text, match)
    number = match["number"].strip()
    if is_limit:
        value, unit = _limit(text, field, number, match["unit"])
    else:
        value, unit = _change(text, field, number, match["unit"])
    name, selection = _selection(text, field, match["selection"])
    return Rule(text.strip(), field, selection, value, unit, name, is_limit)


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


def cells_of(
    rule: Rule,
    baseline: Sequence[Condition] | None,
    candidate: Sequence[Condition],
    common_cells: bool = False,
) -> tuple[Condition, ...]:
    """The cells that a rule looks at, and that the runs it looks at must have: both, or of a
    limit the candidate alone.

    Args:
        baseline: The cells of the baseline; None where there is none.
        common_cells: Of the change of a KIND, only those that both have.

    Raises:
        UsageError: A run lacks a cell, or a baseline is needed and there is none.
    """
    if rule.is_limit:
        runs, who_has = [("the run", candidate)], "the run has"
    else:
        if baseline is None:
            raise no_baseline([rule])
        runs, who_has = [("the baseline", baseline), ("the run", candidate)], "both runs have"
    if rule.selection is None:
        every = (cell for _, has in runs for cell in has)
        wanted = tuple(dict.fromkeys(cell for cell in every if not cell.is_clean))
    else:
        wanted = rule.selection
    can_narrow = rule.field in KINDS and not rule.is_limit
    if common_cells and can_narrow:
        wanted = tuple(cell for cell in wanted if all(cell in has for _, has in runs))
    if not wanted:
        raise UsageError(
            f"the rule {rule.text} finds no cell that {who_has}; evaluate some, or leave the "
            "rule out",
            rule=rule.text,
            missing=(),
        )
    for who, has in runs:
        missing = [str(cell) for cell in wanted if cell not in has]
        if missing:
            n_missing = f"{len(missing)} {'cell' if len(missing) == 1 else 'cells'}"
            listed = ", ".join(missing[:3]) + (" and more" if len(missing) > 3 else "")
            raise UsageError(
                f"the rule {rule.text} needs {n_missing} that {who} lacks ({listed}); evaluate "
                + ("it" if len(missing) == 1 else "them")
                + (
                    ", or look only at the cells that both have with --common-cells"
                    if can_narrow
                    else ", or leave the rule out"
                ),
                rule=rule.text,
                missing=tuple(missing),
            )
    return wanted


def no_baseline(rules: Sequence[Rule]) -> UsageError:
    """What to raise where rules compare with a baseline and none was given."""
    compares = f"the {'rule' if len(rules) == 1 else 'rules'} "
    compares += ", ".join(rule.text for rule in rules)
    return UsageError(
        f"no baseline was given, and {compares} {'needs' if len(rules) == 1 else 'need'} one; name "
        "a stored run or a file of `gnlbench runs export` with --baseline (a limit such as mCE<=70 "
        "needs none)"
    )


def field_of(rule: Rule, cells: Sequence[Condition], reference: Reference) -> LinearField:
    """The number of a rule on top-1 errors; a KIND without a selection is the mean over all
    the corruption cells there are.

    Raises:
        UsageError: The cells, or the reference, do not allow it.
    """
    name = rule.field
    if rule.field not in RATIOS:
        chosen = rule.selection or [cell for cell in cells if not cell.is_clean]
        if chosen and set(chosen) <= set(cells):
            return mean_error_field(rule.text, cells, chosen)
    elif rule.name is not None:
        name = f"groups.{rule.name}" if rule.name in GROUPS else f"corruptions.{rule.name}.ce"
    field = linear_fields(cells, reference).get(name)
    if field is None or rule.field not in RATIOS:
        missing = [str(cell) for cell in rule.selection or () if cell not in cells]
        if missing:
            needs = f"cells that are not there, such as {missing[0]}; evaluate them"
        elif not reference.is_defined:
            needs = f"a reference ({reference.protocol})"
        elif rule.selection is None:
            needs = "a corruption, and none was evaluated; evaluate some"
        else:
            needs = f"errors that {reference.name} does not have; name another --reference"
        raise UsageError(
            f"the rule {rule.text} needs {needs}, or leave the rule out", rule=rule.text
        )
    return field


def _is_limit(text: str, match: re.Match[str]) -> bool:
    """Which of the two operators it is.

    Raises:
        UsageError: It is neither.
    """
    operator = match["operator"]
    if operator in (CHANGE, LIMIT):
        return operator == LIMIT
    field = match.string[: match.start("operator")].strip()
    value = (match["number"] + match["unit"]).strip().lstrip("+-") or "NUMBER"
    if ">" in operator or "\u2265" in operator:
        raise _bad(
            text,
            f"lower is better, so a rule says how high a number may be; write {field}<={value}, "
            f"got {operator!r}",
        )
    means_limit = "<" in operator or "\u2264" in operator
    raise _bad(
        text,
        f"expected ':' before a change or '<=' before a limit, got {operator!r}; write "
        + (f"{field}<={value}" if means_limit else f"{field}:+{value} or {field}<={value}"),
    )


def _change(text: str, field: str, number: str, unit_text: str) -> tuple[float, Unit]:
    """How far the number may rise, or must fall.

    Raises:
        UsageError: It is no number, its unit does not fit, or nothing could break or keep it.
    """
    if number[:1] not in ("+", "-") or not _UNSIGNED.fullmatch(number[1:]):
        raise _bad(
            text,
            f"it says how far a number may rise, such as +0.5, got {number!r}; a gain that is "
            "required is such as -0.5",
        )
    value = _number(text, number)
    unit = _unit(text, field, unit_text)
    if number.startswith("-") and value == 0:
        raise _bad(text, "a gain of 0 is none; write +0 for what may not rise")
    if unit == "pp" and value >= 100:
        raise _bad(text, "a share of images rises by less than 100 pp, so it could never fail")
    if unit == "pp" and value <= -100:
        raise _bad(text, "a share of images falls by less than 100 pp, so it would always fail")
    if unit == "%" and value <= -100 and field != "relative_mce":
        raise _bad(text, "a number falls by less than 100 % of itself, so it would always fail")
    return value, unit


def _limit(text: str, field: str, number: str, unit_text: str) -> tuple[float, Unit]:
    """How high the number may be.

    Raises:
        UsageError: It is no number, its unit does not fit, or nothing could break it.
    """
    if not _UNSIGNED.fullmatch(number):
        raise _bad(
            text, f"expected a limit of 0 or more, such as {_example(field)}, got {number!r}"
        )
    value = _number(text, number)
    if field in RATIOS or field == "nll":
        own: Unit = "nats" if field == "nll" else "points"
        wanted = "nats" if field == "nll" else ""
        if unit_text != wanted:
            what = "nll needs its unit, nats" if wanted else f"{TYPED[field]} is in points: no unit"
            raise _bad(text, f"{what}, such as {_example(field)}, got {unit_text!r}")
        return value, own
    if unit_text not in ("", "%"):
        raise _bad(
            text,
            f"the limit of {field} is in % of the images, such as {_example(field)}, "
            f"got {unit_text!r}",
        )
    if not unit_text:
        if value >= 1:
            raise _bad(
                text,
                f"{field} needs a unit: % such as {_example(field)}, or a fraction below 1 such as "
                f"{field}<=0.25",
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


def _example(field: str) -> str:
    """A limit of that field, as people write it."""
    if field in RATIOS:
        return {"ce": "CE[fog]<=70"}.get(field, f"{TYPED[field]}<=70")
    return {"nll": "nll<=2.5nats", "ece": "ece<=5%"}.get(field, f"{field}<=25%")


def _unit(text: str, field: str, unit: str) -> Unit:
    """The unit that fits the field.

    Raises:
        UsageError: It does not.
    """
    if unit == "%":
        return "%"
    if field in RATIOS:
        if unit:
            raise _bad(
                text,
                f"{TYPED[field]} is in points, AlexNet = 100: leave out {unit}, or write % of the "
                "baseline's",
            )
        return "points"
    if field == "nll":
        if unit != "nats":
            raise _bad(text, "nll needs a unit: nats, such as nll:+0.1nats, or % of the baseline's")
        return "nats"
    if unit != "pp":
        raise _bad(
            text,
            f"{field} needs a unit: pp for percentage points, such as {field}:+2pp, or % of "
            "the baseline's",
        )
    return "pp"


def _selection(
    text: str, field: str, selection: str | None
) -> tuple[str | None, tuple[Condition, ...] | None]:
    """The name in the brackets, and the cells that the rule looks at."""
    if selection is None:
        if field == "ce":
            raise _bad(text, "CE is of a corruption or a group, such as CE[fog]:+1")
        if field == "clean_error":
            return None, (CLEAN,)
        cells = {"mce": COMMON_CONDITIONS, "relative_mce": (CLEAN, *COMMON_CONDITIONS)}
        return None, cells.get(field)
    if field in ("mce", "relative_mce", "clean_error"):
        typed = TYPED.get(field, field)
        raise _bad(text, f"{typed} takes no selection; write error[{selection}] or CE[...]")
    name, *rest = (part.strip() for part in selection.split(","))
    known = ("common", "extra", "all", *GROUPS, *corruptions.names("all"))
    if name not in known:
        raise _bad(text, f"unknown corruption or group {name!r}{did_you_mean(name, known)}")
    names = (name,) if name in corruptions.names("all") else corruptions.names(name)
    if field == "ce" and (rest or name in ("common", "extra", "all")):
        raise _bad(
            text, "CE is over all five severities of a corruption or a group: CE[fog], CE[blur]"
        )
    if not rest:
        return name, conditions_of(names, corruptions.SEVERITIES)
    severities = [str(severity) for severity in corruptions.SEVERITIES]
    if len(rest) != 1 or rest[0] not in severities:
        raise _bad(text, f"a severity is 1 to 5, such as {field}[{name},5]")
    return name, conditions_of(names, (int(rest[0]),))


def _bad(text: str, why: str) -> UsageError:
    return UsageError(f"the rule {text!r} cannot be read: {why}", rule=text)
