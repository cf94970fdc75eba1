"""What errors say, to users of the command line and to those who call Python."""

from __future__ import annotations

import pytest

from robustbench_gnl.errors import UsageError, as_arguments, as_options, option


@pytest.mark.parametrize(
    ("marked", "typed", "called"),
    [
        (option("input_size", "N"), "--input-size N", "input_size=N"),
        (option("rerun"), "--rerun", "rerun=True"),
        (option("source", "generated"), "--source generated", "open_source(..., kind='generated')"),
        (option("ckpt", "FILE"), "--ckpt FILE", "checkpoint=FILE"),
        (option("batch_size", "8"), "--batch-size 8", "batch_size=8"),
        (option("mean"), "--mean", "mean"),
    ],
)
def test_a_parameter_is_worded_for_whom_reads_it(marked: str, typed: str, called: str) -> None:
    message = f"put them back, or use {marked}; or {marked}"
    assert as_options(message) == f"put them back, or use {typed}; or {typed}"
    assert as_arguments(message) == f"put them back, or use {called}; or {called}"
    error = UsageError(message, path="x")
    assert str(error) == as_arguments(message)
    assert as_options(error.message) == as_options(message)
    assert error.path == "x"


def test_other_text_stays_as_it_is() -> None:
    for text in ("plain --text=1", "a b", ""):
        assert as_options(text) == as_arguments(text) == text
