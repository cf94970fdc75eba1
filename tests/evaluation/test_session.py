"""One session, whoever calls it: what it plans, shares, resumes, commits and refuses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_gnl
from corruptions.batch import EXACT
from robustbench_gnl.data import Source, open_source
from robustbench_gnl.data.own_images import open_own_images
from robustbench_gnl.errors import (
    DataError,
    GnlbenchWarning,
    ModelError,
    StoreError,
    UsageError,
)
from robustbench_gnl.evaluation import Observer, Session, Settings, corrupting, loop
from robustbench_gnl.evaluation.accumulator import PieceAccumulator
from robustbench_gnl.evaluation.estimate import estimate_of
from robustbench_gnl.models import create_model
from robustbench_gnl.modules import LoadedModel, module_sha256
from robustbench_gnl.records import CLEAN, Condition, Run
from robustbench_gnl.statistics.calibration import calibration_error
from robustbench_gnl.store import open_store
from robustbench_gnl.suites import get_suite
from tests.trees import make_clean_tree

FOG, SNOW = Condition("fog", 1), Condition("snow", 2)
CONDITIONS = (CLEAN, FOG, SNOW)


class Linear(nn.Module):
    """A small classifier of a thousand classes, which counts the images it sees."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.head = nn.Linear(3, 1000)
        nn.init.normal_(self.head.weight, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)
        self.n_seen = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.n_seen += len(images)
        return self.head(images.mean(dim=(2, 3)))


