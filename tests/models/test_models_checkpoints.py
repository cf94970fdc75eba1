"""Checkpoints: every format, every way to fail, and pickles that would do harm."""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import find_checkpoint, load_into, read_checkpoint

WEIGHTS = OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.ones(2))


def save(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.pth.tar", "a.safetensors"])
def test_plain_weights(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("safetensors"):
        safetensors.torch.save_file(dict(WEIGHTS), path)
    else:
        save(path, WEIGHTS)
    found = read_checkpoint(path)
    assert (found.entry, found.ema_available, found.arch) == ("plain", False, None)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.equal(found.state_dict["weight"], WEIGHTS["weight"])


def test_legacy_format(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", WEIGHTS, _use_new_zipfile_serialization=False)
    assert torch.equal(read_checkpoint(path).state_dict["bias"], WEIGHTS["bias"])


@pytest.mark.parametrize("own", ["state_dict", "model"])
@pytest.mark.parametrize("averaged", ["state_dict_ema", "model_ema"])
def test_entries(tmp_path: Path, own: str, averaged: str) -> None:
    mean = {"module." + key: value + 1 for key, value in WEIGHTS.items()}
    content = {averaged: {"n_averaged": torch.tensor(3), **mean}, own: WEIGHTS, "epoch": 1}
    path = save(tmp_path / "a.pth.tar", content)
    found = read_checkpoint(path)
    assert (found.entry, found.ema_available) == (own, True)
    assert found.state_dict["bias"][0] == 1
    found = read_checkpoint(path, ema=True)
    assert (found.entry, found.ema_available) == (averaged, True)
    assert list(found.state_dict) == ["weight", "bias"]
    assert found.state_dict["bias"][0] == 2


def test_state_dict_goes_before_model(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"model": {"other": torch.ones(1)}, "state_dict": WEIGHTS})
    assert read_checkpoint(path).entry == "state_dict"


def test_no_averaged_weights(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"state_dict": WEIGHTS})
    with pytest.raises(ModelError, match="no averaged weights: looked for state_dict_ema and"):
        read_checkpoint(path, ema=True)
    path = save(tmp_path / "b.pth", {"state_dict_ema": WEIGHTS})
    with pytest.raises(ModelError, match="averaged weights alone"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module."]
)
def test_wrapper_prefixes(tmp_path: Path, prefix: str) -> None:
    wrapped = {prefix + key: value for key, value in WEIGHTS.items()}
    found = read_checkpoint(save(tmp_path / "a.pth", {"state_dict": wrapped}))
    assert list(found.state_dict) == ["weight", "bias"]


def test_a_child_called_module_keeps_its_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"module.weight": torch.ones(1), "head.bias": torch.ones(1)})
    assert list(read_checkpoint(path).state_dict) == ["module.weight", "head.bias"]


def test_training_options(tmp_path: Path) -> None:
    options = argparse.Namespace(model="resnet50", mean=[0.5, 0.4, 0.3], std=[0.2])
    path = save(
        tmp_path / "a.pth", {"state_dict": {"fc.weight": torch.ones(7, 3)}, "args": options}
    )
    found = read_checkpoint(path)
    assert (found.arch, found.num_classes) == ("resnet50", 7)
    assert (found.mean, found.std) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    # Allowed while reading, and only then.
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("files", "best", "expected"),
    [
        (["last.pth.tar", "checkpoint-9.pth.tar", "model_best.pth.tar"], False, "last.pth.tar"),
        (["checkpoint-9.pth.tar", "checkpoint-10.pth.tar"], False, "checkpoint-10.pth.tar"),
        (["last.pth.tar", "model_best.pth.tar"], True, "model_best.pth.tar"),
    ],
)
def test_training_folder(tmp_path: Path, files: list[str], best: bool, expected: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert find_checkpoint(tmp_path, best=best) == tmp_path / expected


def test_training_folder_without(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"looked for last\.pth\.tar or checkpoint-N\.pth\.tar"):
        read_checkpoint(tmp_path)
    (tmp_path / "last.pth.tar").touch()
    with pytest.raises(ModelError, match=r"looked for model_best\.pth\.tar"):
        read_checkpoint(tmp_path, best=True)
    with pytest.raises(UsageError, match="is a file"):
        read_checkpoint(tmp_path / "last.pth.tar", best=True)


def _damaged(kind: str, path: Path) -> None:
    if kind == "absent":
        return
    save(path, {"state_dict": WEIGHTS})
    good = path.read_bytes()
    content = {
        "empty": b"",
        "text": b"these are no weights\n",
        "binary": bytes(range(256)) * 40,
        "cut": good[: len(good) // 2],
        "first bytes": good[:30],
        "bare pickle": pickle.dumps({"state_dict": [1, 2]}),
        "legacy cut": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
    }
    path.write_bytes(content[kind])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "kind",
    ["absent", "empty", "text", "binary", "cut", "first bytes", "bare pickle", "legacy cut"],
)
def test_unreadable_files(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    _damaged(kind, path)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cut", range(1, 40))
def test_cut_anywhere(tmp_path: Path, cut: int) -> None:
    path = save(tmp_path / "a.pth", WEIGHTS, _use_new_zipfile_serialization=cut % 2 == 0)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) * cut // 40])
    with pytest.raises(ModelError):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        torch.ones(3),
        {},
        {"state_dict": {}},
        {"state_dict": {"weight": 3}},
        {"state_dict": {1: torch.ones(1)}},
        {"epoch": 3},
        {"weight": torch.ones(2).to_sparse()},
        {"weight": torch.ones(2, dtype=torch.complex64)},
    ],
)
def test_content_that_is_no_weights(tmp_path: Path, content: object) -> None:
    path = save(tmp_path / "a.pth", content)
    with pytest.raises(ModelError, match=r"a\.pth"):
        read_checkpoint(path)


class Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, trace: Path, *, by_shell: bool) -> None:
        self.trace, self.by_shell = trace, by_shell

    def __reduce__(self) -> tuple:
        if self.by_shell:
            return os.system, (f"touch {self.trace}",)
        return open, (str(self.trace), "w")


@pytest.mark.parametrize("by_shell", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("hidden", ["value", "namespace", "bare"])
def test_harmful_pickles_are_refused(
    tmp_path: Path, hidden: str, zipped: bool, by_shell: bool
) -> None:
    trace, path = tmp_path / "trace", tmp_path / "last.pth.tar"
    harm = Harm(trace, by_shell=by_shell)
    if hidden == "bare":
        path.write_bytes(pickle.dumps(harm))
    else:
        args = argparse.Namespace(mean=harm) if hidden == "namespace" else harm
        save(path, {"state_dict": WEIGHTS, "args": args}, _use_new_zipfile_serialization=zipped)
    sentence = (
        r"last\.pth\.tar is no readable"
        if hidden == "bare"
        else r"Refused .*last\.pth\.tar: .*(system|open)"
    )
    with pytest.raises(ModelError, match=sentence):
        read_checkpoint(path)
    assert not trace.exists()
    # The file is a live one: an unguarded load does fire it.
    if hidden != "bare":
        torch.load(path, weights_only=False)
        assert trace.exists()


def layer() -> nn.Module:
    return nn.Linear(3, 2)


def of(tmp_path: Path, **changed: torch.Tensor | None):
    weights = {k: v for k, v in {**WEIGHTS, **changed}.items() if v is not None}
    return read_checkpoint(save(tmp_path / "a.pth", {"state_dict": weights, "arch": "resnet50"}))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
def test_weights_are_cast(tmp_path: Path, dtype: torch.dtype) -> None:
    model = layer()
    load_into(model, of(tmp_path, weight=WEIGHTS["weight"].to(dtype)))
    assert model.weight.dtype == torch.float32
    assert torch.equal(model.weight.detach(), WEIGHTS["weight"])


def test_weights_that_lost_their_fractions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cast to integers"):
        load_into(layer(), of(tmp_path, weight=WEIGHTS["weight"].long()))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path: Path, value: float) -> None:
    with pytest.raises(ModelError, match="not finite in 'bias'"):
        load_into(layer(), of(tmp_path, bias=torch.tensor([1.0, value])))


def test_weights_too_large_for_the_type(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not finite in 'bias'"):
        load_into(layer(), of(tmp_path, bias=torch.full((2,), 1e300, dtype=torch.float64)))


def test_keys_that_do_not_fit(tmp_path: Path) -> None:
    model = layer()
    before = model.weight.detach().clone()
    extra = {f"more{i}": torch.ones(1) for i in range(5)}
    with pytest.raises(ModelError) as caught:
        load_into(model, of(tmp_path, bias=None, weight=torch.ones(2, 4), **extra))
    message = str(caught.value)
    assert "1 missing (bias)" in message
    assert "5 unexpected (more0, more1, more2, ...)" in message
    assert "1 of another shape (weight: (2, 4), expected (2, 3))" in message
    assert "says it is resnet50, not Linear" in message
    assert torch.equal(model.weight.detach(), before)
