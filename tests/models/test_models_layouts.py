"""Published weights in the layouts of their authors, made from timm's networks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from robustbench_gnl.errors import ModelError
from robustbench_gnl.models import load_model

Weights = dict[str, Tensor]


def convnext_of_its_authors(weights: Weights) -> Weights:
    """https://github.com/facebookresearch/ConvNeXt, by the inverse of its differences to timm."""
    renamed = {}
    for key, value in weights.items():
        key = key.replace("stem.", "downsample_layers.0.")
        key = re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", key)
        if "mlp.grn" in key:  # of the second version
            key = key.replace("mlp.grn.bias", "grn.beta").replace("mlp.grn.weight", "grn.gamma")
            value = value.reshape(1, 1, 1, -1)
        key = key.replace(".blocks.", ".").replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        key = key.replace("head.norm.", "norm.").replace("head.fc.", "head.")
        # The authors' 1x1 convolutions are linear.
        renamed[key] = value.flatten(1) if "pwconv" in key and value.ndim == 4 else value
    return renamed


def swin_of_its_authors(weights: Weights) -> Weights:
    """https://github.com/microsoft/Swin-Transformer: a stage ends with downsampling."""
    renamed = {}
    for key, value in weights.items():
        key = re.sub(
            r"layers\.(\d)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key
        )
        renamed[key.replace("head.fc.", "head.")] = value
        if key.endswith("relative_position_bias_table"):
            renamed[key.replace("bias_table", "index")] = torch.zeros(49, 49, dtype=torch.int64)
    return renamed


def vgg_of_torchvision(weights: Weights) -> Weights:
    names = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3"}
    renamed = {}
    for key, value in weights.items():
        for ours, theirs in (names | {"head.fc": "classifier.6"}).items():
            key = key.replace(ours, theirs)
        renamed[key] = (
            value.flatten(1) if key.startswith("classifier") and value.ndim == 4 else value
        )
    return renamed


CASES = {
    "convnext_atto": ({"depths": (1, 1, 1, 1)}, convnext_of_its_authors),
    "convnextv2_atto": ({"depths": (1, 1, 1, 1)}, convnext_of_its_authors),
    "swin_tiny_patch4_window7_224": (
        {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)},
        swin_of_its_authors,
    ),
}


def changed(weights: Weights) -> Weights:
    """The same shapes with values that no network begins with."""
    torch.manual_seed(5)
    return {
        key: torch.rand_like(value) + 0.5 if value.is_floating_point() else value
        for key, value in weights.items()
    }


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(("prefix", "n_classes"), [("", 1000), ("model.", 7)])
@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES)
def test_the_authors_layout(
    name: str, case: tuple[dict, Callable], prefix: str, n_classes: int, tmp_path: Path
) -> None:
    options, original = case
    weights = changed(timm.create_model(name, num_classes=n_classes, **options).state_dict())
    content = {prefix + key: value for key, value in original(weights).items()}
    assert content.keys() != weights.keys()
    loaded = load_model(name, saved(tmp_path / "a.pth", {"model": content}), **options)
    assert loaded.num_classes == n_classes
    assert loaded.weights == "model"
    for key, value in loaded.module.state_dict().items():
        assert torch.equal(value, weights[key]), key
    assert any("original layout" in note for note in loaded.notes)
    if "swin" in name:
        assert any(
            "left out" in note and "relative_position_index" in note for note in loaded.notes
        )


@pytest.mark.slow  # half a gigabyte, the smallest there is
def test_vgg_of_torchvision(tmp_path: Path) -> None:
    weights = timm.create_model("vgg11", num_classes=3).state_dict()
    path = saved(tmp_path / "a.pth", vgg_of_torchvision(weights))
    del weights["pre_logits.fc1.weight"]  # 400 MB
    loaded = load_model("vgg11", path)
    assert loaded.num_classes == 3
    assert torch.equal(loaded.module.head.fc.weight, weights["head.fc.weight"])


def test_deit(tmp_path: Path) -> None:
    weights = timm.create_model("deit_tiny_patch16_224", num_classes=5).state_dict()
    loaded = load_model("deit_tiny_patch16_224", saved(tmp_path / "a.pth", {"model": weights}))
    assert (loaded.num_classes, loaded.weights, loaded.notes) == (5, "model", ())


def test_nothing_is_resized_in_silence(tmp_path: Path) -> None:
    weights = timm.create_model("deit_tiny_patch16_224", img_size=384).state_dict()
    with pytest.raises(ModelError, match=r"another image or patch size.*\(1, 577, 192\)"):
        load_model("deit_tiny_patch16_224", saved(tmp_path / "a.pth", {"model": weights}))
    name = "swin_tiny_patch4_window7_224"
    weights = timm.create_model(name, window_size=6, img_size=192).state_dict()
    with pytest.raises(ModelError, match="would have to be resized"):
        load_model(name, saved(tmp_path / "b.pth", {"model": weights}))


@pytest.mark.parametrize("name", ["convnext_atto", "swin_tiny_patch4_window7_224"])
def test_a_network_without_its_classifier_is_never_completed(name: str, tmp_path: Path) -> None:
    weights = {"features.0.weight": torch.ones(64, 3, 3, 3), "norm.weight": torch.ones(3)}
    with pytest.raises(ModelError, match="does not fit the model"):
        load_model(name, saved(tmp_path / "a.pth", {"model": weights}))
