"""The names of the corruptions, in the order of the paper, and their groups."""

from __future__ import annotations

import difflib

from corruptions.errors import InvalidSeverityError, UnknownCorruptionError

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
    if group == "common":
        return COMMON
    if group == "all":
        return ALL
    if group in GROUPS:
        return GROUPS[group]
    raise UnknownCorruptionError(
        f"unknown group of corruptions {group!r}; expected one of common, all, {', '.join(GROUPS)}"
    )


def group_of(name: str) -> str:
    """The group that a corruption belongs to.

    Raises:
        UnknownCorruptionError: No corruption has that name; near names are offered.
    """
    if name not in _GROUP_OF:
        near = difflib.get_close_matches(name, ALL, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(ALL)}"
        raise UnknownCorruptionError(f"unknown corruption {name!r}; {hint}")
    return _GROUP_OF[name]


def check_severity(severity: object) -> int:
    """The severity as an int.

    Raises:
        InvalidSeverityError: It is not an integer from 1 to 5.
    """
    if isinstance(severity, bool) or not hasattr(severity, "__index__"):
        raise InvalidSeverityError(f"severity must be an integer from 1 to 5, got {severity!r}")
    value = int(severity.__index__())
    if value not in SEVERITIES:
        raise InvalidSeverityError(f"severity must be an integer from 1 to 5, got {value}")
    return value
