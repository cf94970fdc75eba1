"""Two runs side by side: values by hand, tests by SciPy and statsmodels, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

import corruptions
from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Protocol, conditions_of
from robustbench_gnl.statistics import Outcomes, bootstrap, check_protocols, compare
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.statistics.samples import ALL_CELLS, chances, draw, harder, outcomes_from

COMMON_CONDITIONS = DEFAULT_SUITE.main_conditions

ALEXNET = default_reference()
FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))
N_IMAGES, SIZE = 480, 40


def two_runs(seed: int, shift: float, cells=ALL_CELLS) -> tuple[Outcomes, Outcomes]:
    """The candidate is worse under corruptions, by that shift, and the same on clean images."""
    rng = np.random.default_rng(seed)
    chance = chances(rng, N_IMAGES, cells)
    moved = np.vstack([chance[:1], harder(chance[1:], shift)])
    before = outcomes_from(draw(rng, chance), cells, block_size=SIZE)
    return before, outcomes_from(draw(rng, moved), cells, block_size=SIZE)


BEFORE, AFTER = two_runs(1, 0.25)
COMPARISON = compare(BEFORE, AFTER, ALEXNET)


def numbers_by_hand(errors: np.ndarray) -> dict[str, np.ndarray]:
    """From errors (..., 76), clean first: the definitions of Hendrycks & Dietterich 2019."""
    names = corruptions.names("common")
    clean, clean_reference = errors[..., 0], ALEXNET.clean_error
    fives = {name: errors[..., 1 + 5 * i : 6 + 5 * i] for i, name in enumerate(names)}
    reference = {name: sum(ALEXNET.errors[name]) for name in names}
    ce = {name: 100 * fives[name].sum(axis=-1) / reference[name] for name in names}
    relative = [
        100 * (fives[name].sum(axis=-1) - 5 * clean) / (reference[name] - 5 * clean_reference)
        for name in names
    ]
    mean = errors[..., 1:].mean(axis=-1)
    return {
        "clean_error": clean,
        "mean_corruption_error": mean,
        "robustness_gap": mean - clean,
        "mce": np.mean(list(ce.values()), axis=0),
        "relative_mce": np.mean(relative, axis=0),
        "groups.noise": np.mean([ce[n] for n in names[:3]], axis=0),
        "groups.blur": np.mean([ce[n] for n in names[3:7]], axis=0),
        "groups.weather": np.mean([ce[n] for n in names[7:11]], axis=0),
        "groups.digital": np.mean([ce[n] for n in names[11:]], axis=0),
        **{f"corruptions.{name}.error": fives[name].mean(axis=-1) for name in names},
        **{f"corruptions.{name}.ce": ce[name] for name in names},
    }


def test_it_has_every_overall_number_group_and_corruption_and_no_severity():
    by_block = {
        f"{which}_{kind}"
        for which in ("clean", "mean")
        for kind in ("top5_error", "negative_log_likelihood", "calibration_error")
    }
    assert set(COMPARISON.differences) == {*numbers_by_hand(BEFORE.errors), *by_block}
    assert COMPARISON.cells == ALL_CELLS
    assert COMPARISON.left_out == ()


def test_values_differences_and_intervals_by_hand():
    before, after = (numbers_by_hand(run.wrong.mean(axis=1)) for run in (BEFORE, AFTER))
    # Both runs have the same draws of images.
    draws = [numbers_by_hand(bootstrap(run).counts / N_IMAGES) for run in (BEFORE, AFTER)]
    for name, value in before.items():
        one = COMPARISON.differences[name]
        ends = np.quantile(draws[1][name] - draws[0][name], [0.025, 0.975], method="weibull")
        expected = ends + np.array([-1, 1]) * 0.02 * np.ptp(ends)

        assert (one.field, one.reason) == (name, None)
        assert one.baseline == pytest.approx(value), name
        assert one.candidate == pytest.approx(after[name]), name
        assert one.difference == pytest.approx(after[name] - value), name
        assert one.interval is not None
        # Two more images that change move the ends out, by little where many change.
        assert expected[0] <= one.interval.low < ends[0], name
        assert ends[1] < one.interval.high <= expected[1], name


def test_marks_say_what_the_interval_says():
    assert COMPARISON.differences["mce"].mark == "worse"
    assert compare(AFTER, BEFORE, ALEXNET).differences["mce"].mark == "better"
    assert COMPARISON.differences["clean_error"].mark == "~"
    marks = set()
    for one in COMPARISON.differences.values():
        low, high = one.interval.low, one.interval.high
        assert one.mark == ("worse" if low > 0 else "better" if high < 0 else "~"), one.field
        marks.add(one.mark)
    assert marks == {"worse", "~"}


def test_images_whose_answers_changed_are_counted():
    changed = (BEFORE.wrong != AFTER.wrong)[0].sum()
    assert COMPARISON.differences["clean_error"].n_differing == changed
    fog = [ALL_CELLS.index(cell) for cell in FOG]
    net = (AFTER.wrong[fog].sum(axis=0) != BEFORE.wrong[fog].sum(axis=0)).sum()
    assert COMPARISON.differences["corruptions.fog.error"].n_differing == net
    assert COMPARISON.differences["mean_top5_error"].n_differing is None


def test_cells_are_tested_by_mcnemar_and_corrected_by_holm():
    tests = COMPARISON.cell_tests
    tables = [
        [[(x & y).sum(), (x & ~y).sum()], [(~x & y).sum(), (~x & ~y).sum()]]
        for x, y in zip(BEFORE.wrong, AFTER.wrong, strict=True)
    ]
    p_values = [mcnemar(table, exact=True).pvalue for table in tables]
    rejected, corrected, _, _ = multipletests(p_values, 0.05, method="holm")

    assert tuple(test.condition for test in tests) == ALL_CELLS
    assert [test.p_value for test in tests] == pytest.approx(p_values)
    assert [test.p_holm for test in tests] == pytest.approx(corrected)
    assert [test.mark != "~" for test in tests] == list(rejected)
    for test, table in zip(tests, tables, strict=True):
        assert (test.only_baseline, test.only_candidate) == (table[0][1], table[1][0])
    strong = compare(*two_runs(2, 1.0), ALEXNET).cell_tests
    assert {test.mark for test in strong} == {"worse", "~"}
    assert {test.mark for test in compare(*two_runs(2, -1.0), ALEXNET).cell_tests} == {
        "better",
        "~",
    }


def test_what_is_kept_by_block_is_compared_over_blocks():
    """Blocks of one size: the interval of the mean is that of the paired t-test over them."""
    runs = BEFORE, AFTER
    right = [SIZE - run.wrong.reshape(76, -1, SIZE).sum(axis=2) for run in runs]  # (76, blocks)
    by_block = {
        "negative_log_likelihood": [(2.5 * (SIZE - n) + 0.1 * n) / SIZE for n in right],
        "top5_error": [(SIZE - (SIZE + n) // 2) / SIZE for n in right],
    }
    for kind, values in by_block.items():
        for which, rows in (("clean", slice(0, 1)), ("mean", slice(1, None))):
            one = COMPARISON.differences[f"{which}_{kind}"]
            before, after = (value[rows].mean(axis=0) for value in values)
            expected = stats.ttest_rel(after, before).confidence_interval(0.95)
            assert (one.baseline, one.candidate) == pytest.approx((before.mean(), after.mean()))
            assert one.difference == pytest.approx((after - before).mean())
            assert (one.interval.low, one.interval.high) == pytest.approx(tuple(expected))
    assert COMPARISON.differences["mean_negative_log_likelihood"].mark == "worse"
    # All confidences are 0.97 in these runs.
    ece = COMPARISON.differences["mean_calibration_error"]
    assert ece.candidate == pytest.approx(np.abs((~AFTER.wrong[1:]).mean(axis=1) - 0.97).mean())


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ((160, 160), "3 whole blocks of images, and the jackknife needs 4: evaluate more images"),
        ((480, 40), "what is kept by block has an interval only where both runs have the same bl"),
        ((40, 480), "what is kept by block has an interval only where both runs have the same bl"),
        ((40, 20), "what is kept by block has an interval only where both runs have the same bl"),
        ((120, 121), "what is kept by block has an interval only where both runs have the same b"),
    ],
)
def test_blocks_that_cannot_be_compared_give_a_reason_and_no_mark(sizes, reason: str):
    runs = [
        outcomes_from(run.wrong, ALL_CELLS, block_size=size)
        for run, size in zip((BEFORE, AFTER), sizes, strict=True)
    ]
    found = compare(*runs, ALEXNET).differences
    for kind in ("top5_error", "negative_log_likelihood", "calibration_error"):
        for which in ("clean", "mean"):
            one = found[f"{which}_{kind}"]
            expected = COMPARISON.differences[f"{which}_{kind}"]
            assert (one.interval, one.mark) == (None, "untested")
            assert one.reason.startswith(reason)
            assert one.difference == pytest.approx(expected.difference, abs=0.01)
    assert found["mce"] == COMPARISON.differences["mce"]


def test_cells_that_one_run_lacks_are_left_out_and_listed():
    before, after = (
        BEFORE.only((CLEAN, *FOG)),
        AFTER.only((*FOG[1:], *COMMON_CONDITIONS[:2])),
    )
    found = compare(before, after, ALEXNET)

    assert found.cells == FOG[1:]
    assert found.left_out == tuple(sorted([CLEAN, FOG[0], *COMMON_CONDITIONS[:2]]))
    assert set(found.differences) == {"corruptions.fog.error", "error"}
    rows = [ALL_CELLS.index(cell) for cell in FOG[1:]]
    assert found.differences["corruptions.fog.error"].candidate == pytest.approx(
        AFTER.wrong[rows].mean()
    )
    assert [test.condition for test in found.cell_tests] == list(FOG[1:])


def test_runs_that_share_no_cell_are_refused():
    with pytest.raises(UsageError, match="the two runs share no complete cell, so there is noth"):
        compare(BEFORE.only([CLEAN]), AFTER.only(FOG), ALEXNET)


def test_the_level_is_that_of_intervals_and_cells():
    strictly = compare(BEFORE, AFTER, ALEXNET, level=0.9)
    loosely = compare(BEFORE, AFTER, ALEXNET, level=0.5)

    assert (strictly.level, loosely.level) == (0.9, 0.5)
    for name, one in strictly.differences.items():
        other = loosely.differences[name]
        assert (one.interval.level, other.interval.level) == (0.9, 0.5)
        assert one.interval.low < other.interval.low < other.interval.high < one.interval.high
    for found, alpha in ((strictly, 0.1), (loosely, 0.5)):
        marked = [test.mark != "~" for test in found.cell_tests]
        assert marked == [test.p_holm <= alpha for test in found.cell_tests]


PROTOCOL = Protocol(
    name="generated-500",
    source="generated",
    image_set="a" * 64,
    n_images=500,
    label_set="imagenet-1k",
    crop="center-224",
    resampling="none",
    jpeg_quality=85,
    engine="gnlbench",
    engine_version="1",
    seed=0,
    precision="fp32",
    jpeg_decoder="pillow",
)


def test_runs_of_one_protocol_are_let_through_whatever_it_is_called():
    check_protocols([("A", PROTOCOL), ("B", replace(PROTOCOL, name="other")), ("C", PROTOCOL)])
    check_protocols([("A", PROTOCOL)])


def test_other_protocols_are_refused_with_all_that_differs():
    other = replace(PROTOCOL, image_set="b" * 64, jpeg_quality=None, seed=7)
    with pytest.raises(UsageError) as caught:
        check_protocols([("A", PROTOCOL), ("B", PROTOCOL), ("C", other)])

    assert str(caught.value) == (
        "A and C were evaluated under different protocols, and their numbers are not comparable: "
        "image_set: aaaaaaaa and bbbbbbbb; jpeg_quality: 85 and None; seed: 0 and 7. Evaluate "
        "both with the same settings, or name other runs (`gnlbench runs list`)"
    )
    assert caught.value.differences == {
        "image_set": ("a" * 64, "b" * 64),
        "jpeg_quality": (85, None),
        "seed": (0, 7),
    }


@pytest.mark.parametrize("field", sorted(PROTOCOL.fields()))
def test_every_field_of_a_protocol_counts(field: str):
    value = getattr(PROTOCOL, field)
    other = replace(PROTOCOL, **{field: value + 1 if isinstance(value, int) else f"{value}x"})
    with pytest.raises(UsageError, match=f"not comparable: {field}: "):
        check_protocols([("A", PROTOCOL), ("B", other)])
