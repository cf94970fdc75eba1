"""What a report on these models has to cite, as BibTeX that can be pasted."""

from __future__ import annotations

import re

import pytest

from robustbench_gnl.citations import (
    FAMILIES,
    GROUPNL,
    TIMM,
    bibtex,
    citations_of,
)
from robustbench_gnl.metrics.reference import load_bibliography
from robustbench_gnl.suites import SUITES

ALWAYS = ("hendrycks2019benchmarking", "krizhevsky2012imagenet")
ENTRY = re.compile(r"@(\w+)\{(\w+),\n(.*?)\n\}(?:\n\n|\Z)", re.DOTALL)
FIELD = re.compile(r"  (\w+) += \{(.*)\}")


def entries(text: str) -> dict[str, dict[str, str]]:
    """The fields of each entry by its key; nothing else may stand in the text."""
    assert ENTRY.sub("", text) == ""
    found = {}
    for _, key, body in ENTRY.findall(text):
        assert key not in found, "an entry stands there twice"
        lines = [FIELD.fullmatch(line.removesuffix(",")) for line in body.split("\n")]
        assert None not in lines
        found[key] = {line[1]: line[2] for line in lines if line is not None}
    return found


@pytest.mark.parametrize(
    ("model", "papers"),
    [
        ("resnet50", ["he2016deep"]),
        ("resnext50_32x4d", ["xie2017aggregated"]),
        ("wide_resnet50_2", ["zagoruyko2016wide"]),
        ("tf_efficientnet_lite0", ["tan2019efficientnet"]),
        ("tf_efficientnetv2_b0", ["tan2021efficientnetv2"]),
        ("mobilenetv3_large_100", ["howard2019searching"]),
        ("vit_base_patch16_224", ["dosovitskiy2021image"]),
        ("deit_tiny_patch16_224", ["touvron2021training"]),
        ("swin_tiny_patch4_window7_224", ["liu2021swin"]),
        ("convnext_tiny", ["liu2022convnet"]),
        ("gnl_resnet18", [GROUPNL, "he2016deep"]),
        ("gnl_std_r2_resnet50", [GROUPNL, "he2016deep"]),
        ("efficientnet_gnl_es", [GROUPNL, "tan2019efficientnet"]),
    ],
)
def test_a_known_architecture_has_its_paper(model: str, papers: list[str]) -> None:
    assert citations_of([model]) == [*ALWAYS, TIMM, *papers]


@pytest.mark.parametrize(
    "model",
    ["", "a network of mine", "deit3_small_patch16_224", "swinv2_tiny_window8_256",
     "convnextv2_tiny", "vitamin_small_224", "my_resnet50"],
)  # fmt: skip
def test_an_unknown_model_still_cites_the_benchmark_and_no_paper_of_another(model: str) -> None:
    assert citations_of([model]) == [*ALWAYS, TIMM]


def test_no_models_cite_the_benchmark() -> None:
    assert set(entries(bibtex([]))) == {
        "hendrycks2019benchmarking", "krizhevsky2012imagenet", "wightman2019timm"
    }  # fmt: skip


def test_each_entry_stands_there_once_however_many_models_share_it() -> None:
    text = bibtex(["resnet50", "resnet18", "gnl_resnet18", "gnl_resnet50", "vgg11", "vgg11"])

    assert list(entries(text)) == [*ALWAYS, TIMM, "he2016deep", GROUPNL, "simonyan2015very"]


def test_every_family_has_an_entry_that_bibtex_can_read() -> None:
    cited = {*ALWAYS, TIMM, GROUPNL, *FAMILIES.values()}
    of_suites = {suite.citation for suite in SUITES.values()}
    found = entries("\n\n".join(load_bibliography().values()))

    assert set(entries(bibtex([*FAMILIES, "gnl_resnet18"]))) == cited
    assert set(found) == cited | of_suites
    for key, fields in found.items():
        assert {"title", "author", "year"} <= set(fields), key
        assert fields["year"] in key
        for value in fields.values():
            depths = [value[:i].count("{") - value[:i].count("}") for i in range(len(value) + 1)]
            assert min(depths) == depths[-1] == 0, key
