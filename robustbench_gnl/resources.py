"""The data files that ship with the package: reference errors, class lists, published results.

`results/README.md` gives the source and the unit of every column.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from robustbench_gnl.errors import DataError

PACKAGE = Path(__file__).resolve().parent
_KNOWN_FILE = "alexnet_errors.csv"


def data_folder() -> Path:
    """`results/` inside an installed package, else beside the package in a checkout.

    Raises:
        DataError: Neither is there.
    """
    candidates = (PACKAGE / "results", PACKAGE.parent / "results")
    for folder in candidates:
        if (folder / _KNOWN_FILE).is_file():
            return folder
    raise DataError(
        f"expected the reference data ({_KNOWN_FILE}) in "
        + " or ".join(str(folder) for folder in candidates)
        + ", found neither; install gnlbench again",
        folders=candidates,
    )


@cache
def words_of(name: str) -> tuple[str, ...]:
    """The words of a data file, such as a list of WordNet ids.

    Raises:
        DataError: The file is not there.
    """
    try:
        return tuple((data_folder() / name).read_text(encoding="utf-8").split())
    except OSError as error:
        raise DataError(
            f"expected the data file {name} in {data_folder()}, cannot read it: "
            f"{error.strerror}; install gnlbench again"
        ) from error
