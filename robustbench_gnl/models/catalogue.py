"""The names of models: GroupNL, timm and torchvision."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import timm
from timm.models import _registry

from robustbench_gnl.errors import UsageError, did_you_mean, option
from robustbench_gnl.models import networks, torchvision_models

HUB = "hf-hub:"
_HUB_SPELLINGS = re.compile(r"hf[-_]hub:", re.IGNORECASE)
_LOCAL = re.compile(r"local[-_]dir:", re.IGNORECASE)
_OF_TIMM = "timm/"


@dataclass(frozen=True)
class ModelName:
    """A model name, and the library that creates the model.

    Attributes:
        name: As it is stored: timm's current name, `torchvision:...`, `hf-hub:...`, or the
            text that names a factory.
        kind: Who builds the network.
        notes: How the given name was interpreted.
    """

    name: str
    kind: Literal["timm", "torchvision", "hub", "factory"]
    notes: tuple[str, ...] = ()


def list_models(pattern: str = "") -> list[str]:
    """Names of models, the GroupNL networks first, then timm's in its order.

    Names with tags (`resnet50.a1_in1k`) and torchvision's (`torchvision:resnet50`) are listed
    where the pattern asks for them: with a dot or with `torchvision`, or where no other name fits.

    Args:
        pattern: A part of the name, or a wildcard such as `*gnl*`; all names when empty.
    """
    ours = list(networks.NAMES)
    names = ours + [name for name in timm.list_models() if name not in networks.NAMES]
    if not pattern:
        return names
    wildcard = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    if pattern.startswith("torchvision"):
        return fnmatch.filter(torchvision_models.list_names(), wildcard)
    found = fnmatch.filter(names, wildcard)
    if "." in pattern or not found:
        tagged = timm.list_models(include_tags=True)
        found += [name for name in fnmatch.filter(tagged, wildcard) if name not in found]
    return found or fnmatch.filter(torchvision_models.list_names(), f"*{wildcard}")


def resolve(name: str) -> ModelName:
    """Resolve a name, including deprecated names and other spellings.

    Raises:
        UsageError: No model has it; the nearest names are told.
    """
    if _LOCAL.match(name):
        folder = name.partition(":")[2]
        raise UsageError(
            f"Expected the name of a model, got {name!r}; give the folder as the checkpoint "
            f"({option('ckpt', str(folder))}), which names its architecture.",
            name=name,
        )
    hub = _HUB_SPELLINGS.match(name)
    if hub is None and name.startswith(torchvision_models.PREFIX):
        torchvision_models.check_name(name)
        return ModelName(name, "torchvision")
    if hub is None and ":" in name:
        return ModelName(name, "factory")
    if name.endswith(".py"):
        raise UsageError(
            f"Expected the name of a model, got {name!r}; a function of that file is named "
            f"{name}:FUNCTION",
            name=name,
        )
    bare = name[hub.end() :] if hub else name
    short = bare.removeprefix(_OF_TIMM)
    if (hub or short != bare) and "/" not in short and short in _names_with_tags():
        # Under timm's own account, the hub has timm's published weights under timm's names.
        return _current(short, [f"{name} is timm's {short}"] if bare != short else [])
    if hub:
        if re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", bare) is None:
            raise UsageError(
                f"Expected hf-hub:OWNER/NAME, got {name!r}{did_you_mean(short, known_names())}",
                name=name,
            )
        return ModelName(HUB + bare, "hub")
    return _current(short if "/" not in short else name, [])


def _current(name: str, notes: list[str]) -> ModelName:
    """The current timm name for one of its names."""
    former = _registry.get_deprecated_models()
    if name in former:
        now = former[name]
        if not now:
            raise UsageError(
                f"timm removed {name} without a successor{did_you_mean(name, known_names())}",
                name=name,
            )
        now = _with_tag_of_today(now)
        notes = [*notes, f"{name} is timm's former name of {now}"]
        name = now
    check_name(name)
    return ModelName(name, "timm", tuple(notes))


def _with_tag_of_today(name: str) -> str:
    """The name, or the only one that begins with it: tags were renamed, and timm's own mapping
    of former names has some of the old ones."""
    tagged = list_tagged(name.partition(".")[0])
    longer = [each for each in tagged if each.startswith(f"{name}_")]
    return longer[0] if name not in tagged and "." in name and len(longer) == 1 else name


def check_name(name: str) -> None:
    """Refuse a name, with or without a tag such as `.a1_in1k`, that no model of timm's has.

    Raises:
        UsageError: With the nearest names.
    """
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        raise UsageError(
            f"Expected a GroupNL or timm model, got {name!r}{_nearest(name)}", name=name
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


def known_names() -> list[str]:
    """timm's names, with and without tags, the GroupNL networks among them."""
    return [*timm.list_models(), *timm.list_models(pretrained=True)]


def _names_with_tags() -> set[str]:
    former: Iterable[str] = _registry.get_deprecated_models()
    return {*timm.list_models(), *timm.list_models(include_tags=True), *former}


def _nearest(name: str) -> str:
    """The nearest names, or how other kinds of names are written."""
    bare = name.partition(".")[0]
    if torchvision_models.PREFIX + bare in torchvision_models.list_names():
        return f"; did you mean {torchvision_models.PREFIX + name!r}?"
    near = did_you_mean(name, known_names())
    if near:
        return near
    if "/" in name:
        return (
            f"; a model of the Hugging Face hub is named {HUB}{name}, a checkpoint is given with "
            f"{option('ckpt', str(name))}"
        )
    if name.endswith((".onnx", ".pt2", ".pth", ".pt", ".tar", ".safetensors", ".ckpt")):
        return f"; a checkpoint is given with {option('ckpt', str(name))}"
    return ""


def list_tagged(base: str) -> list[str]:
    """The names with tags of one architecture, `resnet50.a1_in1k` and so on."""
    names = timm.list_models(f"{base}.*", include_tags=True)
    return [name for name in names if name.partition(".")[0] == base and "." in name]


def has_weights(name: str) -> bool:
    """Whether timm can fetch weights for this name."""
    return bool(timm.models.is_model_pretrained(name))
