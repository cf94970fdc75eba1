"""What people call the numbers of a run, and in which unit they read them.

A number is named by the path that it has in the JSON of a run: `mce`, `groups.noise`,
`corruptions.fog.ce`, `corruptions.fog.severities.3`.
"""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_gnl.reports.formatting import (
    Format,
    as_fraction_percent,
    as_number,
    as_percent,
    as_signed,
)


@dataclass(frozen=True)
class Unit:
    """How people read numbers of one unit."""

    name: str
    """As JSON has it."""
    format: Format
    title: str
    """Behind the name of a number; empty: nothing."""
    of_value: str
    """Behind a value."""
    of_change: str
    """Behind a difference."""


FRACTION = Unit("fraction", as_fraction_percent, "%", " %", " pp")
RATIO = Unit("percent", as_percent, "", "", "")  # of the reference's errors
NATS = Unit("nats", as_number, "nats", " nats", " nats")
POINTS = Unit("points of mCE", as_percent, "points of mCE", "", "")
UNITS = {unit.name: unit for unit in (FRACTION, RATIO, NATS, POINTS)}

KINDS = ("top5_error", "negative_log_likelihood", "calibration_error")
"""Numbers that every condition has besides its top-1 error."""
HEADLINE = ("clean_error", "mean_corruption_error", "mce", "relative_mce", "mean_error_19")
"""The numbers of a run that stand first."""
FURTHER = (
    "robustness_gap",
    *(f"{which}_{kind}" for kind in KINDS for which in ("clean", "mean")),
    "effective_robustness",
)
"""Those below them."""

_LABELS = {
    "error": "error",
    "ce": "CE",
    "relative_ce": "relative CE",
    "top5_error": "top-5 error",
    "negative_log_likelihood": "negative log likelihood",
    "calibration_error": "expected calibration error",
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "mean_error_19": "mean error over all 19",
}
"""Where the label is not the key with spaces."""
_WHOLE_LABELS = {
    "mean_corruption_error": "mean corruption error over the 15, not normalised",
    "mean_error_19": "mean error over all 19, not normalised",
    "robustness_gap": "robustness gap (mean corruption error minus clean error)",
    "clean_calibration_error": "clean expected calibration error (15 bins)",
    **{
        f"mean_{kind}": f"mean {_LABELS[kind]} over the 15"
        for kind in ("top5_error", "negative_log_likelihood", "calibration_error")
    },
}
"""Where a reader without a table around it needs to know more."""
_NARROW_LABELS = {
    "clean_error": "clean\nerror\n%",
    "relative_mce": "relative\nmCE",
    "mean_corruption_error": "mean\ncorr.\nerr. %",
}


def kind_label(kind: str) -> str:
    """`top-5 error` of `top5_error`: what is measured, of whatever images."""
    return _LABELS.get(kind, kind.replace("_", " "))


def metric_label(path: str) -> str:
    """`clean error`, `mCE`, `fog CE`: without the unit."""
    scope, name = scope_and_name(path)
    if scope:
        return f"{scope.replace('_', ' ')} {kind_label(name)}"
    which, _, kind = name.partition("_")
    if which in ("clean", "mean") and kind in KINDS:
        return f"{which} {kind_label(kind)}"
    return kind_label(name)


def named_label(path: str) -> str:
    """`CE of fog`: the label in a sentence."""
    scope, name = scope_and_name(path)
    return f"{kind_label(name)} of {scope}" if scope else metric_label(path)


def full_label(path: str) -> str:
    """The label with what a reader must know where it stands by itself."""
    return _WHOLE_LABELS.get(path, metric_label(path))


def with_unit(label: str, unit: Unit) -> str:
    """`clean error, %`."""
    return f"{label}, {unit.title}" if unit.title else label


def metric_title(path: str) -> str:
    """The label with its unit, for the head of a table."""
    return with_unit(metric_label(path), unit_of(path))


def narrow_title(path: str) -> str:
    """The same on lines of their own, for a narrow column; empty: it is short enough."""
    scope, name = scope_and_name(path)
    if scope:
        return "\n".join((*scope.split("_"), kind_label(name)))
    return _NARROW_LABELS.get(path, "")


def unit_of(path: str) -> Unit:
    """The unit of a number."""
    name = scope_and_name(path)[1]
    if name == "effective_robustness":
        return POINTS
    if name.endswith("negative_log_likelihood"):
        return NATS
    return RATIO if name in ("ce", "relative_ce", "mce", "relative_mce") else FRACTION


def format_value(path: str, value: float) -> str:
    """A value in its unit: a fraction in percent."""
    return unit_of(path).format(value)


def format_change(path: str, value: float) -> str:
    """A difference, with its sign."""
    return as_signed(unit_of(path).format)(value)


def scope_and_name(path: str) -> tuple[str, str]:
    """`fog` and `ce` of `corruptions.fog.ce`; no scope of a number of the whole run."""
    first, *rest = path.split(".")
    if first == "groups":
        return rest[0], "ce"
    if first != "corruptions":
        return "", path
    name, *rest = rest
    if rest[0] == "severities":
        severity, *kind = rest[1:]
        return f"{name}/{severity}", kind[0] if kind else "error"
    return name, rest[0]
