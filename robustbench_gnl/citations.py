"""BibTeX entries of the suite, the reference and known model families."""

from __future__ import annotations

from collections.abc import Iterable

from robustbench_gnl.metrics.reference import load_bibliography
from robustbench_gnl.suites import DEFAULT_SUITE, Suite

GROUPNL = "ding2026groupnl"
TIMM = "wightman2019timm"
FAMILIES = {
    "convnext_": "liu2022convnet",
    "deit_": "touvron2021training",
    "densenet": "huang2017densely",
    "efficientnet": "tan2019efficientnet",
    "efficientnetv2": "tan2021efficientnetv2",
    "mobilenetv2": "sandler2018mobilenetv2",
    "mobilenetv3": "howard2019searching",
    "regnet": "radosavovic2020designing",
    "resnet": "he2016deep",
    "resnext": "xie2017aggregated",
    "swin_": "liu2021swin",
    "vgg": "simonyan2015very",
    "vit_": "dosovitskiy2021image",
    "wide_resnet": "zagoruyko2016wide",
}
"""Beginning of a model's name, what comes before an architecture left out, and its paper.

The `_` keeps those away whose successors have papers of their own: `deit3`, `swinv2`, `vitamin`.
"""
_PREFIXES = ("tf_", "gnl_std_r2_", "gnl_std_r4_", "gnl_")


def citations_of(models: Iterable[str], suites: Iterable[Suite] = (DEFAULT_SUITE,)) -> list[str]:
    """The keys of `references.bib` for a report on these models, evaluated on these suites."""
    keys = []
    for suite in suites:
        keys += [suite.citation, *([suite.reference.citation] if suite.reference else [])]
    keys.append(TIMM)
    for model in models:
        if "gnl_" in model:
            keys.append(GROUPNL)
        name = model
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        fitting = [family for family in FAMILIES if name.startswith(family)]
        if fitting:
            keys.append(FAMILIES[max(fitting, key=len)])
    return list(dict.fromkeys(keys))


def bibtex(models: Iterable[str], suites: Iterable[Suite] = (DEFAULT_SUITE,)) -> str:
    """The entries themselves, without a final line break."""
    entries = load_bibliography()
    return "\n\n".join(entries[key] for key in citations_of(models, suites))
