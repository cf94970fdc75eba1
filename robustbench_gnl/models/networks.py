"""The fifteen GroupNL networks, registered with timm under the authors' names.

Source: Ding et al., "GroupNL: Low-Resource and Robust CNN Design over Cloud and Device",
IEEE TMC 2026, doi 10.1109/TMC.2026.3655770, and the authors' published code. Each is a stock
timm network with some convolutions exchanged, so timm's own arguments work; state dicts have
the authors' keys, order and shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import generate_default_cfgs, model_entrypoint, register_model
from torch import nn

from robustbench_gnl.errors import UsageError, option
from robustbench_gnl.models.convert import exchange_convolutions
from robustbench_gnl.suites.suite import IMAGENET_INPUT, IMAGENET_LABELS


@dataclass(frozen=True)
class _Network:
    """A stock network, how it is exchanged, and how its images are prepared."""

    stock: str
    reduction: int = 2
    sparse: bool = True
    preparation: tuple[tuple[str, Any], ...] = ()


_RESNET = (("crop_pct", 0.95), ("first_conv", "conv1"), ("classifier", "fc"))
_MOBILENETV3 = (("pool_size", (1, 1)),)
_MOBILENETV3_BILINEAR = (*_MOBILENETV3, ("interpolation", "bilinear"))
_EFFICIENTNETV2 = (
    ("input_size", (3, 288, 288)),
    ("test_input_size", (3, 384, 384)),
    ("pool_size", (9, 9)),
    ("crop_pct", 1.0),
)

_NETWORKS = {
    "mobilenetv2_gnl_100": _Network("mobilenetv2_100"),
    "efficientnet_gnl_b0": _Network("efficientnet_b0"),
    "efficientnet_gnl_es": _Network("efficientnet_es"),
    "efficientnet_gnl_lite0": _Network("efficientnet_lite0"),
    "efficientnetv2_gnl_s": _Network("efficientnetv2_s", preparation=_EFFICIENTNETV2),
    "gnl_resnet50": _Network("resnet50", preparation=_RESNET),
    "gnl_resnet101": _Network("resnet101", preparation=_RESNET),
    "gnl_std_r2_resnet50": _Network("resnet50", 2, False, _RESNET),
    "gnl_std_r2_resnet101": _Network("resnet101", 2, False, _RESNET),
    "gnl_std_r4_resnet50": _Network("resnet50", 4, False, _RESNET),
    "gnl_std_r4_resnet101": _Network("resnet101", 4, False, _RESNET),
    "mobilenetv3_gnl_large_075": _Network(
        "mobilenetv3_large_075", preparation=_MOBILENETV3_BILINEAR
    ),
    "mobilenetv3_gnl_large_100": _Network("mobilenetv3_large_100", preparation=_MOBILENETV3),
    "mobilenetv3_gnl_small_075": _Network(
        "mobilenetv3_small_075", preparation=_MOBILENETV3_BILINEAR
    ),
    "mobilenetv3_gnl_small_100": _Network(
        "mobilenetv3_small_100", preparation=_MOBILENETV3_BILINEAR
    ),
}

NAMES: tuple[str, ...] = tuple(_NETWORKS)
STOCK_NAMES: dict[str, str] = {name: network.stock for name, network in _NETWORKS.items()}


def _default_cfg(network: _Network) -> dict[str, Any]:
    # No url and no hub id: the authors published no weights.
    return {
        "num_classes": IMAGENET_LABELS.n_classes,
        "input_size": (3, IMAGENET_INPUT.crop, IMAGENET_INPUT.crop),
        "pool_size": (7, 7),
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": "conv_stem",
        "classifier": "classifier",
        **dict(network.preparation),
    }


# timm looks for this name in the module of every network it registers.
default_cfgs = generate_default_cfgs(
    {name: _default_cfg(network) for name, network in _NETWORKS.items()}
)


def _entry_point(name: str) -> Callable[..., nn.Module]:
    network = _NETWORKS[name]

    def build(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        if pretrained:
            raise UsageError(
                f"{name} has no pretrained weights, because its authors published none. "
                f"Train it and pass the checkpoint ({option('ckpt', 'FILE')}).",
                name=name,
            )
        cfg = kwargs.pop("pretrained_cfg", None)
        if isinstance(cfg, str):
            raise UsageError(f"{name} has no tags, got {cfg!r}; use the plain name.", name=name)
        cfg = cfg or default_cfgs[name].cfgs[""].to_dict() | {"architecture": name}
        model: nn.Module = model_entrypoint(network.stock)(
            pretrained=False, pretrained_cfg=cfg, **kwargs
        )
        exchange_convolutions(model, reduction=network.reduction, sparse=network.sparse)
        return model

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"{network.stock} with GroupNL convolutions."
    return build


__all__ = ["NAMES", "STOCK_NAMES"]
for _name in NAMES:
    globals()[_name] = register_model(_entry_point(_name))
