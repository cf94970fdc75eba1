"""The names of the corruptions, in the order of the paper, and their groups."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from corruptions.errors import InvalidSeverityError, UnknownCorruptionError
from corruptions.requests import as_integer

SEVERITIES = (1, 2, 3, 4, 5)

GROUPS: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    "extra": ("speckle_noise", "gaussian_blur", "spatter", "saturate"),
}
COMMON = GROUPS["noise"] + GROUPS["blur"] + GROUPS["weather"] + GROUPS["digital"]
ALL = COMMON + GROUPS["extra"]

_GROUP_OF = {name: group for group, members in GROUPS.items() for name in members}


def names(group: str = "common") -> tuple[str, ...]:
    """The corruptions of a group: `common` (15), `extra` (4), `all` (19), or one of the
    four groups of the paper (`noise`, `blur`, `weather`, `digital`).

    Raises:
        UnknownCorruptionError: No group has that name.
    """
    by_name = {"common": COMMON, "all": ALL, **GROUPS}
    if isinstance(group, str) and group in by_name:
        return by_name[group]
    raise UnknownCorruptionError(
        f"unknown group of corruptions {group!r}; {near_names(group, tuple(by_name))}"
        f"expected one of {', '.join(by_name)}"
    )


def group_of(name: str) -> str:
    """The group that a corruption belongs to.

    Raises:
        UnknownCorruptionError: No corruption has that name; near names are offered.
    """
    if not isinstance(name, str) or name not in _GROUP_OF:
        hint = near_names(name, ALL).rstrip() or f"known: {', '.join(ALL)}"
        raise UnknownCorruptionError(f"unknown corruption {name!r}; {hint}")
    return _GROUP_OF[name]


def near_names(name: object, known: Sequence[str]) -> str:
    """`"did you mean fog? "`, or nothing where no known name is near."""
    if not isinstance(name, str):
        return ""
    typed = name.lower()
    near = [one for one in known if len(typed) > 2 and typed in one]
    near = near or difflib.get_close_matches(typed, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}? " if near else ""


def check_severity(severity: object) -> int:
    """The severity as an int.

    Raises:
        InvalidSeverityError: It is not an integer from 1 to 5.
    """
    value = as_integer(severity)
    if value not in SEVERITIES:
        raise InvalidSeverityError(f"severity must be an integer from 1 to 5, got {severity!r}")
    return value
