"""All fifteen networks: counts, state dicts, logits, training, and timm's own arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from robustbench_gnl.errors import UsageError
from robustbench_gnl.models import NAMES, GroupNLConv2d, exchange_convolutions
from robustbench_gnl.models.networks import STOCK_NAMES

# Parameters, the frozen among them, GroupNL layers, entries of the state dict.
COUNTS = {
    "mobilenetv2_gnl_100": (3_505_008, 136, 17, 348),
    "efficientnet_gnl_b0": (5_288_676, 128, 16, 392),
    "efficientnet_gnl_es": (5_438_480, 88, 11, 318),
    "efficientnet_gnl_lite0": (4_652_136, 128, 16, 328),
    "efficientnetv2_gnl_s": (21_458_728, 240, 30, 842),
    "gnl_resnet50": (17_362_384, 104, 13, 346),
    "gnl_resnet101": (26_366_808, 240, 30, 686),
    "gnl_std_r2_resnet50": (21_446_800, 104, 13, 346),
    "gnl_std_r2_resnet101": (35_425_560, 240, 30, 686),
    "gnl_std_r4_resnet50": (19_391_840, 312, 13, 346),
    "gnl_std_r4_resnet101": (30_864_120, 720, 30, 686),
    "mobilenetv3_gnl_large_075": (3_993_648, 120, 15, 342),
    "mobilenetv3_gnl_large_100": (5_483_152, 120, 15, 342),
    "mobilenetv3_gnl_small_075": (2_041_960, 88, 11, 266),
    "mobilenetv3_gnl_small_100": (2_542_944, 88, 11, 266),
}
SMALL = "mobilenetv3_gnl_small_075"


def test_the_registry_holds_exactly_the_fifteen() -> None:
    assert set(NAMES) == set(COUNTS)
    assert set(timm.list_models(module="networks")) >= set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    parameters = list(model.parameters())
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    layers = [m for m in model.modules() if isinstance(m, GroupNLConv2d)]
    total = sum(p.numel() for p in parameters)
    assert (total, frozen, len(layers), len(model.state_dict())) == COUNTS[name]


SLOW = {"efficientnetv2_gnl_s", "gnl_resnet101", "gnl_std_r2_resnet101", "gnl_std_r4_resnet101"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in COUNTS],
)
def test_agrees_with_the_authors(name: str, network_figures: dict, reference: Path, fill) -> None:
    figures = network_figures[name]
    model = timm.create_model(name).eval()
    state = [[k, list(v.shape), str(v.dtype)[6:]] for k, v in model.state_dict().items()]
    assert state == figures["state_dict"]
    assert [k for k, p in model.named_parameters() if not p.requires_grad] == figures["frozen_keys"]
    assert STOCK_NAMES[name] == figures["stock"]["name"]
    for key, value in figures["data_config_train"].items():
        ours = model.pretrained_cfg[key]
        assert (list(ours) if isinstance(ours, tuple) else ours) == value, key
    test_size = model.pretrained_cfg.get("test_input_size", model.pretrained_cfg["input_size"])
    assert list(test_size) == figures["data_config_test_size"]["input_size"]
    fill.fill_module(model)
    image = torch.from_numpy(fill.image_input())
    logits = np.load(reference / "parity_logits.npz")
    with torch.inference_mode():
        np.testing.assert_allclose(model(image).numpy(), logits[f"{name}/f32"], rtol=0, atol=1e-4)
        model = model.double()
        np.testing.assert_allclose(
            model(image.double()).numpy(), logits[f"{name}/f64"], rtol=0, atol=1e-10
        )


def fill_by_position(model: nn.Module) -> None:
    """Weights that depend on their place in the state dict alone, so that any code can fill them
    alike; what batch normalisation has seen is left as it begins."""
    for position, (key, value) in enumerate(model.state_dict().items()):
        rng = np.random.default_rng(position)
        if value.ndim > 1 and not key.endswith(("periods", "shifts")):
            drawn = rng.standard_normal(value.shape) * np.sqrt(2 / np.prod(value.shape[1:]))
        elif key.endswith(("weight", "periods", "shifts")):
            drawn = rng.uniform(0.5, 1.5, value.shape)
        elif key.endswith("bias"):
            drawn = rng.standard_normal(value.shape) / 10
        else:
            continue
        value.copy_(torch.from_numpy(drawn))


STEPPED_DAILY = {
    SMALL, "efficientnet_gnl_es", "mobilenetv2_gnl_100", "gnl_resnet50", "gnl_std_r4_resnet50"
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in STEPPED_DAILY else pytest.mark.slow) for n in COUNTS],
)
def test_a_training_step_is_that_of_the_authors(name: str) -> None:
    """`training_steps.json` is what the authors' own networks gave, filled by the same rule:
    one step of cross entropy in float64, without dropout and drop path."""
    theirs = json.loads((Path(__file__).parent / "training_steps.json").read_text())[name]
    model = timm.create_model(name, num_classes=3, drop_rate=0.0, drop_path_rate=0.0)
    model = model.double().train()
    fill_by_position(model)
    image = torch.from_numpy(np.random.default_rng(99).standard_normal((3, 3, 64, 64)))
    logits = model(image)
    nn.functional.cross_entropy(logits, torch.arange(3)).backward()

    norms = [p.grad.norm().item() for p in model.parameters() if p.grad is not None]
    variances = [v for key, v in model.state_dict().items() if key.endswith("running_var")]
    np.testing.assert_allclose(logits.detach().numpy(), theirs["logits"], rtol=0, atol=1e-10)
    assert len(norms) == theirs["n_gradients"]
    assert norms[0] == pytest.approx(theirs["first_gradient_norm"], rel=1e-9)
    assert np.linalg.norm(norms) == pytest.approx(theirs["gradient_norm"], rel=1e-9)
    assert sum(v.sum().item() for v in variances) == pytest.approx(
        theirs["running_variance_sum"], rel=1e-12
    )


def test_timm_arguments_pass_through() -> None:
    model = timm.create_model(
        SMALL, num_classes=10, in_chans=1, drop_rate=0.3, drop_path_rate=0.1, global_pool="max"
    ).eval()
    assert model.drop_rate == 0.3
    assert model.pretrained_cfg["architecture"] == SMALL
    assert model(torch.randn(1, 1, 64, 64)).shape == (1, 10)
    assert model.get_classifier().out_features == 10


@pytest.mark.parametrize("name", ["efficientnet_gnl_es", "gnl_resnet50"])
def test_features_only(name: str) -> None:
    model = timm.create_model(name, features_only=True).eval()
    assert any(isinstance(m, GroupNLConv2d) for m in model.modules())
    maps = model(torch.randn(1, 3, 64, 64))
    assert [m.shape[-1] for m in maps] == [32, 16, 8, 4, 2]


def test_fresh_seed_weights_have_the_stock_spread() -> None:
    torch.manual_seed(0)
    model = timm.create_model("efficientnet_gnl_es")
    weight = model.blocks[3][1].conv_dw.conv1.weight
    assert weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    weight = timm.create_model("gnl_resnet50").layer1[0].conv2.conv1.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.1)


def test_no_published_weights() -> None:
    with pytest.raises(UsageError, match=r"authors published none.*checkpoint=FILE"):
        timm.create_model(SMALL, pretrained=True)


def test_a_network_without_a_place_is_refused() -> None:
    with pytest.raises(UsageError, match="Sequential has no depthwise-separable"):
        exchange_convolutions(nn.Sequential(nn.Conv2d(3, 8, 3)))


def test_import_is_silent() -> None:
    command = [sys.executable, "-W", "error", "-c", "import robustbench_gnl.models"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
