"""Names beyond timm's own: former ones, the hub's, torchvision's."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from timm.models import _registry

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.models import list_models, load_model


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's weights of three classes, which are also timm's."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=3)
    path = tmp_path_factory.mktemp("torchvision") / "checkpoint.pth"
    return saved(path, {"model": model.state_dict(), "args": {"model": "resnet18"}})


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("hub", "torchvision_models"):
        monkeypatch.setattr(f"robustbench_gnl.models.{module}.can_connect", lambda url: False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))


@pytest.mark.parametrize(
    ("name", "stored", "note"),
    [
        ("gluon_resnet18_v1b", "resnet18.gluon_in1k", "timm's former name of resnet18.gluon_in1k"),
        ("timm/resnet18.a1_in1k", "resnet18.a1_in1k", "is timm's resnet18.a1_in1k"),
        ("hf-hub:timm/resnet18.a1_in1k", "resnet18.a1_in1k", "is timm's resnet18.a1_in1k"),
        ("hf_hub:timm/resnet18", "resnet18", "is timm's resnet18"),
        ("resnet18.a1_in1k", "resnet18.a1_in1k", ""),
        ("hf-hub:somebody/model", "hf-hub:somebody/model", "says it is 'resnet18'"),
        ("torchvision:resnet18", "torchvision:resnet18", ""),
    ],
)
def test_spellings(name: str, stored: str, note: str, resnet18: Path) -> None:
    loaded = load_model(name, resnet18)
    assert (loaded.name, loaded.num_classes, loaded.weights) == (stored, 3, "model")
    assert note in "; ".join(loaded.notes)
    assert bool(note) == bool(loaded.notes)
    weights = torch.load(resnet18)["model"]
    assert torch.equal(loaded.module.fc.weight, weights["fc.weight"])


def test_every_former_name_leads_to_one_of_today() -> None:
    from robustbench_gnl.models.catalogue import resolve

    former = _registry.get_deprecated_models()
    assert len(former) > 100
    for name, now in former.items():
        assert resolve(name).name.startswith(now)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("torchvision:resnt50", "did you mean 'torchvision:resnet50'"),
        ("torchvision:resnet50.V9", r"\(IMAGENET1K_V1, IMAGENET1K_V2\)"),
        ("mobilenet_v3_small", "did you mean 'torchvision:mobilenet_v3_small'"),
        ("torchvison:resnet50", "did you mean 'torchvision'"),
        ("hf-hub:resnet5O", r"Expected hf-hub:OWNER/NAME.*did you mean 'resnet50'"),
        ("hf-hub:a/b/c", "Expected hf-hub:OWNER/NAME"),
        (
            "somebody/model",
            "named hf-hub:somebody/model, a checkpoint is given with checkpoint='somebody/model'",
        ),
        ("timm/resnet5O", "did you mean 'resnet50'"),
        ("timm/resnet18.a9_in1k", r"a tag that resnet18 has.*did you mean"),
        ("local-dir:/models/mine", "checkpoint='/models/mine'"),
        ("last.pth", "a checkpoint is given with checkpoint='last.pth'"),
        ("network.py", "network.py:FUNCTION"),
    ],
)
def test_names_that_are_none(name: str, sentence: str, resnet18: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UsageError, match=sentence):
        load_model(name, resnet18)
    assert time.monotonic() - start < 5


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["hf-hub:somebody/model", "torchvision:resnet18", "resnet18"])
def test_without_a_network_names_fail_at_once(name: str, tmp_path: Path, resnet18: Path) -> None:
    start = time.monotonic()
    options = {} if name.startswith("torchvision") else {"cache_dir": tmp_path}
    with pytest.raises(ModelError, match=r"neither in the cache.*checkpoint"):
        load_model(name, pretrained=True, **options)
    plain = saved(tmp_path / "plain.pth", torch.load(resnet18)["model"])
    with pytest.raises(ModelError, match=r"architecture of hf-hub:.* is not known here.*config"):
        load_model("hf-hub:somebody/model", plain)
    assert time.monotonic() - start < 10


@pytest.mark.usefixtures("no_network")
def test_published_weights_of_torchvision_from_its_cache(tmp_path: Path) -> None:
    file = tmp_path / "torch" / "checkpoints" / "mobilenet_v3_small-047dcff4.pth"
    file.parent.mkdir(parents=True)
    weights = torchvision.models.mobilenet_v3_small().state_dict()
    torch.save(weights, file)
    loaded = load_model("torchvision:mobilenet_v3_small", pretrained=True)
    assert loaded.weights == "pretrained:torchvision/IMAGENET1K_V1"
    assert (loaded.num_classes, loaded.mean_source) == (1000, "torchvision")
    assert loaded.mean == (0.485, 0.456, 0.406)
    assert torch.equal(loaded.module.classifier[3].bias, weights["classifier.3.bias"])
    with pytest.raises(UsageError, match="leave it out"):
        load_model("torchvision:mobilenet_v3_small", pretrained=True, num_classes=5)

    class Harm:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    torch.save({"a": Harm()}, file)  # a file in the cache is not to be trusted more than others
    with pytest.raises(ModelError, match="UnpicklingError"):
        load_model("torchvision:mobilenet_v3_small", pretrained=True)
    assert not (tmp_path / "trace").exists()


def former_vit(weights: dict) -> dict:
    names = {"mlp.0.": "mlp.linear_1.", "mlp.3.": "mlp.linear_2."}
    renamed = {}
    for key, value in weights.items():
        for now, former in names.items():
            key = key.replace(now, former)
        renamed[key] = value
    return renamed


def former_densenet(weights: dict) -> dict:
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value
        for key, value in weights.items()
        if "num_batches_tracked" not in key
    }


@pytest.mark.parametrize(
    ("name", "former", "note"),
    [
        pytest.param(
            *("torchvision:vit_b_16", former_vit, "as the model does when it loads them"),
            marks=pytest.mark.slow,  # 86 million parameters
        ),
        ("torchvision:densenet121", former_densenet, "from their original layout"),
        ("densenet121", former_densenet, "from their original layout"),
        ("torchvision:squeezenet1_1", dict, ""),
        ("torchvision:googlenet", dict, "without transform_input"),
    ],
)
def test_layouts_that_torchvision_publishes(
    name: str, former: object, note: str, tmp_path: Path
) -> None:
    base = name.removeprefix("torchvision:")
    options = {"init_weights": False} if base == "googlenet" else {}
    model = torchvision.models.get_model(base, num_classes=3, **options)
    loaded = load_model(name, saved(tmp_path / "a.pth", former(model.state_dict())))
    assert loaded.num_classes == 3
    assert note in "; ".join(loaded.notes)
    image = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.module(image), model.eval()(image))


def test_a_file_that_names_its_network(resnet18: Path, tmp_path: Path) -> None:
    loaded = load_model(None, resnet18)
    assert loaded.name == "resnet18"
    assert loaded.notes == ("no model was named; the checkpoint says that it is resnet18",)
    # A name that only torchvision has, and one that both have for other networks.
    for name in ("mobilenet_v3_small", "efficientnet_b0"):
        weights = torchvision.models.get_model(name, num_classes=3).state_dict()
        path = saved(tmp_path / f"{name}.pth", {"model": weights, "args": {"model": name}})
        assert load_model(None, path).name == f"torchvision:{name}"
    hyper = {"hyper_parameters": {"model_name": "resnet18"}}
    weights = {f"model.{key}": value for key, value in torch.load(resnet18)["model"].items()}
    path = saved(tmp_path / "lightning.ckpt", hyper | {"state_dict": weights})
    assert load_model(None, path).name == "resnet18"


@pytest.mark.parametrize(
    ("arch", "error", "sentence"),
    [
        (None, UsageError, "does not state its architecture; give name=NAME, see"),
        ("my_net", ModelError, "'my_net', which is not a GroupNL"),
        ("os:getcwd", ModelError, "'os:getcwd', which is not a GroupNL"),
        ("evil.py:run", ModelError, "not a GroupNL, timm or torchvision model"),
        ("resnet34", ModelError, "does not fit the model"),
    ],
)
def test_a_file_that_names_no_network_or_a_wrong_one(
    arch: str | None, error: type, sentence: str, resnet18: Path, tmp_path: Path
) -> None:
    content = torch.load(resnet18)["model"]
    path = saved(tmp_path / "a.pth", {"state_dict": content, "arch": arch})
    with pytest.raises(error, match=sentence):
        load_model(None, path)
    with pytest.raises(UsageError, match="neither a model nor a checkpoint"):
        load_model(None)


def test_arguments_that_the_file_names(tmp_path: Path) -> None:
    name, options = "vit_tiny_patch16_224", {"img_size": 64, "depth": 1}
    weights = timm.create_model(name, num_classes=3, **options).state_dict()
    args = {"model": name, "model_kwargs": options}
    loaded = load_model(name, saved(tmp_path / "a.pth", {"state_dict": weights, "args": args}))
    assert loaded.notes == (
        "the model was created with arguments from the checkpoint: img_size=64, depth=1",
    )
    args = {"model": name, "model_kwargs": {"no_such": 1}}
    path = saved(tmp_path / "b.pth", {"state_dict": weights, "args": args})
    with pytest.raises(ModelError, match=r"cannot be built with the arguments.*no_such"):
        load_model(name, path)


def test_the_name_that_does_fit_is_offered(tmp_path: Path) -> None:
    weights = torchvision.models.efficientnet_b0().state_dict()
    with pytest.raises(ModelError, match=r"The weights do fit torchvision:efficientnet_b0\.$"):
        load_model("efficientnet_b0", saved(tmp_path / "a.pth", weights))


def test_patterns_find_tags_and_torchvision() -> None:
    assert "resnet50.a1_in1k" in list_models("*a1_in1k")
    assert all(name.startswith("resnet50.") for name in list_models("resnet50.*"))
    assert not any("." in name for name in list_models("resnet50*"))
    assert list_models("torchvision:resnet1?")[0] == "torchvision:resnet18"
    assert list_models("mobilenet_v3_large") == ["torchvision:mobilenet_v3_large"]
    assert not any(":" in name for name in list_models("resnet"))


def cached(folder: Path, config: dict, weights: dict | None = None) -> Path:
    """A cache of the hub that has somebody/model."""
    commit = "0" * 40
    root = folder / "models--somebody--model"
    snapshot = root / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text(json.dumps(config))
    if weights is not None:
        safetensors.torch.save_file(weights, snapshot / "model.safetensors")
    return folder


@pytest.mark.usefixtures("no_network")
def test_a_network_of_somebody_from_the_cache_of_the_hub(tmp_path: Path) -> None:
    name, stock = "hf-hub:somebody/model", "mobilenetv3_small_050"
    weights = timm.create_model(stock, num_classes=3).state_dict()
    config = {"architecture": stock, "num_classes": 3, "pretrained_cfg": {"mean": [0.1, 0.2, 0.3]}}
    cache = cached(tmp_path / "a", config, weights)
    loaded = load_model(name, pretrained=True, cache_dir=cache)
    assert (loaded.name, loaded.weights, loaded.num_classes) == (name, "pretrained:hf-hub", 3)
    assert loaded.mean == (0.1, 0.2, 0.3)
    assert torch.equal(loaded.module.classifier.bias, weights["classifier.bias"])
    plain = saved(tmp_path / "plain.pth", weights)
    assert load_model(name, plain, cache_dir=cache).weights == "plain"
    cache = cached(tmp_path / "b", {"architectures": ["ResNetForImageClassification"]})
    with pytest.raises(ModelError, match="is not a model that timm can create"):
        load_model(name, pretrained=True, cache_dir=cache)
