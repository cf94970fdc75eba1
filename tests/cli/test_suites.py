"""Natural distribution shifts from the command line: small copies of ImageNet-V2, -Sketch, -A and
-R with real photographs, against an independent loop."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from scipy import stats
from torch import nn
from torchvision import transforms

import robustbench_gnl
from robustbench_gnl.data import imagenet_labels
from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.models import load_demo_model
from robustbench_gnl.records import Piece, Run
from robustbench_gnl.statistics import outcomes_of, run_statistics
from robustbench_gnl.store import open_store
from robustbench_gnl.suites import SUITES, Suite, get_suite
from tests.cli.conftest import gnlbench, gnlbench_json

NAMES = ("imagenet-v2", "imagenet-sketch", "imagenet-a", "imagenet-r")
EACH = pytest.mark.parametrize("name", NAMES)
FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
AS_THE_MODEL = transforms.Compose(
    [
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
)  # fmt: skip


def file_name(suite: str, i: int) -> str:
    """What the i-th file of a data set is called."""
    return {
        "imagenet-v2": f"{hashlib.sha1(bytes([i])).hexdigest()}.jpeg",
        "imagenet-sketch": f"sketch_{i}.JPEG",
        "imagenet-a": f"0.{i:06d}_agama _ American alligator_0.9.jpg",
        "imagenet-r": f"cartoon_{i}.jpg",
    }[suite]


def class_of(suite: Suite, label: int) -> int:
    """The class of a photograph: its own where the suite has it, else a wrong one."""
    subset = suite.labels.subset
    return label if subset is None or label in subset else subset[label % len(subset)]


def make_tree(root: Path, suite: Suite, clean_tree: Path) -> Path:
    """Each photograph and its mirror image."""
    for i, path in enumerate(sorted(clean_tree.glob("*/*.JPEG"))):
        label = class_of(suite, imagenet_labels()[path.parent.name])
        by_index = suite.layout is not None and suite.layout.folders_are_indices
        folder = root / (str(label) if by_index else suite.labels.classes[label])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name(suite.name, 2 * i)).write_bytes(path.read_bytes())
        mirrored = ImageOps.mirror(Image.open(path).convert("RGB"))
        mirrored.save(folder / file_name(suite.name, 2 * i + 1), "JPEG", quality=95)
    return root


@dataclass(frozen=True)
class Evaluated:
    """A store with runs of two models on each suite."""

    db: Path
    roots: dict[str, Path]
    """By suite."""
    ids: dict[tuple[str, int], str]
    """By suite and model: 0 has the published weights, 1 noisy ones."""
    messages: dict[str, str]
    """What `eval` said on stderr."""
    checkpoints: tuple[Path, Path]

    def run(self, name: str, model: int = 0) -> Run:
        with open_store(str(self.db)) as store:
            return store.run(self.ids[name, model], with_pieces=True)


@pytest.fixture(scope="module")
def evaluated(
    checkpoint: Path, clean_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Evaluated:
    folder = tmp_path_factory.mktemp("suites")
    weights = load_file(checkpoint)
    noise = torch.randn(weights["classifier.weight"].shape, generator=torch.manual_seed(0))
    weights["classifier.weight"] += 0.1 * noise
    noisy = folder / "noisy.safetensors"
    save_file(weights, noisy)
    db, network = folder / "store.sqlite", ("--model", "tf_efficientnet_lite0")
    roots, ids, messages = {}, {}, {}
    for name in NAMES:
        roots[name] = make_tree(folder / name, get_suite(name), clean_tree)
        messages[name] = gnlbench(
            "eval", *network, "--ckpt", checkpoint, *network, "--ckpt", noisy,
            "--data", roots[name], "--workers", "0", "--db", db,
            check=None,  # what it prints is tested below
        ).stderr  # fmt: skip
        with open_store(str(db)) as store:
            runs = [run for run in store.runs() if run.protocol.suite == name]
        by_weights = {run.model.checkpoint_sha256: run.id for run in runs}
        for i, path in enumerate((checkpoint, noisy)):
            ids[name, i] = by_weights[hashlib.sha256(path.read_bytes()).hexdigest()]
    return Evaluated(db, roots, ids, messages, (checkpoint, noisy))


def right_answers(evaluated: Evaluated, name: str, model: int = 0) -> dict[str, tuple[bool, bool]]:
    """Image key to whether the first class, and one of the first five, is the label's: one image
    at a time, with the logits of the classes that do not compete taken out."""
    suite = get_suite(name)
    network = load_demo_model().module
    network.load_state_dict(load_file(evaluated.checkpoints[model]))
    competing = list(suite.labels.subset or range(1000))
    found = {}
    with torch.inference_mode():
        for path in evaluated.roots[name].glob("*/*"):
            logits = network(AS_THE_MODEL(Image.open(path).convert("RGB"))[None])[0, competing]
            first = [competing[i] for i in logits.topk(5).indices]
            is_index = path.parent.name.isdigit()
            label = int(path.parent.name) if is_index else imagenet_labels()[path.parent.name]
            found[f"{path.parent.name}/{path.stem}"] = first[0] == label, label in first
    return dict(sorted(found.items()))


@EACH
def test_it_is_evaluated_as_by_an_independent_loop(evaluated: Evaluated, name: str) -> None:
    expected = right_answers(evaluated, name)
    run = evaluated.run(name)

    assert run.outcomes()[name].to_dict() == {key: first for key, (first, _) in expected.items()}
    (row,) = run.to_frame().to_dict("records")
    assert (row["corruption"], row["severity"], row["n_images"]) == (name, 0, 40)
    assert row["top1_error"] == pytest.approx(1 - np.mean([one for one, _ in expected.values()]))
    assert row["top5_error"] == pytest.approx(1 - np.mean([five for _, five in expected.values()]))


@EACH
def test_its_intervals_are_wilsons(evaluated: Evaluated, name: str) -> None:
    run = evaluated.run(name)
    assert run.image_set is not None
    outcomes = outcomes_of(run.pieces, run.protocol.n_images)
    reference = default_reference().for_protocol(run.protocol)
    numbers = run_statistics(outcomes, run.image_set.keys, reference, n_classes=1000).numbers

    assert set(numbers.values) == {
        "top1_error", "top5_error", "negative_log_likelihood", "calibration_error"
    }  # fmt: skip
    right = right_answers(evaluated, name).values()
    for key, rank in (("top1_error", 0), ("top5_error", 1)):
        n_wrong = sum(not answers[rank] for answers in right)
        assert numbers.values[key] == pytest.approx(n_wrong / 40)
        expected = stats.binomtest(n_wrong, 40).proportion_ci(method="wilson")
        interval = numbers.intervals[key]
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@EACH
def test_messages_and_protocol_name_the_suite(evaluated: Evaluated, name: str) -> None:
    title = get_suite(name).title
    root = evaluated.roots[name]
    n_classes = len(list(root.iterdir()))
    said = evaluated.messages[name]
    assert (
        f"Data: {root}: the layout of {title} (unverified), 40 images of {n_classes} classes\n"
        in said
    )
    assert f"Note: {root} is {title} by the names of its files, evaluated as it is" in said
    assert "mCE" not in said
    assert "near chance" not in said
    protocol = evaluated.run(name).protocol
    assert (protocol.suite, protocol.source) == (name, "released-layout")
    assert protocol.name == f"{name}-unverified-40"


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_only_the_classes_of_the_suite_compete(evaluated: Evaluated, name: str) -> None:
    subset = get_suite(name).labels.subset
    assert subset is not None
    other = next(i for i in range(1000) if i not in subset)

    class Distracted(nn.Module):
        """Sure of a class that the suite does not have; else of one that it has."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = images.new_zeros(len(images), 1000)
            logits[:, other], logits[:, subset[3]] = 9, 5
            return logits

    run = robustbench_gnl.evaluate(
        Distracted(), evaluated.roots[name], mean=0.5, std=0.5, suite=name
    )
    wnid = get_suite(name).labels.classes[subset[3]]
    n_right = sum(path.parent.name == wnid for path in evaluated.roots[name].glob("*/*"))
    (cell,) = run.cells.values()
    assert cell.n_top1 == n_right
    as_clean = robustbench_gnl.evaluate(
        Distracted(), evaluated.roots[name], mean=0.5, std=0.5, suite="imagenet-c",
        conditions="clean",
    )  # fmt: skip
    (cell,) = as_clean.cells.values()
    assert cell.n_top1 == 0


