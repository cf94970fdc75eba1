"""Who ranks beside whom: one protocol a board, and nobody else's numbers among them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from robustbench_gnl.errors import UsageError
from robustbench_gnl.leaderboard import (
    boards,
    is_comparable,
    limited,
    select_protocol,
    sort_keys,
    stated_protocol,
)
from robustbench_gnl.metrics.reference import load_published
from robustbench_gnl.records import CLEAN, Condition
from tests.leaderboard.samples import ranks, shown_name


def test_equal_numbers_share_a_rank(make_run: Any) -> None:
    (board,) = boards([make_run("a"), make_run("b"), make_run("c", 0.9), make_run("d", 0.7)])

    assert ranks(board) == {"d": 1, "a": 2, "b": 2, "c": 4, "AlexNet (reference)": None}


def test_the_newest_run_of_a_model_stands_for_it(make_run: Any) -> None:
    old = make_run("a", 0.7, id="old", created_at="2026-01-01T00:00:00+00:00")
    new = make_run("a", 0.8, id="new", created_at="2026-01-02T00:00:00+00:00")
    for runs in ([old, new], [new, old]):
        (board,) = boards(runs)
        assert [entry.run.id for entry in board.entries if entry.run] == ["new"]


def test_a_rerun_that_has_only_begun_hides_no_result(make_run: Any) -> None:
    old = make_run("a", 0.7, id="old", created_at="2026-01-01T00:00:00+00:00")
    begun = make_run(
        "a", 0.7, id="begun", created_at="2026-01-02T00:00:00+00:00", without=[Condition("fog", 1)]
    )
    (board,) = boards([begun, old])

    assert board.entries[0].run.id == "old"


def test_without_the_sorted_number_there_is_no_rank(make_run: Any) -> None:
    (board,) = boards([make_run("a"), make_run("b", 0.7, without=[CLEAN])], sort="relative_mce")

    assert ranks(board) == {"a": 1, "AlexNet (reference)": None, "b": None}


@pytest.mark.parametrize("sort", [key for key in sort_keys() if key != "top1_error"])
def test_every_key_sorts_with_the_lower_first(make_run: Any, sort: str) -> None:
    (board,) = boards([make_run("a", 0.9), make_run("b", 0.7)], sort=sort)
    values = [entry.value(sort_keys()[sort]) for entry in board.entries if entry.rank]

    assert len(values) == 2
    assert values == sorted(values)


def test_an_unknown_key_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match=r"cannot sort by 'fogg'.*did you mean 'fog'\?") as caught:
        boards([], sort="fogg")
    assert caught.value.sort == "fogg"


def test_published_results_rank_only_under_their_own_protocol(
    make_run: Any, protocol_of: Any
) -> None:
    resized = protocol_of(name="resized", resampling="bicubic-256")
    full, other, rest = boards(
        [make_run("mine", 0.65), make_run("theirs", protocol=resized)],
        published=load_published(),
    )
    if full.protocol and full.protocol.name == "resized":
        full, other = other, full

    ranked = [entry for entry in full.entries if entry.rank]
    values = [entry.value("mce") for entry in ranked]
    assert {entry.kind for entry in ranked} == {"run", "reported"}
    assert values == sorted(values)
    assert ranks(full)["Vanilla, ResNet-50"] is not None
    assert {entry.kind for entry in other.entries} == {"run", "reference"}
    assert rest.protocol is None
    assert {entry.rank for entry in rest.entries} == {None}
    n_reported = sum(entry.kind == "reported" for entry in (*full.entries, *rest.entries))
    assert n_reported == 111  # all but AlexNet's own row


def test_what_published_results_state_is_put_in_a_phrase() -> None:
    phrases = {stated_protocol(one) for one in load_published()}

    assert {
        "50,000 images, not resampled",
        "5,000 images, not resampled",
        "50,000 images, resized",
        "50,000 images, resampling not stated",
        "number of images not stated, resized",
        "protocol not stated",
        "protocol not stated, adapted at test time (BN statistics, full)",
    } <= phrases


@pytest.mark.parametrize(
    "other",
    [
        {"n_images": 5_000},
        {"n_images": None},
        {"resampling": "resized"},
        {"resampling": ""},
        {"test_time_adaptation": "BN statistics, full"},
    ],
)
def test_a_result_under_any_other_protocol_is_not_comparable(other: dict[str, Any]) -> None:
    golden = next(one for one in load_published() if "golden" in one.notes)

    assert is_comparable(golden)
    assert is_comparable(dataclasses.replace(golden, test_time_adaptation="none"))
    assert not is_comparable(dataclasses.replace(golden, **other))


def test_limit_keeps_the_best_and_the_reference(make_run: Any) -> None:
    runs = [make_run(f"m{i}", 0.5 + i / 10) for i in range(4)]
    (board,) = [limited(each, 2) for each in boards(runs)]

    assert [shown_name(entry) for entry in board.entries] == ["m0", "m1", "AlexNet (reference)"]


def test_a_protocol_is_selected_by_name_or_fingerprint(make_run: Any, protocol_of: Any) -> None:
    few = protocol_of(name="released-5k", n_images=5_000)
    runs = [make_run("a"), make_run("b", protocol=few)]

    assert select_protocol(runs, "released-5k") == runs[1:]
    assert select_protocol(runs, few.fingerprint[:8]) == runs[1:]
    assert select_protocol([], "anything") == []
    with pytest.raises(UsageError, match=r"no run under a protocol 'released-5'.*did you mean"):
        select_protocol(runs, "released-5")
