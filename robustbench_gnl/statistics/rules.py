"""Rules of a gate: how much worse a run may be than its baseline, as text and as a test.

    RULE    = FIELD ":+" NUMBER UNIT
    FIELD   = "mCE" | "relative_mCE" | "clean_error"
            | ("CE" | KIND) "[" NAME "]" | KIND "[" NAME "," SEVERITY "]" | KIND
    KIND    = "error" | "top5_error" | "nll" | "ece"
    NAME    = a corruption or a group
    UNIT    = ""      points of mCE or CE
            | "pp"    percentage points of an error or of ece
            | "nats"  of nll
            | "%"     of the baseline's value

A KIND without a selection is the mean over all corruption cells that were run.
"""

from __future__ import annotations

import math
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
GRAMMAR = (
    "a rule is FIELD:+NUMBER with a unit, such as mCE:+0.5 (points), error:+2pp (percentage "
    "points), error[fog]:+1pp, error[blur,5]:+2pp, nll:+0.1nats, ece:+10% (of the baseline's)"
)
_RULE = re.compile(
    r"(?P<field>\w+)\s*(?:\[(?P<selection>[^\]]*)\])?\s*:(?P<number>[^%a-zA-Z]*)(?P<unit>pp|nats|%|)"
)
_NUMBER = re.compile(r"\+\d+(\.\d+)?|\+\.\d+")


@dataclass(frozen=True)
class Rule:
    """How far one number may rise."""

    text: str
    """As it was typed."""
    field: str
    """`mce`, `relative_mce`, `ce`, `clean_error`, or a key of KINDS."""
    selection: tuple[Condition, ...] | None
    """The cells it looks at; None: all corruption cells that were run."""
    threshold: float
    """In points, percentage points, nats or percent."""
    unit: Unit
    name: str | None = None
    """The corruption or group of `CE[...]`."""

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
    number = match["number"].strip()
    if not _NUMBER.fullmatch(number) or math.isinf(float(number)):
        raise _bad(text, f"it says how far a number may rise, such as +0.5, got {number!r}")
    unit = _unit(text, field, match["unit"])
    if unit == "pp" and float(number) >= 100:
        raise _bad(text, "a share of images rises by less than 100 pp, so it could never fail")
    name, selection = _selection(text, field, match["selection"])
    return Rule(text.strip(), field, selection, float(number), unit, name)


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Read all rules.

    Raises:
        UsageError: There are none, or one is none.
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
    baseline: Sequence[Condition],
    candidate: Sequence[Condition],
    common_cells: bool = False,
) -> tuple[Condition, ...]:
    """The cells that a rule looks at in two runs that hold these, and both must have.

    Args:
        common_cells: Of a KIND, only those that both have.

    Raises:
        UsageError: One of them lacks a cell.
    """
    has_baseline, has_candidate = set(baseline), set(candidate)
    if rule.selection is None:
        either = [*baseline, *candidate]
        wanted = tuple(dict.fromkeys(cell for cell in either if not cell.is_clean))
    else:
        wanted = rule.selection
    if common_cells and rule.field in KINDS:
        wanted = tuple(cell for cell in wanted if cell in has_baseline & has_candidate)
    if not wanted:
        raise UsageError(
            f"the rule {rule.text} finds no cell that both runs have; evaluate some, or leave the "
            "rule out",
            rule=rule.text,
            missing=(),
        )
    for who, has in (("the baseline", has_baseline), ("the run", has_candidate)):
        missing = [str(cell) for cell in wanted if cell not in has]
        if missing:
            n_missing = f"{len(missing)} {'cell' if len(missing) == 1 else 'cells'}"
            listed = ", ".join(missing[:3]) + (" and more" if len(missing) > 3 else "")
            raise UsageError(
                f"the rule {rule.text} needs {n_missing} that {who} lacks ({listed}); evaluate "
                + ("it" if len(missing) == 1 else "them")
                + (
                    ", or look only at the cells that both have with --common-cells"
                    if rule.field in KINDS
                    else ", or leave the rule out"
                ),
                rule=rule.text,
                missing=tuple(missing),
            )
    return wanted


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
