"""The layer against the formula, written out in NumPy, and against the authors' figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_gnl.errors import UsageError
from robustbench_gnl.models import GroupNLConv2d

# in, out, seeds, stride, terms, sparse, shuffle
SHAPES = [
    (16, 16, 8, 1, 4, True, False),
    (16, 32, 8, 2, 4, False, False),  # r = 4: block and interleaved orders differ
    (16, 32, 8, 1, 2, True, True),
    (12, 36, 12, 1, 3, False, False),
    (8, 8, 8, 1, 4, True, False),  # r = 1: nothing generated
    (3, 8, 4, 1, 1, True, False),
]


def build(case: tuple, **options: object) -> GroupNLConv2d:
    n_in, n_out, seeds, stride, terms, sparse, shuffle = case
    return GroupNLConv2d(
        n_in, n_out, 3, stride, 1, seed_channels=seeds, num_terms=terms, sparse=sparse,
        shuffle=shuffle, **options,
    )  # fmt: skip


def formula(layer: GroupNLConv2d, seeds: np.ndarray, terms: int, shuffle: bool) -> np.ndarray:
    """The paper's formula with one loop an index, from seed maps (B, s, H, W)."""
    periods = layer.periods.detach().numpy()
    shifts = layer.shifts.detach().numpy()
    u = seeds / np.maximum(np.sqrt((seeds**2).sum(axis=1, keepdims=True)), 1e-12)
    width, repeats = seeds.shape[1] // terms, layer.out_channels // seeds.shape[1] - 1
    generated = []
    for i in range(terms):
        for j in range(repeats):
            q = i * repeats + j
            for p in range(width):
                generated.append(np.sin((u[:, i * width + p] - shifts[q]) * periods[q]))
    if shuffle:
        per_term = len(generated) // terms
        generated = [generated[t * per_term + c] for c in range(per_term) for t in range(terms)]
    return np.stack([*u.transpose(1, 0, 2, 3), *generated], axis=1)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("case", SHAPES)
def test_agrees_with_the_formula(case: tuple, grad: bool, channels_last: bool) -> None:
    torch.manual_seed(0)
    layer = build(case, dtype=torch.float64, bias=case[2] == 4)
    x = torch.randn(2, case[0], 9, 7, dtype=torch.float64)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    plain = nn.functional.conv2d(
        x, layer.conv1.weight, layer.conv1.bias, case[3], 1, 1, layer.conv1.groups
    )
    with torch.set_grad_enabled(grad):
        out = layer(x)
    expected = formula(layer, plain.detach().numpy(), case[4], case[6])
    assert out.shape == (2, case[1], *plain.shape[2:])
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=0, atol=1e-12)


def test_gradients_are_those_of_the_formula() -> None:
    layer = build((8, 16, 4, 1, 2, False, True), dtype=torch.float64, learn=True)
    x = torch.randn(1, 8, 4, 3, dtype=torch.float64, requires_grad=True)

    def run(x: torch.Tensor, weight: torch.Tensor, *waves: torch.Tensor) -> torch.Tensor:
        names = ("conv1.weight", "periods", "shifts")
        return torch.func.functional_call(layer, dict(zip(names, (weight, *waves), strict=True)), x)

    assert torch.autograd.gradcheck(run, (x, layer.conv1.weight, layer.periods, layer.shifts))


def test_depthwise_kernel_gives_the_same_sums() -> None:
    layer = build((16, 16, 8, 2, 4, True, False), dtype=torch.float64)
    x = torch.randn(2, 16, 9, 9, dtype=torch.float64)
    grouped = layer(x)
    layer.conv1.pair_depthwise = True
    torch.testing.assert_close(layer(x), grouped, rtol=0, atol=1e-12)


def test_state_dict_order_and_draws() -> None:
    layers = [build((16, 32, 8, 1, 4, True, False), bias=True) for _ in range(50)]
    state = layers[0].state_dict()
    assert list(state) == ["periods", "shifts", "conv1.weight", "conv1.bias"]
    assert [tuple(value.shape) for value in state.values()] == [(12,), (12,), (8, 2, 3, 3), (8,)]
    assert not layers[0].periods.requires_grad
    assert not layers[0].shifts.requires_grad
    for name in ("periods", "shifts"):
        drawn = torch.cat([getattr(layer, name) for layer in layers])
        assert 1 <= drawn.min() < 1.05
        assert 1.95 < drawn.max() < 2
    assert build((16, 32, 8, 1, 4, True, False), learn=True).shifts.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("grad", [False, True])