class Recorder(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.n_done = 0

    def info(self, message: str) -> None:
        self.messages.append(message)

    note = warning = info

    @contextmanager
    def task(self, total: int, label: str) -> Iterator[Recorder]:
        self.total = total
        yield self

    def advance(self, what: object, n_images: int) -> None:
        self.n_done += n_images

    def show(self, n_done: int, n_total: int) -> None:
        self.n_done = n_done


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clean_tree(tmp_path_factory.mktemp("few") / "val")


@pytest.fixture(scope="module")
def source(root: Path) -> Source:
    return open_source(root)


def loaded(module: nn.Module, name: str = "linear") -> LoadedModel:
    return LoadedModel(
        module, name, module_sha256(module), "module", 4000, 1000, (0.5,) * 3, (0.5,) * 3,
        "given", (3, 224, 224),
    )  # fmt: skip


def evaluated(source: object, model: nn.Module, **options: object) -> Run:
    options = {"mean": "none", "conditions": CONDITIONS, "block_size": 4, **options}
    return robustbench_gnl.evaluate(model, source, progress=Recorder(), **options)  # type: ignore[arg-type]


def facts(run: Run) -> list[object]:
    return [replace(piece, seconds=0.0) for piece in sorted(run.pieces, key=_place)]


def _place(piece: object) -> tuple[object, ...]:
    return piece.condition, piece.block  # type: ignore[attr-defined]


# With a store


def test_an_interrupted_evaluation_resumes_to_the_same_run(source: Source, tmp_path: Path) -> None:
    db, model, made = tmp_path / "runs.sqlite", Linear(), []

    def interrupt(piece: object) -> None:
        made.append(piece)
        if len(made) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(source, model, store=db, on_piece=interrupt)
    with open_store(str(db)) as store:
        (begun,) = store.runs()
        assert len(store.stored_pieces(begun.id)) == 2
    more: list[object] = []
    run = evaluated(source, model, store=db, on_piece=more.append)
    whole = evaluated(source, model)
    assert run.id == begun.id
    assert len(more) == len(whole.pieces) - 2
    assert run.finished_at
    assert facts(run) == facts(whole)
    assert run.cells == whole.cells
    assert run.protocol == whole.protocol
    assert run.image_set == whole.image_set
    assert len(run.environment["resumed"]) == 1


def test_a_complete_run_is_returned_without_an_inference(source: Source, tmp_path: Path) -> None:
    model = Linear()
    with open_store(str(tmp_path / "runs.sqlite"), write=True) as store:
        first = evaluated(source, model, store=store, tags=["kept"])
        n_seen = model.n_seen
        again = evaluated(source, model, store=store)
        assert (again.id, again.tags) == (first.id, ("kept",))
        assert facts(again) == facts(first)
        assert model.n_seen == n_seen + 1  # the blank image alone
        anew = evaluated(source, model, store=store, rerun=True)
        assert anew.id != first.id
        assert facts(anew) == facts(first)
        assert evaluated(source, Linear(1), store=store).id not in (first.id, anew.id)


def test_more_conditions_extend_the_stored_run(source: Source, tmp_path: Path) -> None:
    db, model = tmp_path / "runs.sqlite", Linear()
    part = evaluated(source, model, store=db, conditions=[CLEAN], block_size=2)
    run = evaluated(source, model, store=db)  # its own block size, not that of the call
    assert (run.id, run.block_size) == (part.id, 2)
    assert set(run.cells) == set(CONDITIONS)


def test_a_failure_leaves_no_empty_run_behind(source: Source, tmp_path: Path) -> None:
    class Fails(Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            return logits if len(images) == 1 else logits / 0

    db = tmp_path / "runs.sqlite"
    with pytest.raises(ModelError, match="not finite"):
        evaluated(source, Fails(), store=db)
    with open_store(str(db)) as store:
        assert store.runs() == []


def test_a_run_that_is_being_written_is_not_written_twice(source: Source, tmp_path: Path) -> None:
    db, model = str(tmp_path / "runs.sqlite"), Linear()
    part = evaluated(source, model, store=db, conditions=[CLEAN])
    with (
        open_store(db, write=True) as other,
        other.lock_run(part.id),
        pytest.raises(StoreError, match=f"run {part.id} is being written"),
    ):
        evaluated(source, model, store=db)


def test_images_that_changed_are_refused(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val")
    db, model = tmp_path / "runs.sqlite", Linear()
    evaluated(root, model, store=db, conditions=[CLEAN])
    first, second = sorted(root.glob("*/*"))[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(DataError, match="changed since this run began"):
        evaluated(root, model, store=db)


@pytest.mark.parametrize("options", [{"rerun": True}, {"tags": ["a"]}, {"tags": "a"}, {"store": 5}])
def test_what_only_a_store_can_do(source: Source, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"store|tags"):
        evaluated(source, Linear(), **options)


# Several models


def test_several_models_share_the_images_and_equal_single_evaluations(source: Source) -> None:
    modules = [Linear(0), Linear(1)]
    settings, told = Settings(n_workers=0), Recorder()
    models = [loaded(module) for module in modules]
    with Session([*models, models[0]], source, CONDITIONS, settings, observer=told) as session:
        runs = session.evaluate()
    assert "the same model and weights were given twice; they are evaluated once" in told.messages
    assert told.total == told.n_done == len(CONDITIONS) * source.n_images
    assert len(runs) == 2
    for module, run in zip(modules, runs, strict=True):
        alone = evaluated(source, module, mean=0.5, std=0.5, block_size=512)
        assert facts(run) == facts(alone)


def test_stored_runs_of_other_block_sizes_are_refused(source: Source, tmp_path: Path) -> None:
    db, models = str(tmp_path / "runs.sqlite"), [loaded(Linear(0)), loaded(Linear(1))]
    for model, block_size in zip(models, (2, 4), strict=True):
        settings = Settings(n_workers=0, block_size=block_size)
        with Session([model], source, [CLEAN], settings, store=db, observer=Recorder()) as one:
            one.evaluate()
    settings = Settings(n_workers=0)
    with (
        Session(models, source, CONDITIONS, settings, store=db, observer=Recorder()) as both,
        pytest.raises(UsageError, match=r"blocks of different sizes \(2, 4\)"),
    ):
        both.evaluate()


def test_complete_runs_of_other_block_sizes_are_returned(source: Source, tmp_path: Path) -> None:
    db, models = str(tmp_path / "runs.sqlite"), [loaded(Linear(0)), loaded(Linear(1))]
    runs = []
    for model, block_size in zip(models, (2, 4), strict=True):
        settings = Settings(n_workers=0, block_size=block_size)
        with Session([model], source, CONDITIONS, settings, store=db, observer=Recorder()) as one:
            runs += one.evaluate()
    settings = Settings(n_workers=0)
    with Session(models, source, CONDITIONS, settings, store=db, observer=Recorder()) as both:
        estimate = estimate_of(both)
        assert both.evaluate() == runs
    assert estimate.n_images_left == 0
    assert [(one.n_pieces, one.n_stored) for one in estimate.models] == [(9, 9), (6, 6)]


def test_a_session_evaluates_again_after_a_failure_and_after_a_success(
    source: Source, tmp_path: Path
) -> None:
    class Recovers(Linear):
        fails = True

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            return logits / 0 if self.fails and len(images) > 1 else logits

    db, module = str(tmp_path / "runs.sqlite"), Recovers()
    settings, told = Settings(n_workers=0, block_size=4), Recorder()
    with Session([loaded(module)], source, CONDITIONS, settings, store=db, observer=told) as one:
        with pytest.raises(ModelError, match="outputs of linear are not finite"):
            one.evaluate()
        module.fails = False
        (run,) = one.evaluate()
        assert run.finished_at
        assert one.evaluate() == [run]
    assert "resumed" not in run.environment
    assert not any("Resuming" in message for message in told.messages)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_an_interrupted_session_continues(source: Source, tmp_path: Path, n_workers: int) -> None:
    db, made = tmp_path / "runs.sqlite", []
    settings = Settings(n_workers=n_workers, block_size=4)

    def interrupt(piece: object) -> None:
        made.append(piece)
        if len(made) == 2:
            raise KeyboardInterrupt

    told = Recorder()
    with Session([loaded(Linear())], source, CONDITIONS, settings, store=db, observer=told) as one:
        with pytest.raises(KeyboardInterrupt):
            one.evaluate(on_piece=interrupt)
        (run,) = one.evaluate(on_piece=made.append, with_pieces=True)
    assert len(made) == len(run.pieces) == 2 * len(CONDITIONS)
    assert "Resuming run" in "".join(told.messages)
    assert facts(run) == facts(evaluated(source, Linear(), mean=0.5, std=0.5))


def test_observers_get_messages_for_python(source: Source, tmp_path: Path) -> None:
    db, told = str(tmp_path / "runs.sqlite"), Recorder()
    settings = Settings(n_workers=0)
    for _ in range(2):
        with Session([loaded(Linear())], source, [CLEAN], settings, store=db, observer=told) as one:
            one.evaluate()
    text = "\n".join(told.messages)
    assert "another normalisation (mean, std)" in text
    assert "rerun=True evaluates it again" in text
    assert "\ue000" not in text


@pytest.mark.parametrize(("arguments", "options", "sentence"), [
    ([[], None], {}, "expected at least one model"),
    ([[CLEAN, CLEAN]], {}, "the condition clean was given twice"),
    ([[]], {}, "no condition was given"),
    ([[Condition("haze", 1)]], {}, "expected conditions of ImageNet-C"),
    ([[CLEAN]], {"store": 5}, "expected a path, a URL or an open Store"),
])  # fmt: skip
def test_what_no_session_can_be_made_of(
    source: Source, arguments: list[object], options: dict[str, object], sentence: str
) -> None:
    models, conditions = ([], None) if len(arguments) == 2 else ([loaded(Linear())], arguments[0])
    with (
        pytest.raises(UsageError, match=sentence),
        Session(models, source, conditions, Settings(n_workers=0), **options),  # type: ignore[arg-type]
    ):
        pass


def test_a_session_takes_a_path_and_names_of_conditions(source: Source, tmp_path: Path) -> None:
    db, settings = tmp_path / "runs.sqlite", Settings(n_workers=0)
    session = Session([loaded(Linear())], source, ["clean", "fog/1"], settings, store=db)
    with pytest.raises(UsageError, match="in a `with` statement"):
        session.evaluate()
    with pytest.warns(GnlbenchWarning, match="near chance"), session:
        (run,) = session.evaluate()
    assert list(run.cells) == [CLEAN, FOG]
    with open_store(str(db)) as store:
        assert store.run(run.id) == run


def test_what_the_device_corrupts_is_made_once_for_all_models(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Condition] = []
    corrupt = corrupting._corrupt

    def counted(images: torch.Tensor, condition: Condition, todo: object) -> torch.Tensor:
        made.append(condition)
        return corrupt(images, condition, todo)  # type: ignore[arg-type]

    condition = Condition(min(EXACT), 3)
    models = [loaded(Linear(seed)) for seed in range(3)]
    settings = Settings(n_workers=0, batch_size=2)
    with Session(models, source, [condition], settings, observer=Recorder()) as session:
        expected = session.evaluate()
        monkeypatch.setattr(loop, "corrupted_on_device", lambda *_: EXACT)
        monkeypatch.setattr(corrupting, "_corrupt", counted)
        runs = session.evaluate()
    assert len(made) == -(-source.n_images // 2)  # once per batch, not per model
    assert [facts(run) for run in runs] == [facts(run) for run in expected]


# Planning


def test_an_estimate_stores_nothing(source: Source, tmp_path: Path) -> None:
    db = tmp_path / "runs.sqlite"
    settings = Settings(n_workers=0, block_size=4)
    with Session([loaded(Linear())], source, CONDITIONS, settings, store=str(db)) as session:
        estimate = estimate_of(session)
    assert not db.exists()
    assert estimate.n_images_left == source.n_images * len(CONDITIONS)
    assert estimate.seconds > 0
    (one,) = estimate.models
    assert (one.run_id, one.n_pieces, one.n_stored) == (None, 2 * len(CONDITIONS), 0)


def test_a_model_near_chance_is_a_warning_to_python(source: Source) -> None:
    with pytest.warns(GnlbenchWarning, match="near chance") as caught:
        robustbench_gnl.evaluate(Linear(), source, mean="none", conditions="clean")
    assert caught[0].filename == __file__


def test_progress_is_a_bar_on_stderr(source: Source, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(GnlbenchWarning, match="near chance"):
        robustbench_gnl.evaluate(Linear(), source, mean="none", conditions="clean", progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"{source.n_images}/{source.n_images} images" in shown.err


# Random weights


def test_random_weights_are_never_evaluated(source: Source) -> None:
    model = create_model("resnet18")
    assert model.training
    wrapped = nn.Sequential(copy.deepcopy(model))
    for module in (model, wrapped, nn.DataParallel(model)):
        with pytest.raises(UsageError, match="random weights are never evaluated"):
            evaluated(source, module, conditions=[CLEAN])
    model(torch.zeros(2, 3, 64, 64))  # running means are no training
    with pytest.raises(UsageError, match="random weights are never evaluated"):
        evaluated(source, model, conditions=[CLEAN])
    with torch.no_grad():
        model.fc.bias += 1
    assert evaluated(source, model, conditions=[CLEAN]).cells


@pytest.mark.parametrize("name", ["efficientnet_gnl_es", "torchvision:resnet18"])
def test_networks_are_created_as_timm_creates_them(name: str) -> None:
    model = create_model(name, num_classes=7)
    assert model.training
    assert sum(p.numel() for p in model.parameters()) > 1e6
    with torch.inference_mode():
        assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(UsageError, match="choose within a checkpoint"):
        create_model(name, ema=True)


# Other suites


def test_a_suite_of_one_condition(tmp_path: Path) -> None:
    suite = get_suite("imagenet-r")
    folders = [suite.labels.classes[i] for i in (suite.labels.subset or ())[:3]]
    source = open_own_images(make_clean_tree(tmp_path / "val", folders=folders), suite)
    run = evaluated(source, Linear(), conditions=None)
    assert list(run.cells) == [Condition("imagenet-r", 0)]
    assert evaluated(source, Linear(), conditions="imagenet-r").cells == run.cells
    with pytest.raises(UsageError, match="expected a condition such as imagenet-r, got 'fog'"):
        evaluated(source, Linear(), conditions="fog")


def test_only_the_classes_of_the_suite_compete(tmp_path: Path) -> None:
    suite = get_suite("imagenet-r")
    subset = suite.labels.subset
    assert subset is not None
    folders = [suite.labels.classes[i] for i in (subset[0], subset[7], subset[-1])]
    source = open_own_images(make_clean_tree(tmp_path / "val", folders=folders), suite)
    other = next(i for i in range(1000) if i not in subset)

    class Sure(nn.Module):
        """Would answer with a class that does not compete; among the others, with subset[7]."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = images.new_zeros(len(images), 1000)
            logits[:, other], logits[:, subset[7]] = 9, 3
            return logits

    run = evaluated(source, Sure(), conditions=None)
    errors = run.class_errors()["imagenet-r"]
    assert errors.to_dict() == {folders[0]: 1, folders[1]: 0, folders[2]: 1}
    n_others = len(subset) - 1
    right = np.exp(3) / (np.exp(3) + n_others)
    expected = -np.mean(np.log([right / np.exp(3), right, right / np.exp(3)]))
    row = run.to_frame().iloc[0]
    assert row["negative_log_likelihood"] == pytest.approx(expected)
    assert row["top5_error"] == pytest.approx(1 / 3)  # of equal logits the lower index comes first
    assert row["calibration_error"] == pytest.approx(abs(1 / 3 - right))

    class Few(Sure):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images)[:, :200]

    with pytest.raises(ModelError, match="but the model has 200 outputs"):
        evaluated(source, Few(), conditions=None)


def test_all_classes_of_a_subset_give_what_all_classes_give() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(30, 12)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, 12, 30))
    digests = [bytes(32)] * 30
    some = torch.tensor([1, 4, 5, 9, 11])
    pieces = []
    for classes in (None, torch.arange(12)):
        accumulator = PieceAccumulator(0, FOG, classes)
        accumulator.add(logits, labels, digests, 0.0)
        pieces.append(accumulator.piece())
    assert pieces[0] == pieces[1]
    positions = torch.from_numpy(rng.integers(0, 5, 30))
    ways = []
    for classes, given, wanted in (
        (some, logits, some[positions]), (None, logits[:, some], positions),
    ):  # fmt: skip
        accumulator = PieceAccumulator(0, FOG, classes)
        accumulator.add(given, wanted, digests, 0.0)
        ways.append(accumulator.piece())
    assert ways[0] == ways[1]


# Frames


def test_frames_of_a_run(source: Source, tmp_path: Path) -> None:
    run = evaluated(source, Linear(), store=tmp_path / "runs.sqlite")
    frame = run.to_frame().set_index(["corruption", "severity"])
    assert list(frame.columns) == [
        "n_images", "top1_error", "top5_error", "negative_log_likelihood", "calibration_error",
    ]  # fmt: skip
    outcomes = run.outcomes()
    assert list(outcomes.index) == list(source.files)
    assert list(outcomes.columns) == list(map(str, run.cells))
    by_class = run.class_errors()
    assert by_class["n_images"].sum() == source.n_images
    for condition, cell in run.cells.items():
        row = frame.loc[(condition.corruption, condition.severity)]
        assert row["top1_error"] == cell.error == (~outcomes[str(condition)]).mean()
        weighted = np.average(by_class[str(condition)], weights=by_class["n_images"])
        assert weighted == pytest.approx(cell.error)
        bins = sum(
            np.array(
                [p.calibration.n_images, p.calibration.n_top1, p.calibration.confidence_sum], float
            )
            for p in run.pieces
            if p.condition == condition
        )
        assert row["calibration_error"] == pytest.approx(float(calibration_error(bins)))
    with open_store(str(tmp_path / "runs.sqlite")) as store:
        bare, full = store.run(run.id), store.run(run.id, with_pieces=True)
    assert bare == full
    assert "calibration_error" not in bare.to_frame()
    assert full.outcomes().equals(outcomes)
    for frame_of in (bare.outcomes, bare.class_errors):
        with pytest.raises(UsageError, match=r"store.run\(run_id, with_pieces=True\)"):
            frame_of()
