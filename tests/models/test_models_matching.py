"""Checkpoints of other tools: prefixes, counters, entries, folders, and what does not fit."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import socket
import struct
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from robustbench_gnl.errors import ModelError
from robustbench_gnl.models import find_checkpoint, load_into, load_model, read_checkpoint

NAME = "mobilenetv3_small_050"
Weights = dict[str, Tensor]


class Small(nn.Module):
    """A convolution, a batch norm and a classifier, which say of themselves what timm's say."""

    def __init__(self, n_classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, n_classes)
        self.pretrained_cfg = {"classifier": "fc", "first_conv": "stem", "architecture": "small"}


@pytest.fixture
def weights() -> Weights:
    torch.manual_seed(1)
    return {
        key: torch.rand_like(value) if value.is_floating_point() else value + 9
        for key, value in Small().state_dict().items()
    }


def under(prefix: str, weights: Weights) -> Weights:
    return {prefix + key: value for key, value in weights.items()}


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def loaded_notes(tmp_path: Path, content: object, weights: Weights) -> str:
    """Load, compare every tensor, and return the notes."""
    model = Small()
    fit = load_into(model, read_checkpoint(saved(tmp_path / "a.pth", content)))
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[key]), key
    return "; ".join(fit.notes)


@pytest.mark.parametrize(
    "prefix",
    [
        "model.",
        "net.",
        "backbone.",
        "1.",
        "module.model.",
        "_orig_mod.net.",
        "a.b.c.",
        "model._orig_mod.",
    ],
)
def test_any_common_prefix(prefix: str, weights: Weights, tmp_path: Path) -> None:
    notes = loaded_notes(tmp_path, {"state_dict": under(prefix, weights)}, weights)
    shown = prefix.replace("_orig_mod.", "").removeprefix("module.")
    assert f"the prefix {shown!r} was taken off" in notes


def test_plain_weights_need_no_note(weights: Weights, tmp_path: Path) -> None:
    assert loaded_notes(tmp_path, weights, weights) == ""
    assert loaded_notes(tmp_path, under("_orig_mod.module.", weights), weights) == ""
    inside = {key.replace("norm.", "norm._orig_mod."): value for key, value in weights.items()}
    assert loaded_notes(tmp_path, inside, weights) == ""


def test_what_stands_beside_the_network_is_listed(weights: Weights, tmp_path: Path) -> None:
    content = under("model.", weights) | {"criterion.weight": torch.ones(4)}
    assert "criterion.weight (1 in all)" in loaded_notes(tmp_path, content, weights)
    # Of an empty prefix only losses stand beside it.
    content = weights | {"criterion.weight": torch.ones(4)}
    assert "criterion.weight (1 in all)" in loaded_notes(tmp_path, content, weights)
    with pytest.raises(ModelError, match="1 unexpected"):
        loaded_notes(tmp_path, weights | {"aux.weight": torch.ones(4)}, weights)
    with pytest.raises(ModelError, match="1 unexpected"):
        loaded_notes(tmp_path, under("net.", weights | {"aux.weight": torch.ones(4)}), weights)


def test_a_copy_beside_the_trained_weights(weights: Weights, tmp_path: Path) -> None:
    other = {key: value + 1 for key, value in weights.items()}
    content = under("ema_model.", other) | under("model.", weights)
    assert "ema_model.stem.weight" in loaded_notes(tmp_path, content, weights)
    same = under("student.", weights) | under("net.", weights)
    assert "the prefix" in loaded_notes(tmp_path, same, weights)
    with pytest.raises(ModelError, match=r"2 times.*'(one|two)\.', '(one|two)\.'"):
        loaded_notes(tmp_path, under("one.", weights) | under("two.", other), weights)


def test_counters_are_ignored(weights: Weights, tmp_path: Path) -> None:
    counted = weights | {
        "total_ops": torch.zeros(1, dtype=torch.float64),
        "stem.total_params": torch.zeros(1, dtype=torch.float64),
        "fc.num_batches_tracked": torch.tensor(3),
        "n_averaged": torch.tensor(3),
    }
    notes = loaded_notes(tmp_path, counted, weights)
    assert "n_averaged, num_batches_tracked, total_ops, total_params of the checkpoint" in notes
    with pytest.raises(ModelError, match="1 unexpected"):  # no counter has ten numbers
        loaded_notes(tmp_path, weights | {"stem.total_ops": torch.ones(10)}, weights)


