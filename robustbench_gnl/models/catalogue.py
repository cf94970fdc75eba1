"""Which model names exist: the GroupNL networks and everything timm has."""

from __future__ import annotations

import fnmatch

import timm

from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.models import networks


def list_models(pattern: str = "") -> list[str]:
    """Names of models, the GroupNL networks first, then timm's in its order.

    Args:
        pattern: A part of the name, or a wildcard such as `*gnl*`; all names when empty.
    """
    ours = list(networks.NAMES)
    names = ours + [name for name in timm.list_models() if name not in networks.NAMES]
    if not pattern:
        return names
    wildcard = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return fnmatch.filter(names, wildcard)


def check_name(name: str) -> None:
    """Refuse a name, with or without a tag such as `.a1_in1k`, that no model has.

    Raises:
        UsageError: With the nearest names.
    """
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        known = [*timm.list_models(), *timm.list_models(pretrained=True)]
        raise UsageError(
            f"Expected a model of ours or of timm, got {name!r}{did_you_mean(name, known)}",
            name=name,
        )
    if not tag and "." not in name:
        return
    tagged = list_tagged(base)
    if name not in tagged:
        raise UsageError(
            f"Expected a tag that {base} has, got {name!r}"
            + (did_you_mean(name, tagged) or "; it has " + (", ".join(tagged) or "none")),
            name=name,
        )


def list_tagged(base: str) -> list[str]:
    """The names with tags of one architecture, `resnet50.a1_in1k` and so on."""
    names = timm.list_models(f"{base}.*", include_tags=True)
    return [name for name in names if name.partition(".")[0] == base and "." in name]


def has_weights(name: str) -> bool:
    """Whether timm can fetch weights for this name."""
    return bool(timm.models.is_model_pretrained(name))
