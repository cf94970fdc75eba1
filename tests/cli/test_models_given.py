"""How models are named on the command line: by themselves, by functions, by other libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.conftest import command, environment, gnlbench, gnlbench_json

QUICK = ("--data", "sample", "--corruptions", "contrast", "--severities", "1", "--workers", "0")
NAME = "tf_efficientnet_lite0"

CODE = """
import timm
from safetensors.torch import load_file
from torch import nn

print("this is no JSON")

class Wrapped(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.net, self.kind = timm.create_model("tf_efficientnet_lite0"), kind
        self.net.load_state_dict(load_file(FILE))

    def forward(self, images):
        logits = self.net(images)
        return {"logits": logits} if self.kind == "dict" else (logits,)

def build():
    return Wrapped("dict")

def alone():
    return Wrapped("tuple")

def fails():
    raise RuntimeError("no weights")
"""


@pytest.fixture
def db(tmp_path: Path) -> tuple[object, ...]:
    return ("--db", tmp_path / "s.sqlite")


@pytest.fixture
def factory(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(CODE.replace("FILE", repr(str(checkpoint))))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return path


def test_a_function_of_the_user(
    factory: Path, model: tuple[object, ...], db: tuple[object, ...]
) -> None:
    half = ("--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
    arguments = ("eval", "--model", f"{factory}:build", *half, *QUICK, *db)
    done = gnlbench(*arguments, "--format", "json")
    shown = json.loads(done.stdout)  # what the user's code prints is not among the results
    assert "this is no JSON" in done.stderr
    assert shown["model"]["name"] == f"{factory}:build"
    assert "weights factory" in done.stderr
    expected = gnlbench_json("eval", *model, *QUICK, *db)
    assert shown["clean_error"] == expected["clean_error"]
    assert shown["corruptions"] == expected["corruptions"]
    again = gnlbench(*arguments, "--format", "json")
    assert "stored already" in again.stderr
    assert json.loads(again.stdout)["run_id"] == shown["run_id"]
    alone = gnlbench_json("eval", "--model", f"{factory}:alone", *half, *QUICK, *db)
    assert alone["clean_error"] == expected["clean_error"]


def test_a_function_that_fails(factory: Path, db: tuple[object, ...]) -> None:
    done = gnlbench("eval", "--model", f"{factory}:fails", *QUICK, *db, check=4)
    assert f"{factory}:fails failed: RuntimeError: no weights ({factory}, line " in done.stderr
    gnlbench("eval", "--model", f"{factory}:absent", *QUICK, *db, check=2)
    assert "mine.py:FUNCTION" in gnlbench("eval", "--model", "mine.py", *QUICK, *db, check=2).stderr


def test_checkpoints_that_name_their_network(
    checkpoint: Path, tmp_path: Path, db: tuple[object, ...]
) -> None:
    weights = load_file(checkpoint)
    named = tmp_path / "named.pth.tar"
    torch.save({"arch": NAME, "state_dict": weights}, named)
    other = tmp_path / "other.pth.tar"
    weights["classifier.bias"] = weights["classifier.bias"] + 1e-3
    torch.save({"arch": NAME, "state_dict": weights}, other)
    done = gnlbench("eval", "--ckpt", named, "--ckpt", other, *QUICK, *db, "--format", "csv")
    assert f"Note: no model was named; the checkpoint says that it is {NAME}" in done.stderr
    assert done.stderr.count(f"Model: {NAME}") == 2
    # The same run as with --model.
    again = gnlbench("eval", "--model", NAME, "--ckpt", named, *QUICK, *db)
    assert "stored already" in again.stderr
    torch.save(weights, named)
    done = gnlbench("eval", "--ckpt", named, *QUICK, *db, check=2)
    assert "does not state its architecture; give --model NAME, see" in done.stderr


@pytest.mark.parametrize("kind", ["folder", "file", "device"])
def test_what_is_no_file_is_refused_at_once(
    kind: str, tmp_path: Path, db: tuple[object, ...]
) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    os.mkfifo(folder / "last.pth.tar")
    path = {"folder": folder, "file": folder / "last.pth.tar", "device": "/dev/zero"}[kind]
    start = time.monotonic()
    done = gnlbench("eval", "--model", NAME, "--ckpt", path, *QUICK, *db, check=4)
    assert "is not a regular file but a" in done.stderr
    assert time.monotonic() - start < 10


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system has no /dev/fd")
def test_a_pipe_of_the_shell(checkpoint: Path, tmp_path: Path) -> None:
    words = command("eval", "--model", NAME, "--data", "sample", "--db", tmp_path / "s.sqlite")
    script = f'"$@" --ckpt <(cat {checkpoint})'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True, text=True, env=environment(), timeout=60,
    )  # fmt: skip
    assert done.returncode == 4
    assert "write it to a file and give that" in done.stderr


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*a1_in1k", "resnet50.a1_in1k"),
        ("resnet50.*", "resnet50.a1_in1k"),
        ("torchvision:resnet*", "torchvision:resnet50"),
        ("mobilenet_v3_large", "torchvision:mobilenet_v3_large"),
    ],
)
def test_patterns(pattern: str, expected: str) -> None:
    assert expected in gnlbench("models", pattern).stdout.splitlines()
    assert expected in gnlbench_json("models", pattern)["models"]


def test_a_name_of_another_library_needs_weights_too(db: tuple[object, ...]) -> None:
    for name in ("torchvision:resnet18", "hf-hub:somebody/model"):
        done = gnlbench("eval", "--model", name, *QUICK, *db, check=2)
        assert "no weights were given" in done.stderr