def test_an_empty_pixel_is_finite(dtype: torch.dtype, grad: bool) -> None:
    layer = build((16, 16, 8, 1, 4, True, False), dtype=dtype)
    with torch.set_grad_enabled(grad):
        out = layer(torch.zeros(1, 16, 4, 4, dtype=dtype))
    assert out.dtype == dtype
    assert out[:, :8].abs().max() == 0
    expected = torch.sin(-layer.shifts.float() * layer.periods.float())
    torch.testing.assert_close(out[0, 8::2, 0, 0].float(), expected, rtol=0, atol=5e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_computes_waves_in_float32(dtype: torch.dtype) -> None:
    layer = build((16, 16, 8, 1, 4, True, False))
    x = torch.randn(1, 16, 6, 6)
    with torch.autocast("cpu", dtype):
        out = layer(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x), rtol=0, atol=0.05)
    out.square().sum().backward()
    assert torch.isfinite(layer.conv1.weight.grad).all()


def test_scaling_the_seed_weights_changes_nothing() -> None:
    layer = build((16, 16, 8, 1, 4, True, False), dtype=torch.float64)
    x = torch.randn(1, 16, 6, 6, dtype=torch.float64)
    before = layer(x)
    with torch.no_grad():
        layer.conv1.weight.mul_(1000)
    torch.testing.assert_close(layer(x), before, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seed_channels": 24}, "out_channels to be a multiple of seed_channels, got 64, 24"),
        ({"seed_channels": 2}, "seed_channels to be a multiple of num_terms, got 2 and 4"),
        ({"reduction": 3}, "out_channels divisible by reduction, got 64 and 3"),
        ({"reduction": 0}, "out_channels divisible by reduction, got 64 and 0"),
        ({"seed_channels": 0}, "seed_channels of at least 1, got 0"),
        ({}, "either reduction or seed_channels"),
        ({"reduction": 2, "groups": 3}, "multiples of groups, got 64, 32 and 3"),
    ],
)
def test_refuses_channels_that_do_not_divide(arguments: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        GroupNLConv2d(64, 64, 3, padding=1, **arguments)


def _of_config(config: dict) -> GroupNLConv2d:
    wanted = {key: value for key, value in config.items() if key != "extra"} | config["extra"]
    return GroupNLConv2d(**wanted)


def test_authors_layer_configurations(layer_figures: dict, fill) -> None:
    n_run = n_refused = 0
    for figures in layer_figures["configs"]:
        config = figures["config"]
        if "forward_error" in figures or not figures["out_channels_honoured"]:
            with pytest.raises(UsageError, match=str(config["seed_channels"])):
                _of_config(config)
            n_refused += 1
            continue
        layer = _of_config(config)
        assert layer.conv1.groups == figures["groups"]
        assert sum(p.numel() for p in layer.parameters()) == figures["params"]
        state = [[k, list(v.shape), str(v.dtype)[6:]] for k, v in layer.state_dict().items()]
        assert state == figures["state_dict"]
        gradients = {k: v.requires_grad for k, v in layer.named_parameters()}
        assert gradients == figures["requires_grad"]
        assert fill.fill_module(layer) == figures["weights_sha256"]
        _compare_layer(layer, figures, fill.layer_input(config["in_channels"]))
        n_run += 1
    assert (n_run, n_refused) == (21, 9)


def _compare_layer(layer: GroupNLConv2d, figures: dict, x: np.ndarray) -> None:
    with torch.no_grad():
        single = layer(torch.from_numpy(x))
    assert list(single.shape) == figures["out_shape"]
    np.testing.assert_allclose(single.flatten()[:20].numpy(), figures["first20"], atol=1e-4)
    sums = single[0].double().sum((1, 2)).numpy()
    np.testing.assert_allclose(sums, figures["per_channel_sum_row0"], atol=1e-3)
    exact = figures["float64"]
    layer = layer.double()
    image = torch.from_numpy(x).double().requires_grad_()
    out = layer(image)
    np.testing.assert_allclose(out.detach().flatten()[:20].numpy(), exact["first20"], atol=1e-10)
    assert out.sum().item() == pytest.approx(exact["sum"], abs=1e-7)
    assert out.norm().item() == pytest.approx(exact["l2"], rel=1e-12)
    # The reference rounded these weights to float32 before it widened them.
    drawn = np.random.RandomState(3).standard_normal(tuple(out.shape)).astype(np.float32)
    weight = torch.from_numpy(drawn).double()
    (out * weight).sum().backward()
    assert image.grad.norm().item() == pytest.approx(exact["grad_input_l2"], rel=1e-10)
    grad = layer.conv1.weight.grad
    assert grad.norm().item() == pytest.approx(exact["grad_conv1_weight_l2"], rel=1e-10)
    np.testing.assert_allclose(grad.flatten()[:5].numpy(), exact["grad_conv1_weight_first5"])
    for name in ("periods", "shifts"):
        if exact[f"grad_{name}"] is not None:
            np.testing.assert_allclose(
                getattr(layer, name).grad.numpy(), exact[f"grad_{name}"], rtol=1e-9
            )