def test_files_of_old_torch_have_no_counters(weights: Weights, tmp_path: Path) -> None:
    model = Small()
    old = {key: value for key, value in weights.items() if "num_batches" not in key}
    fit = load_into(model, read_checkpoint(saved(tmp_path / "a.pth", old)))
    assert "lacks num_batches_tracked" in fit.notes[0]


@pytest.mark.parametrize(
    "entry",
    ["model_state_dict", "net", "module", "weights", "network", "params", "model.state_dict"],
)
def test_entries_of_other_tools(entry: str, weights: Weights, tmp_path: Path) -> None:
    content: dict = weights
    for name in reversed(entry.split(".")):
        content = {name: content, "epoch": 3, "optimizer": {"state": {}}}
    assert read_checkpoint(saved(tmp_path / "a.pth", content)).entry == entry
    loaded_notes(tmp_path, content, weights)


def test_a_normaliser_beside_the_network(tmp_path: Path) -> None:
    weights = under("1.", load_small_timm())
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
    content = weights | {"0.mean": mean.view(1, 3, 1, 1), "0.std": std.view(1, 3, 1, 1)}
    path = saved(tmp_path / "a.pth", content)
    loaded = load_model(NAME, path)
    assert (loaded.mean, loaded.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert loaded.mean_source == "checkpoint"
    assert "mean and std are the checkpoint's 0.mean and 0.std" in loaded.notes
    loaded = load_model(NAME, path, mean=(0, 0, 0), std=(1, 1, 1))
    assert loaded.mean == (0, 0, 0)
    assert any("0.mean and 0.std were not used" in note for note in loaded.notes)
    # Of pixels up to 255, or of one channel: not what we feed.
    for wrong in (mean * 255, mean[:1]):
        path = saved(tmp_path / "b.pth", content | {"0.mean": wrong})
        loaded = load_model(NAME, path)
        assert loaded.mean_source == "timm"
        assert any("were not used to normalise" in note for note in loaded.notes)


def load_small_timm() -> Weights:
    import timm

    return timm.create_model(NAME).state_dict()


def test_numbers_of_numpy_are_data(weights: Weights, tmp_path: Path) -> None:
    content = {
        "state_dict": weights,
        "best_acc1": np.float64(76.1),
        "epoch": np.int64(3),
        "is_best": np.bool_(True),
        "half": np.float16(0.5),
        "curve": np.arange(6.0).reshape(2, 3),
        "args": {"mean": np.array([0.1, 0.2, 0.3], dtype=">f8"), "std": [np.float32(0.5)]},
        "options": [argparse.Namespace(lr=np.float64(0.1)), SimpleNamespace(a=1)],
        "where": pathlib.PosixPath("/runs/1"),
        "log": defaultdict(list, {"loss": [1.0]}),
        "order": OrderedDict(a=1),
    }
    path = saved(tmp_path / "a.pth", content)
    found = read_checkpoint(path)
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5))
    loaded_notes(tmp_path, {"state_dict": {k: v.numpy() for k, v in weights.items()}}, weights)


@pytest.mark.parametrize(
    "value", [np.array([os.system], dtype=object), np.array([(1, 2)], dtype="i4,i4")]
)
def test_arrays_of_anything_else_are_refused(
    value: object, weights: Weights, tmp_path: Path
) -> None:
    with pytest.raises(ModelError):
        read_checkpoint(saved(tmp_path / "a.pth", {"state_dict": weights, "value": value}))


def test_enumerations_of_torchvision_are_data(weights: Weights, tmp_path: Path) -> None:
    from torchvision.transforms import InterpolationMode

    args = argparse.Namespace(interpolation=InterpolationMode.BICUBIC, model="resnet18")
    path = saved(tmp_path / "a.pth", {"model": weights, "args": args})
    assert read_checkpoint(path).arch == "resnet18"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (torch.empty(4, device="meta"), "no data for 'fc.bias'"),
        (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "nested"),
        (torch.ones(1).expand(2**40), "4 bytes for the"),
        (torch.empty(4, dtype=torch.float8_e8m0fnu), "no type of plain weights"),
    ],
)
def test_tensors_without_usable_data(
    value: Tensor, sentence: str, weights: Weights, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=sentence):
        read_checkpoint(saved(tmp_path / "a.pth", weights | {"fc.bias": value}))


