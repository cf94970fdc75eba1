"""Every bad input gets one or two sentences and the exit code of its kind."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.cli.conftest import gnlbench
from tests.trees import make_clean_tree

ONE = ("--corruptions", "fog", "--severities", "1", "--workers", "0", "--limit", "2")


def test_no_data_names_the_three_ways_on(model: tuple[object, ...], tmp_path: Path) -> None:
    message = gnlbench("eval", *model, "--db", tmp_path / "s.sqlite", check=2).stderr
    for way in ("--data FOLDER", "GNLBENCH_DATA", "--data sample"):
        assert way in message


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--model", "resnet18"), 2, "random weights are never evaluated"),
        ((), 2, "no model was given"),
        (("--model", "efficientnet_gnl_se", "--pretrained"), 2, "efficientnet_gnl_es"),
        (("--model", "a", "--model", "b", "--ckpt", "x"), 2, "one --ckpt for each --model"),
        (("--model", "resnet18", "--ckpt", "x", "--pretrained"), 2, "not both"),
        (("--model", "resnet18", "--pretrained", "--corruptions", "foog"), 2, "'fog'"),
        (("--model", "resnet18", "--pretrained", "--severities", "0-6"), 2, "1 to 5"),
        (("--model", "resnet18", "--pretrained", "--mean", "1,2"), 2, "three numbers"),
        (("--model", "resnet18", "--pretrained", "--source", "real"), 2, "released, generated"),
        (("--model", "resnet18", "--ckpt", "no/such.pth"), 4, "no/such.pth"),
        (("--model", "resnet18", "--pretrained", "--tag", ""), 2, "a tag needs a name"),
        (("--model", "resnet18", "--pretrained", "--severities", "1-99999999999"), 2, "1 to 5"),
        (("--model", "resnet18.", "--pretrained"), 2, "resnet18."),
        (("--model", "resnet18", "--pretrained", "--batch-size", "0"), 2, "--batch-size"),
        (
            ("--model", "resnet18", "--pretrained", "--mean", "0,0,0", "--std", "nan,1,1"),
            2,
            "finite",
        ),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], code: int, words: str, clean_tree: Path, tmp_path: Path
) -> None:
    done = gnlbench(
        "eval", *arguments, "--data", clean_tree, "--workers", "0",
        "--db", tmp_path / "s.sqlite", check=code,
    )  # fmt: skip
    assert words in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("option", [("--device", "cuda:99"), ("--device", "tpu")])
def test_a_device_that_is_not_there(
    option: tuple[str, str], model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "s.sqlite"
    done = gnlbench("eval", *model, "--data", clean_tree, *ONE, *option, "--db", db, check=2)
    assert option[1] in done.stderr


def test_an_unknown_precision(model: tuple[object, ...], clean_tree: Path, tmp_path: Path) -> None:
    db = tmp_path / "s.sqlite"
    arguments = ("eval", *model, "--data", clean_tree, *ONE, "--precision", "fp8", "--db", db)
    assert "fp32, bf16, fp16" in gnlbench(*arguments, check=2).stderr


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: root.mkdir(), "no class folders"),
        (lambda root: root.write_text("x"), "is a file"),
        (lambda root: (root / "n01440764").mkdir(parents=True), "holds no images"),
        (lambda root: (root / "fog").mkdir(parents=True), "without severities"),
    ],
)
def test_folders_that_hold_no_data(
    make: object, words: str, model: tuple[object, ...], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    make(root)
    done = gnlbench("eval", *model, "--data", root, "--db", tmp_path / "s.sqlite", check=3)
    assert words in done.stderr
    assert str(root) in done.stderr


def test_a_corruption_that_the_tree_lacks(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "s.sqlite"
    rest = ("--data", made_tree, "--limit", "2", "--workers", "0", "--db", db)
    assert "snow/1" in gnlbench("eval", *model, "--corruptions", "snow", *rest, check=3).stderr
    done = gnlbench("eval", *model, *rest, "--format", "json")
    assert "Warning" in done.stderr
    assert "no mCE" in done.stderr
    assert json.loads(done.stdout)["mce"] is None


def test_a_missing_image_is_named_before_the_run_begins(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    shutil.copytree(made_tree, root)
    victim = next((root / "pixelate" / "4").glob("*/*"))
    victim.unlink()
    db = tmp_path / "s.sqlite"
    done = gnlbench("eval", *model, "--data", root, "--workers", "0", "--db", db, check=3)
    assert victim.name in done.stderr
    assert "lacks 1 of 20 images" in done.stderr


def spoil(root: Path) -> Path:
    """Truncate one image of a tree; the same each time."""
    victim = sorted(root.glob("**/*.JPEG"))[3]
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 2])
    return victim


def test_a_truncated_image_stops_the_run_and_can_be_left_out(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "val"
    shutil.copytree(clean_tree, root)
    victim = spoil(root)
    rest = ("--data", root, "--corruptions", "fog", "--severities", "1", "--workers", "0")
    rest = (*rest, "--db", tmp_path / "s.sqlite")
    stopped = gnlbench("eval", *model, *rest, check=3)
    assert str(victim) in stopped.stderr
    assert "--skip-bad-images" in stopped.stderr

    done = gnlbench("eval", *model, *rest, "--skip-bad-images", "--format", "json")
    document = json.loads(done.stdout)
    assert victim.stem in done.stderr
    assert document["n_images"] == 19
    assert document["protocol"]["name"].endswith("partial")
    assert document["protocol"]["skipped_images"] == 1


def test_an_image_that_is_bad_in_one_cell_leaves_every_cell(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    shutil.copytree(made_tree, root)
    (sorted((root / "fog" / "2").glob("*/*"))[0]).write_bytes(b"no image")
    done = gnlbench(
        "eval", *model, "--data", root, "--corruptions", "fog", "--severities", "1,2",
        "--workers", "0", "--skip-bad-images", "--db", tmp_path / "s.sqlite", "--format", "json",
    )  # fmt: skip
    assert json.loads(done.stdout)["n_images"] == 19


def test_images_that_change_between_two_parts_of_a_run(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "val"
    shutil.copytree(clean_tree, root)
    rest = ("--data", root, "--severities", "1", "--workers", "0", "--db", tmp_path / "s.sqlite")
    gnlbench("eval", *model, *rest, "--corruptions", "fog")
    victim = sorted(root.glob("*/*.JPEG"))[0]
    victim.write_bytes(sorted(root.glob("*/*.JPEG"))[1].read_bytes())
    done = gnlbench("eval", *model, *rest, "--corruptions", "contrast", check=3)
    assert "changed since this run began" in done.stderr


def test_classes_that_do_not_fit_the_model(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "animals"
    for name in ("cat", "dog"):
        shutil.copytree(next(clean_tree.iterdir()), root / name)
    done = gnlbench("eval", *model, "--data", root, "--db", tmp_path / "s.sqlite", check=4)
    assert "2 class folders" in done.stderr
    assert "1000 outputs" in done.stderr


def test_a_checkpoint_that_would_run_code_is_refused_without_effect(
    clean_tree: Path, tmp_path: Path
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "it ran"),)

    for name, write in (("zip.pth", torch.save), ("plain.pth", _pickle)):
        write({"state_dict": {"weight": Evil()}}, tmp_path / name)
        gnlbench(
            "eval", "--model", "resnet18", "--ckpt", tmp_path / name, "--data", clean_tree,
            "--workers", "0", "--db", tmp_path / "s.sqlite", check=4,
        )  # fmt: skip
        assert not (tmp_path / "it ran").exists()


def _pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def test_outputs_that_are_not_finite_stop_the_run(
    checkpoint: Path, clean_tree: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(checkpoint)
    tensors["classifier.weight"] = torch.full_like(tensors["classifier.weight"], 3e38)
    broken = tmp_path / "broken.safetensors"
    save_file(tensors, broken)
    done = gnlbench(
        "eval", "--model", "tf_efficientnet_lite0", "--ckpt", broken, "--data", clean_tree, *ONE,
        "--db", tmp_path / "s.sqlite", check=4,
    )  # fmt: skip
    assert "not finite" in done.stderr
    listed = json.loads(
        gnlbench("runs", "list", "--db", tmp_path / "s.sqlite", "-f", "json").stdout
    )
    assert listed["runs"] == []  # a run that failed before its first piece leaves no trace


def test_an_accuracy_near_chance_is_warned_of(
    checkpoint: Path, clean_tree: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(checkpoint)
    for key in ("classifier.weight", "classifier.bias"):
        tensors[key] = tensors[key].roll(1, 0)  # another order of classes
    shuffled = tmp_path / "shuffled.safetensors"
    save_file(tensors, shuffled)
    done = gnlbench(
        "eval", "--model", "tf_efficientnet_lite0", "--ckpt", shuffled, "--data", clean_tree,
        "--corruptions", "fog", "--severities", "1", "--workers", "0",
        "--db", tmp_path / "s.sqlite",
    )  # fmt: skip
    for cause in ("near chance", "order of classes", "normalisation", "wrong checkpoint"):
        assert cause in done.stderr


def test_a_network_of_a_fixed_size_is_told_of_input_size(clean_tree: Path, tmp_path: Path) -> None:
    import timm

    path = tmp_path / "vit.pth"
    name = "vit_tiny_patch16_384"
    torch.save(timm.create_model(name).state_dict(), path)
    rest = ("eval", "--model", name, "--ckpt", path, "--data", clean_tree, *ONE)
    rest = (*rest, "--db", tmp_path / "s.sqlite")
    assert "--input-size" in gnlbench(*rest, check=2).stderr
    done = gnlbench(*rest, "--input-size", "384", "--format", "json")
    protocol = json.loads(done.stdout)["protocol"]
    assert "384, bicubic" in protocol["resampling"]
    assert "input384" in protocol["name"]


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to look", b"x" * 4096]
)
def test_a_store_that_is_none(
    content: bytes, model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "store.sqlite"
    db.write_bytes(content)
    done = gnlbench("eval", *model, "--data", clean_tree, *ONE, "--db", db, check=5)
    assert str(db) in done.stderr
    assert db.read_bytes() == content


def test_a_wrong_url(model: tuple[object, ...], clean_tree: Path) -> None:
    arguments = ("eval", *model, "--data", clean_tree, *ONE)
    gnlbench(*arguments, "--db", "nosuchdatabase://host/name", check=5)


def test_a_run_that_another_process_writes_is_busy(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    from robustbench_gnl.store import open_store

    db = tmp_path / "store.sqlite"
    rest = ("eval", *model, "--data", clean_tree, "--limit", "2", "--workers", "0", "--db", db)
    rest = (*rest, "--severities", "1")
    gnlbench(*rest, "--corruptions", "fog")
    with open_store(str(db), write=True) as store, store.lock_run(store.runs()[0].id):
        done = gnlbench(*rest, "--corruptions", "contrast", check=5)
    assert "another process" in done.stderr


def test_a_dry_run_approves_no_tree_that_a_run_would_refuse(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    shutil.copytree(made_tree, root)
    next((root / "fog" / "4").glob("*/*")).unlink()
    rest = ("--data", root, "--workers", "0", "--db", tmp_path / "s.sqlite")
    assert "lacks 1" in gnlbench("eval", *model, *rest, "--dry-run", check=3).stderr


def test_a_stray_folder_among_wordnet_ids_never_shifts_a_label(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "val"
    shutil.copytree(clean_tree, root)
    (root / "__MACOSX").mkdir()
    rest = ("--data", root, *ONE, "--db", tmp_path / "s.sqlite")
    assert gnlbench("eval", *model, *rest, "--format", "json").returncode == 0
    shutil.copy(next(clean_tree.glob("*/*")), root / "__MACOSX")
    assert "__MACOSX" in gnlbench("eval", *model, *rest, check=3).stderr


def test_a_strip_that_would_fill_the_memory_is_a_bad_image(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "val"
    shutil.copytree(clean_tree, root)
    Image.new("RGB", (1, 60000)).save(next(root.iterdir()) / "strip.png")
    rest = ("--data", root, "--corruptions", "fog", "--severities", "1", "--workers", "0")
    rest = (*rest, "--db", tmp_path / "s.sqlite")
    assert "strip.png" in gnlbench("eval", *model, *rest, check=3).stderr
    done = gnlbench("eval", *model, *rest, "--skip-bad-images", "--format", "json")
    assert json.loads(done.stdout)["n_images"] == 20


@pytest.mark.parametrize("part", ["fog", "fog/3"])
def test_a_part_of_a_tree_is_not_corrupted_once_more(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path, part: str
) -> None:
    rest = (*ONE, "--db", tmp_path / "s.sqlite")
    done = gnlbench("eval", *model, "--data", made_tree / part, *rest, check=3)
    assert f"give the root of the tree, {made_tree}" in done.stderr
    assert "corrupted already" in done.stderr

    copied = tmp_path / "copied"
    shutil.copytree(made_tree / "fog" / "3", copied)  # the names tell nothing any more
    done = gnlbench("eval", *model, "--data", copied, *rest, check=3)
    assert "JPEGs of 224 x 224 and quality 85" in done.stderr
    assert "--source generated" in done.stderr
    gnlbench("eval", *model, "--data", copied, *rest, "--source", "generated")


def test_the_root_of_a_data_set_is_evaluated_with_a_note(
    model: tuple[object, ...], clean_tree: Path, made_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "ILSVRC"
    shutil.copytree(clean_tree, root / "Data" / "CLS-LOC" / "val")
    (root / "Data" / "CLS-LOC" / "train").mkdir()
    rest = (*ONE, "--db", tmp_path / "s.sqlite", "--format", "json")
    done = gnlbench("eval", *model, "--data", root, *rest)
    plain = gnlbench("eval", *model, "--data", clean_tree, *rest)
    assert f"Note: {root} holds class folders of images in" in done.stderr
    assert json.loads(done.stdout)["protocol"] == json.loads(plain.stdout)["protocol"]
    beside = gnlbench("eval", *model, "--data", made_tree, "--clean-data", root, *rest)
    assert f"Note: {root} holds class folders of images in" in beside.stderr


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("perlin_noise/3.2/n01440764/a.JPEG", "ImageNet-C-bar"),
        ("labels.npy", "CIFAR-10-C"),
        ("noise.tar", "tar -xf"),
        ("val/ILSVRC2012_val_00000001.JPEG", "sort the images into their classes"),
    ],
)
def test_data_that_cannot_be_evaluated_is_named(
    file: str, words: str, model: tuple[object, ...], tmp_path: Path
) -> None:
    path = tmp_path / "data" / file
    path.parent.mkdir(parents=True)
    path.touch()
    db = ("--db", tmp_path / "s.sqlite")
    assert words in gnlbench("eval", *model, "--data", tmp_path / "data", *db, check=3).stderr


def test_small_images_are_not_enlarged_in_silence(
    model: tuple[object, ...], tmp_path: Path
) -> None:
    root = make_clean_tree(tmp_path / "tiny", 2, 1, size=(64, 64))
    rest = ("--data", root, *ONE, "--db", tmp_path / "s.sqlite")
    done = gnlbench("eval", *model, *rest, check=3)
    assert "small images (such as 64 x 64)" in done.stderr
    done = gnlbench("eval", *model, *rest, "--source", "generated")
    assert "Note: 2 of 2 images" in done.stderr


def test_files_that_would_hang_or_fill_the_memory_are_bad_images(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "val"
    shutil.copytree(clean_tree, root)
    folder = min(root.iterdir())
    os.mkfifo(folder / "a_fifo.JPEG")
    (folder / "a_link.JPEG").symlink_to("nowhere")
    (folder / "a_postscript.JPEG").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n")
    with (folder / "a_sparse.JPEG").open("wb") as file:
        file.truncate(400 * 2**30)
    rest = ("--data", root, "--corruptions", "fog", "--severities", "1", "--workers", "0")
    rest = (*rest, "--db", tmp_path / "s.sqlite")
    stopped = gnlbench("eval", *model, *rest, check=3)
    assert "a_fifo.JPEG cannot be used: it is no regular file" in stopped.stderr
    assert "--skip-bad-images" in stopped.stderr
    done = gnlbench("eval", *model, *rest, "--skip-bad-images", "--format", "json")
    assert json.loads(done.stdout)["n_images"] == 20
    for name in ("a_fifo", "a_link", "a_postscript", "a_sparse"):
        assert name in done.stderr


def test_weights_that_were_cast_to_integers_are_refused(
    checkpoint: Path, clean_tree: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "integers.pth"
    torch.save({key: tensor.long() for key, tensor in load_file(checkpoint).items()}, path)
    done = gnlbench(
        "eval", "--model", "tf_efficientnet_lite0", "--ckpt", path, "--data", clean_tree, *ONE,
        "--db", tmp_path / "s.sqlite", check=4,
    )  # fmt: skip
    assert "cast to integers" in done.stderr