def test_a_suite_is_taken_by_name_whatever_its_files_are_called(
    evaluated: Evaluated, model: tuple[object, ...], tmp_path: Path
) -> None:
    for path in evaluated.roots["imagenet-r"].glob("*/*"):
        target = tmp_path / "data" / path.parent.name / f"x{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    rest = (*model, "--data", tmp_path / "data", "--dry-run", "--db", tmp_path / "s.sqlite")

    said = gnlbench("eval", *rest, "--suite", "imagenet-r", "--workers", "0").stderr
    assert "protocol imagenet-r-unverified-40" in said
    assert "conditions: 1 (imagenet-r)\n" in said
    detected = gnlbench("eval", *rest, "--workers", "0").stderr
    assert "protocol generated-gnlbench-40" in detected
    as_clean = gnlbench("eval", *rest, "--workers", "0", "--suite", "imagenet-c").stderr
    assert "protocol generated-gnlbench-40" in as_clean


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--corruptions", "fog"),
         "unknown corruption 'fog' of ImageNet-R, which has imagenet-r only; leave out "
         "--corruptions"),
        (("--severities", "3"), "ImageNet-R has no severities, got '3'; leave out --severities"),
        (("--suite", "imagenet-r", "--corruptions", "fog"),
         "unknown corruption 'fog' of ImageNet-R"),
        (("--suite", "imagenet-c", "--corruptions", "imagenet-r"),
         "unknown corruption 'imagenet-r'; known: common, extra, all"),
        (("--corruptions", "imagenet-v2"), "unknown corruption 'imagenet-v2' of ImageNet-R"),
        (("--corruptions", "fogg"), "unknown corruption 'fogg'; did you mean 'fog'"),
        (("--suite", "imagenet-rr"), "unknown suite 'imagenet-rr'; expected one of imagenet-c"),
        (("--suite", "imagenet-r", "--source", "released"),
         "ImageNet-R has images and labels of its own; leave out --source"),
        (("--suite", "imagenet-r", "--clean-data", "."),
         "ImageNet-R has images and labels of its own; leave out --clean-data"),
        (("--clean-data", "."), "which has no clean images; --clean-data can only be combined"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_the_suite_does_not_have_is_refused(
    evaluated: Evaluated, model: tuple[object, ...], options: tuple[str, ...], expected: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    rest = ("--data", evaluated.roots["imagenet-r"], "--db", tmp_path / "s.sqlite")
    assert expected in gnlbench("eval", *model, *rest, *options, check=2).stderr


def test_another_suite_than_the_data_is_refused(
    evaluated: Evaluated, model: tuple[object, ...], tmp_path: Path
) -> None:
    root, db = evaluated.roots["imagenet-r"], tmp_path / "s.sqlite"
    done = gnlbench(
        "eval", *model, "--data", root, "--suite", "imagenet-v2", "--db", db, check=3
    )  # fmt: skip
    assert f"{root} is not ImageNet-V2: expected folders named by class indices" in done.stderr
    assert "leave out --suite" in done.stderr
    sample = ("--data", "sample", "--suite", "imagenet-r", "--db", db)
    assert "leave out --suite imagenet-r" in gnlbench("eval", *model, *sample, check=2).stderr
    with pytest.raises(UsageError, match="got a source of ImageNet-C; leave out suite"):
        robustbench_gnl.evaluate(load_demo_model().module, "sample", suite="imagenet-r")
    with pytest.raises(UsageError, match="expected the name of a suite as suite, got int 3"):
        robustbench_gnl.evaluate(load_demo_model().module, root, suite=3)  # type: ignore[arg-type]


def test_clean_images_of_the_environment_are_not_used(
    evaluated: Evaluated, model: tuple[object, ...], clean_tree: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("GNLBENCH_CLEAN_DATA", str(clean_tree))
    rest = ("--workers", "0", "--dry-run", "--db", tmp_path / "s.sqlite")
    root = evaluated.roots["imagenet-a"]
    for suite in ((), ("--suite", "imagenet-a")):
        said = gnlbench("eval", *model, "--data", root, *suite, *rest).stderr
        assert f"{root} holds the images of ImageNet-A itself; GNLBENCH_CLEAN_DATA is not" in said
        assert "protocol imagenet-a-unverified-40" in said


def test_options_of_corruptions_made_here_make_no_difference(
    evaluated: Evaluated, model: tuple[object, ...]
) -> None:
    said = gnlbench(
        "eval", *model, "--data", evaluated.roots["imagenet-r"], "--workers", "0", "--seed", "3",
        "--jpeg-quality", "50", "--dry-run", "--db", evaluated.db,
    ).stderr  # fmt: skip
    assert "are read as they are; --seed, --jpeg-quality made no difference" in said
    assert f"run {evaluated.ids['imagenet-r', 0]}, 1 of 1 pieces stored" in said


@pytest.mark.parametrize(
    "command",
    [
        ("runs", "show"),
        ("explain",),
        ("plan",),
        ("check", "--fail-on", "top1_error<=99.9%", "--strict"),
    ],
    ids=" ".join,
)
def test_a_reference_that_is_not_used_is_noted(
    evaluated: Evaluated, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "reference.csv"
    file.write_text(
        "corruption,severity_1,severity_2,severity_3,severity_4,severity_5\nfog,.1,.2,.3,.4,.5\n"
    )
    rest = ("--db", evaluated.db, "--reference", file)
    note = "Note: --reference is not used for ImageNet-R, which has no CE\n"
    run = evaluated.ids["imagenet-r", 0]
    assert note in gnlbench(*command, run, *rest).stderr
    assert note not in gnlbench(*command, run, *rest[:2]).stderr


def test_an_interrupted_run_is_resumed(evaluated: Evaluated, tmp_path: Path) -> None:
    root, db = evaluated.roots["imagenet-sketch"], tmp_path / "s.sqlite"
    network = load_demo_model().module

    def stop(piece: Piece) -> None:
        raise KeyboardInterrupt

    def evaluate(**options: object) -> Run:
        return robustbench_gnl.evaluate(
            network, root, mean=0.5, std=0.5, block_size=16, store=db, **options
        )  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        evaluate(on_piece=stop)
    with open_store(str(db)) as store:
        (begun,) = store.runs()
        assert not begun.cells
        assert len(store.stored_pieces(begun.id)) == 1
    run = evaluate()
    assert run.id == begun.id
    undisturbed = evaluated.run("imagenet-sketch")
    assert run.outcomes().equals(undisturbed.outcomes())


def test_a_run_is_exported_and_imported(evaluated: Evaluated, tmp_path: Path) -> None:
    file, db = tmp_path / "run.json", tmp_path / "s.sqlite"
    run_id = evaluated.ids["imagenet-a", 0]
    gnlbench("runs", "export", run_id, "-o", file, "--db", evaluated.db)
    assert gnlbench("runs", "import", file, "--db", db).stdout.strip() == run_id
    with open_store(str(db)) as store:
        found = store.run(run_id, with_pieces=True)
    expected = evaluated.run("imagenet-a")
    assert found == expected
    assert found.pieces == expected.pieces
    assert found.protocol.fingerprint == expected.protocol.fingerprint


def test_it_is_cited_by_its_own_paper(evaluated: Evaluated) -> None:
    cited = gnlbench("runs", "cite", evaluated.ids["imagenet-r", 0], "--db", evaluated.db).stdout
    assert "{hendrycks2021many," in cited
    assert "krizhevsky2012imagenet" not in cited
    assert "hendrycks2019benchmarking" not in cited
    everything = gnlbench("runs", "cite", "--db", evaluated.db).stdout
    assert all(f"{{{get_suite(name).citation}," in everything for name in NAMES)


def test_more_images_are_planned_from_it(evaluated: Evaluated) -> None:
    one, other = (evaluated.ids["imagenet-r", model] for model in (0, 1))
    document = gnlbench_json(
        "plan", one, "--against", other, "--change", "top1_error:+2pp", "--db", evaluated.db
    )
    first, second = (
        evaluated.run("imagenet-r", model).outcomes()["imagenet-r"] for model in (0, 1)
    )
    differences = first.astype(int) - second.astype(int)
    (found,) = document["numbers"]
    assert found["number"] == "top1_error"
    assert found["sd"] == pytest.approx(differences.std(ddof=1), rel=0.02)
    refused = gnlbench(
        "plan", one, "--corruptions", "fog", "--db", evaluated.db, check=2
    ).stderr  # fmt: skip
    assert "unknown corruption 'fog' of ImageNet-R" in refused


def test_runs_of_two_suites_are_not_compared(evaluated: Evaluated) -> None:
    one, other = evaluated.ids["imagenet-a", 0], evaluated.ids["imagenet-r", 0]
    done = gnlbench("compare", one, other, "--db", evaluated.db, check=2)
    assert "suite" in done.stderr
    done = gnlbench(
        "check", one, "--baseline", other, "--fail-on", "top1_error:+1pp", "--db", evaluated.db,
        check=2,
    )  # fmt: skip
    assert "suite" in done.stderr


@pytest.mark.parametrize("rule", ["mCE:+1", "mCE<=70", "clean_error:+1pp", "relative_mCE:+1"])
def test_rules_that_are_not_defined_for_it_are_refused(evaluated: Evaluated, rule: str) -> None:
    one, other = (evaluated.ids["imagenet-r", model] for model in (0, 1))
    said = gnlbench(
        "check", one, "--baseline", other, "--fail-on", rule, "--db", evaluated.db, check=2
    ).stderr
    assert "which is not defined for ImageNet-R" in said


def test_such_a_rule_is_refused_before_the_model_is_evaluated(
    evaluated: Evaluated, model: tuple[object, ...], tmp_path: Path
) -> None:
    db = tmp_path / "s.sqlite"
    said = gnlbench(
        "check", *model, "--data", evaluated.roots["imagenet-v2"], "--workers", "0",
        "--fail-on", "mCE<=70", "--db", db, check=2,
    ).stderr  # fmt: skip
    assert "mCE, which is not defined for ImageNet-V2" in said
    assert "images/s" not in said
    with open_store(str(db)) as store:
        assert not store.runs()


# What reports and leaderboards show


def error_of(evaluated: Evaluated, name: str, model: int = 0) -> float:
    (cell,) = evaluated.run(name, model).cells.values()
    return cell.error


@EACH
def test_eval_prints_it(evaluated: Evaluated, model: tuple[object, ...], name: str) -> None:
    document = gnlbench_json(
        "eval", *model, "--data", evaluated.roots[name], "--workers", "0", "--db", evaluated.db
    )
    assert document["run_id"] == evaluated.ids[name, 0]
    assert document["n_images"] == 40
    assert document["top1_error"] == pytest.approx(error_of(evaluated, name))
    assert document.get("mce") is None


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_is_shown(evaluated: Evaluated, format: str) -> None:
    shown = gnlbench(
        "runs", "show", evaluated.ids["imagenet-r", 0], "--format", format, "--db", evaluated.db
    ).stdout
    error = error_of(evaluated, "imagenet-r")
    assert (f"{error}" if format in ("json", "csv") else f"{100 * error:.2f}") in shown
    if format == "json":  # which says why there is none
        assert json.loads(shown)["top1_error"] == pytest.approx(error)
        assert json.loads(shown).get("mce") is None
    else:
        assert "mCE" not in shown


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_is_explained(evaluated: Evaluated, format: str) -> None:
    shown = gnlbench(
        "explain", evaluated.ids["imagenet-a", 0], "--format", format, "--db", evaluated.db
    ).stdout
    assert "top-1 error" in shown or "top1_error" in shown
    assert "corruption cells" not in shown
    assert "mCE" not in shown


def test_each_suite_has_a_board_of_its_own(evaluated: Evaluated) -> None:
    document = gnlbench_json("leaderboard", "--db", evaluated.db)
    boards = {board["protocol"]["name"]: board for board in document["boards"]}
    assert set(boards) == {f"{name}-unverified-40" for name in NAMES}
    for name in NAMES:
        rows = boards[f"{name}-unverified-40"]["rows"]
        errors = sorted(error_of(evaluated, name, model) for model in (0, 1))
        assert [row["top1_error"] for row in rows] == pytest.approx(errors)
        assert [row["rank"] for row in rows] == ([1, 2] if errors[0] < errors[1] else [1, 1])
        assert all(row.get("mce") is None for row in rows)


def test_two_models_are_compared(evaluated: Evaluated) -> None:
    ids = [evaluated.ids["imagenet-r", model] for model in (0, 1)]
    document = gnlbench_json("compare", *ids, "--db", evaluated.db)
    before, after = (error_of(evaluated, "imagenet-r", model) for model in (0, 1))
    found = document["comparisons"][0]["numbers"]["top1_error"]
    assert found["difference"] == pytest.approx(after - before)
    assert "mce" not in document["comparisons"][0]["numbers"]


@pytest.mark.parametrize("format", ["table", "markdown", "latex", "html"])
def test_a_single_cell_is_not_written_as_several(evaluated: Evaluated, format: str) -> None:
    first, second = (evaluated.ids["imagenet-r", model] for model in (0, 1))
    for command in (("compare", first, second), ("plan", first), ("explain", first)):
        shown = gnlbench(*command, "--format", format, "--db", evaluated.db).stdout
        assert not re.search(r"\b1 (cells|images|corruptions)\b", shown)
        assert "mCE" not in shown
        assert "worst corruption" not in shown


@pytest.mark.parametrize("limit", [False, True])
def test_rules_on_the_error_of_its_images_are_tested(evaluated: Evaluated, limit: bool) -> None:
    before, after = (error_of(evaluated, "imagenet-r", model) for model in (0, 1))
    baseline, run = (evaluated.ids["imagenet-r", model] for model in (0, 1))
    rule = "top1_error<=90%" if limit else "top1_error:+1pp"
    fails = after > 0.9 if limit else after - before > 0.01
    document = gnlbench(
        "check", run, *(() if limit else ("--baseline", baseline)), "--fail-on", rule, "--strict",
        "--db", evaluated.db, check=int(fails),
    ).stdout  # fmt: skip
    assert rule in document
    assert "mCE" not in document


def test_a_complete_run_is_listed_as_complete(evaluated: Evaluated) -> None:
    listed = gnlbench("runs", "list", "--format", "csv", "--db", evaluated.db).stdout
    rows = list(csv.DictReader(io.StringIO(listed)))
    assert len(rows) == 2 * len(NAMES)
    assert {(row["n_cells_complete"], row["n_cells_stored"]) for row in rows} == {("1", "1")}
    assert "1/1" in gnlbench("runs", "list", "--format", "markdown", "--db", evaluated.db).stdout


def test_every_natural_shift_is_tested_here() -> None:
    assert set(NAMES) == {suite.name for suite in SUITES.values() if suite.layout is not None}