@pytest.mark.skipif(not hasattr(torch, "float4_e2m1fn_x2"), reason="this torch has no such type")
def test_two_numbers_to_a_byte_are_no_plain_weights(weights: Weights, tmp_path: Path) -> None:
    value = torch.ones(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    with pytest.raises(ModelError, match="no type of plain weights"):
        read_checkpoint(saved(tmp_path / "a.pth", weights | {"fc.bias": value}))


def test_float8_is_cast_with_a_note(weights: Weights, tmp_path: Path) -> None:
    coarse = {k: v.to(torch.float8_e4m3fn) if v.ndim > 1 else v for k, v in weights.items()}
    found = read_checkpoint(saved(tmp_path / "a.pth", coarse))
    load_into(model := Small(), found)
    assert torch.equal(model.fc.weight.detach(), coarse["fc.weight"].float())
    assert "float8_e4m3fn" in found.notes[0]


def test_a_tensor_of_size_zero_is_of_another_shape(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"fc.bias: \(0,\), expected \(4,\)"):
        loaded_notes(tmp_path, weights | {"fc.bias": torch.empty(0)}, weights)


MISFITS = {
    "without its classifier": (lambda w: without(w, "fc"), "classifier, which is missing"),
    "a head of its own": (
        lambda w: under("backbone.", without(w, "fc")) | {"head.0.weight": torch.ones(4, 6)},
        r"may be 'head\.0\.weight'.*FILE\.py:FUNCTION",
    ),
    "grey images": (
        lambda w: w | {"stem.weight": w["stem.weight"].sum(1, keepdim=True)},
        "takes images of 1 channel,",
    ),
    "more classes": (
        lambda w: w | {"fc.weight": torch.ones(9, 6), "fc.bias": torch.ones(9)},
        "The checkpoint has 9 classes and the model 4",
    ),
    "wider": (
        lambda w: w | {"norm.weight": torch.ones(7), "norm.bias": torch.ones(7)},
        "same family, at another size",
    ),
    "deeper": (lambda w: w | {"stem2.weight": torch.ones(3)}, "9 of the 9 keys fit: .* variant"),
    "another under one prefix": (
        lambda w: {"model.a.weight": torch.ones(3), "model.b.weight": torch.ones(3)},
        r"All keys begin with 'model\.', and what follows does not fit\. It is probably not small",
    ),
    "another": (
        lambda w: {"a.weight": torch.ones(3), "b.weight": torch.ones(3)},
        r"\. It is probably not small",
    ),
    "Keras": (lambda w: {"conv1/kernel:0": torch.ones(3)}, "Keras or TensorFlow"),
    "Flax": (lambda w: {"params.conv1.kernel": torch.ones(3)}, "JAX/Flax|Keras"),
    "Detectron2": (lambda w: {"roi_heads.box.weight": torch.ones(3)}, "detector"),
    "MMPretrain": (
        lambda w: {"backbone.layer1.weight": torch.ones(3), "head.fc2.weight": torch.ones(3)},
        "MMPretrain",
    ),
    "pruned": (
        lambda w: (
            without(w, "fc.weight")
            | {"fc.weight_orig": w["fc.weight"], "fc.weight_mask": w["fc.weight"]}
        ),
        "prune.remove",
    ),
    "transformers": (
        lambda w: {"vit.encoder.layer.0.attention.attention.query.weight": torch.ones(3)},
        "Hugging Face transformers",
    ),
}


def without(weights: Weights, start: str) -> Weights:
    return {key: value for key, value in weights.items() if not key.startswith(start)}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_told_truly(case: str, weights: Weights, tmp_path: Path) -> None:
    made, sentence = MISFITS[case]
    with pytest.raises(ModelError, match=sentence) as caught:
        loaded_notes(tmp_path, made(weights), weights)
    if "probably not" not in sentence:
        assert "probably not" not in str(caught.value)


def hub_folder(folder: Path, config: object, weights: Weights, *, safe: bool = True) -> Path:
    folder.mkdir()
    if safe:
        safetensors.torch.save_file(weights, folder / "model.safetensors")
    else:
        torch.save(weights, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder


@pytest.mark.parametrize("safe", [False, True])
def test_a_folder_of_the_hub(safe: bool, tmp_path: Path) -> None:
    import timm

    model = timm.create_model(NAME, num_classes=7)
    config = {
        "architecture": NAME,
        "num_classes": 7,
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "num_classes": 7},
    }
    folder = hub_folder(tmp_path / "hub", config, model.state_dict(), safe=safe)
    for path in (folder, find_checkpoint(folder)):
        loaded = load_model(None, path)
        assert (loaded.name, loaded.num_classes) == (NAME, 7)
        assert (loaded.mean, loaded.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
        assert loaded.mean_source == "checkpoint"
        assert loaded.checkpoint_sha256 == read_checkpoint(path).sha256
    assert load_model(f"hf-hub:me/{NAME}", folder).name == f"hf-hub:me/{NAME}"


def test_a_folder_of_transformers_is_told(weights: Weights, tmp_path: Path) -> None:
    config = {"architectures": ["ResNetForImageClassification"], "model_type": "resnet"}
    folder = hub_folder(tmp_path / "hub", config, weights)
    with pytest.raises(ModelError, match=r"'ResNetForImageClassification'.*FILE\.py:FUNCTION"):
        load_model(None, folder)


@pytest.mark.parametrize("config", ["no JSON", "[1]", "[" * 100_000])
def test_a_damaged_configuration(config: str, weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no readable configuration"):
        read_checkpoint(hub_folder(tmp_path / "hub", config, weights))


def test_what_is_no_regular_file_never_hangs(weights: Weights, tmp_path: Path) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    os.mkfifo(folder / "last.pth.tar")
    with pytest.raises(ModelError, match=r"last\.pth\.tar is not a regular file but a pipe"):
        read_checkpoint(folder)
    with pytest.raises(ModelError, match="but a device"):
        read_checkpoint("/dev/zero")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "last.pth.tar").mkdir()
    with pytest.raises(ModelError, match="but a folder"):
        read_checkpoint(tmp_path / "f")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.pth"))
        with pytest.raises(ModelError, match="but a socket"):
            read_checkpoint(tmp_path / "s.pth")
    hub = hub_folder(tmp_path / "hub", {}, weights)
    (hub / "config.json").unlink()
    os.mkfifo(hub / "config.json")
    with pytest.raises(ModelError, match=r"config\.json is not a regular file"):
        read_checkpoint(hub)


@pytest.mark.parametrize("length", [0, 1, 2**63, 2**64 - 1, 10**9])
def test_headers_that_lie(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}" + b" " * 100)
    with pytest.raises(ModelError, match="no readable checkpoint"):
        read_checkpoint(path)


def test_a_file_of_zeros_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.truncate(400 * 2**30)
    with pytest.raises(ModelError, match="no readable checkpoint"):
        read_checkpoint(path)


def test_an_archive_that_unpacks_to_much_more(weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 50_000_000)
    with pytest.raises(ModelError, match="would unpack from"):
        read_checkpoint(path)


def test_the_content_tells_the_kind_of_file(weights: Weights, tmp_path: Path) -> None:
    safetensors.torch.save_file(weights, tmp_path / "a.bin")
    torch.save(weights, tmp_path / "b.safetensors")
    for name in ("a.bin", "b.safetensors"):
        assert read_checkpoint(tmp_path / name).state_dict.keys() == weights.keys()


def test_averaged_weights_that_are_a_counter_alone(tmp_path: Path) -> None:
    path = tmp_path / "ema.pth"
    torch.save({"state_dict": {"a": torch.ones(1)}, "ema": {"n_averaged": torch.tensor(1)}}, path)
    with pytest.raises(ModelError, match=r"counters alone|no averaged weights"):
        read_checkpoint(path, ema=True)


def test_a_classifier_of_another_rank_does_not_fit(tmp_path: Path) -> None:
    state = timm.create_model("resnet18").state_dict()
    state["fc.bias"] = torch.tensor(1.0)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"fc\.bias"):
        load_model("resnet18", tmp_path / "a.pth")
