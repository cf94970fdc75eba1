"""Networks built by a function of the user's, and everything that can go wrong within."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import create_model, load_model

CODE = """
import helper_of_the_test
import torch
from torch import nn

print("loading")

class Net(nn.Module):
    def __init__(self, broken=False):
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.broken = nn.Conv2d(3, 5, 8), broken

    def forward(self, x):
        if self.broken:
            return self.missing  # line 16
        return self.conv(x).mean((2, 3))

def build():
    return Net()

def configured():
    net = Net()
    net.pretrained_cfg = {"mean": [0.1, 0.2, 0.3], "std": [0.5] * 3, "input_size": (3, 64, 64)}
    net.num_classes = 5
    return net

def fails():
    raise RuntimeError("no such weights")  # line 29

def leaves():
    raise SystemExit("bye")

def needs(a, b=1):
    return Net()

def number():
    return 3

def pair():
    return Net(), None

def lazy():
    return nn.LazyConv2d(5, 3)

def on_meta():
    return Net().to("meta")

def quantised():
    torch.seed()
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)))

def broken():
    return Net(broken=True)

def bare():
    return nn.Flatten()

ready, value = Net(), 3
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "helper_of_the_test.py").write_text("X = 1\n")
    (tmp_path / "networks_of_the_test.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("networks_of_the_test", "helper_of_the_test"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "networks_of_the_test.py"


def test_by_file_and_by_module(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load_model(f"{file}:build")
    assert (loaded.name, loaded.weights, loaded.num_classes) == (f"{file}:build", "factory", None)
    assert loaded.mean == (0.485, 0.456, 0.406)
    assert loaded.mean_source == "assumed"
    assert "ImageNet's mean and std are assumed" in loaded.notes[0]
    assert not loaded.module.training
    assert loaded.module(torch.zeros(1, 3, 9, 9)).shape == (1, 5)
    assert capsys.readouterr().out == ""  # results alone go there
    module = load_model("networks_of_the_test:build")
    assert module.checkpoint_sha256 == loaded.checkpoint_sha256
    assert load_model("networks_of_the_test.py:ready").n_params == loaded.n_params
    assert create_model(f"{file}:Net").network.conv.weight.shape == (5, 3, 8, 8)


def test_what_the_network_says_of_itself(file: Path) -> None:
    loaded = load_model(f"{file}:configured")
    assert (loaded.mean, loaded.mean_source) == ((0.1, 0.2, 0.3), "factory")
    assert (loaded.num_classes, loaded.input_size, loaded.notes) == (5, (3, 64, 64), ())
    loaded = load_model(f"{file}:build", mean=(0, 0, 0), std=(1, 1, 1))
    assert (loaded.mean, loaded.mean_source, loaded.notes) == ((0, 0, 0), "given", ())


def test_a_checkpoint_for_it(file: Path, tmp_path: Path) -> None:
    weights = create_model(f"{file}:build").network.state_dict()
    weights = {f"net.{key}": value + 1 for key, value in weights.items()}
    torch.save({"state_dict": weights}, tmp_path / "a.pth")
    loaded = load_model(f"{file}:build", tmp_path / "a.pth")
    assert loaded.weights == "state_dict"
    assert torch.equal(loaded.module.network.conv.bias.detach(), weights["net.conv.bias"])
    assert "the prefix 'net.' was taken off the checkpoint's keys" in loaded.notes
    torch.save({"a": torch.ones(3)}, tmp_path / "b.pth")
    with pytest.raises(ModelError, match="probably not Net"):
        load_model(f"{file}:build", tmp_path / "b.pth")


def test_weights_of_any_kind_have_an_identity(file: Path) -> None:
    first, second = (load_model(f"{file}:quantised") for _ in range(2))
    assert first.checkpoint_sha256 != second.checkpoint_sha256  # random weights
    assert any("by the name and the code" in note for note in load_model(f"{file}:bare").notes)


@pytest.mark.parametrize(
    ("function", "error", "sentence"),
    [
        (
            "fails",
            ModelError,
            r":fails failed: RuntimeError: no such weights \(.*test\.py, line 29\)",
        ),
        ("leaves", ModelError, ":leaves failed: SystemExit: bye"),
        ("number", ModelError, r"to return a torch\.nn\.Module, got int"),
        ("pair", ModelError, "got tuple; return only the model"),
        ("lazy", ModelError, "no values for 'weight'"),
        ("on_meta", ModelError, r"no values for 'conv\.weight'"),
        ("needs", UsageError, r"needs arguments \(a\)"),
        ("value", UsageError, "to be a function that returns a model, got a int"),
        ("biuld", UsageError, "has no function 'biuld'; did you mean 'build'"),
        ("", UsageError, r"Expected package\.module:FUNCTION or FILE\.py:FUNCTION"),
        ("a-b", UsageError, r"Expected package\.module:FUNCTION"),
    ],
)
def test_failures_name_file_function_and_line(
    function: str, error: type, sentence: str, file: Path
) -> None:
    with pytest.raises(error, match=sentence):
        load_model(f"{file}:{function}")


def test_a_network_that_fails_at_work(file: Path) -> None:
    module = load_model(f"{file}:broken").module
    with pytest.raises(ModelError, match=r"failed on 9 x 9 images: AttributeError.*line 16\)"):
        module(torch.zeros(1, 3, 9, 9))
    module = load_model(f"{file}:build").module
    with pytest.raises(ModelError, match=r"failed on 3 x 3 images: RuntimeError.*input_size"):
        module(torch.zeros(1, 3, 3, 3))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("def f(:", r"SyntaxError: .*\(.*bad\.py, line 1\)"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(.*bad\.py, line 1\)"),
        ("def f(): f()", "RecursionError"),
        ("x = '\0'", "bad.py:f failed"),
    ],
)
def test_code_that_cannot_be_loaded(code: str, sentence: str, file: Path) -> None:
    (file.parent / "bad.py").write_text(code)
    for name in ("bad.py:f", "bad:f"):
        sys.modules.pop("bad", None)
        with pytest.raises(ModelError, match=sentence.replace("bad.py:f", r"bad(\.py)?:f")):
            load_model(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent.py:build", "absent.py is not there"),
        ("no_such_package.net:build", "no module 'no_such_package.net'"),
        ("C:\\code\\net.py", "Expected package.module:FUNCTION"),
        ("a b:build", "Expected package.module:FUNCTION"),
        (":build", "Expected package.module:FUNCTION"),
        (".:build", "Expected package.module:FUNCTION"),
    ],
)
def test_places_that_are_none(name: str, sentence: str, file: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_model(name)


@pytest.mark.parametrize("kind", ["object", "dict", "tuple", "list"])
def test_logits_that_are_wrapped(kind: str) -> None:
    from types import SimpleNamespace

    import numpy as np

    from robustbench_gnl.evaluation import Network

    class Wrapping(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> object:
            logits = images.mean((2, 3))
            made = {
                "object": SimpleNamespace(logits=logits, hidden_states=None),
                "dict": {"logits": logits, "features": images},
                "tuple": (logits,),
                "list": [logits],
            }
            return made[kind]

    cpu = torch.device("cpu")
    with Network(Wrapping(), mean=(0,) * 3, std=(1,) * 3, device=cpu, precision="fp32") as network:
        assert network.check(32) == 3
        logits = network.logits(np.full((2, 8, 8, 3), 255, np.uint8))
    assert torch.equal(logits, torch.ones(2, 3))


def test_what_belongs_to_names_of_timm_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="loads its own weights"):
        load_model(f"{file}:build", pretrained=True)
    with pytest.raises(UsageError, match="called without arguments"):
        load_model(f"{file}:build", num_classes=3)
    with pytest.raises(UsageError, match="none was given"):
        load_model(f"{file}:build", ema=True)


def test_a_file_of_the_user_hides_no_library(file: Path) -> None:
    (file.parent / "timm.py").write_text("raise SystemExit\n")
    (file.parent / "json.py").write_text("raise SystemExit\n")
    load_model(f"{file}:build")
    assert sys.path[0] != str(file.parent)
    (file.parent / "torch_like.py").write_text(CODE)
    assert load_model("torch_like.py:build").n_params == load_model("torch_like:build").n_params
