"""Class maps: files that assign a class of the model to each class folder."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from robustbench_gnl.errors import DataError
from robustbench_gnl.files import read_regular

LARGEST_FILE = 2**26
_WORDNET_ID = re.compile(r"n\d{8}")
_INDEX = re.compile(r"[0-9]{1,9}")
EXPECTED = (
    "expected a class name a line in the order of the model's classes (.txt), a JSON object or "
    "list, or a CSV of two columns: folder, and class index or WordNet id"
)


@dataclass(frozen=True)
class ClassMap:
    """Pairs of a name and a class from a file. Which of both is the folder is decided when the
    folders are known.

    A class is an index, or a WordNet id, which means its index among ImageNet's classes.
    """

    path: Path
    pairs: tuple[tuple[str | int, str | int], ...]

    def targets(self, folders: Sequence[str]) -> dict[str, int | str]:
        """The index, or the WordNet id, of each folder.

        Raises:
            DataError: The map does not have a folder, or has it twice.
        """
        forward = _classes(self.pairs)
        backward = _classes((other, one) for one, other in self.pairs)
        if all(f in forward and f in backward and forward[f] != backward[f] for f in folders):
            raise DataError(
                f"{self.path} can be read as folder to class and as class to folder, with other "
                f"labels (such as {folders[0]!r}); write a .txt with a folder a line instead",
                path=self.path,
            )
        best = max((forward, backward), key=lambda found: sum(f in found for f in folders))
        missing = [folder for folder in folders if folder not in best]
        if missing:
            raise DataError(
                f"{self.path} has no class for {len(missing)} of {len(folders)} class folders, the "
                f"first of them {missing[0]!r}; {EXPECTED}",
                path=self.path,
                missing=tuple(missing),
            )
        targets = {}
        for folder in folders:
            if len(best[folder]) > 1:
                some = sorted(map(str, best[folder]))
                raise DataError(
                    f"{self.path} maps {folder!r} to both {some[0]} and {some[1]}; leave one",
                    path=self.path,
                )
            (targets[folder],) = best[folder]
        return targets


def _classes(
    pairs: Iterable[tuple[str | int, str | int]],
) -> dict[str, set[int | str]]:
    """Name to classes, of the pairs that can be read in this direction."""
    found: dict[str, set[int | str]] = {}
    for name, target in pairs:
        if isinstance(target, str) and _INDEX.fullmatch(target):
            target = int(target)
        if isinstance(target, int) or _WORDNET_ID.fullmatch(target):
            found.setdefault(str(name), set()).add(target)
    return found


def read_class_map(path: Path) -> ClassMap:
    """Read a class map: timm's format (`.txt`), JSON, or CSV.

    Raises:
        DataError: It cannot be read, or is none.
    """
    if path.suffix.lower() in {".pkl", ".pickle"}:
        raise DataError(
            f"{path} is a pickle, which could run a program when it is read; {EXPECTED}", path=path
        )
    try:
        content = read_regular(path, LARGEST_FILE).decode("utf-8-sig")
        text = normalize("NFC", content)  # as image keys are
        pairs = _pairs(path.suffix.lower(), text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"cannot read the class map {path}: {reason}; {EXPECTED}", path=path
        ) from error
    if not pairs:
        raise DataError(f"{path} holds no classes; {EXPECTED}", path=path)
    return ClassMap(path, tuple(pairs))


def _pairs(suffix: str, text: str) -> list[tuple[str | int, str | int]]:
    """Raises ValueError for what is no class map."""
    if suffix == ".json":
        return _json_pairs(json.loads(text, object_pairs_hook=_each_once))
    if suffix in {".csv", ".tsv"}:
        return _csv_pairs(text)
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if "" in lines:
        raise ValueError(f"line {lines.index('') + 1} is empty")
    if all(re.match(r"n\d{8}\s", line) for line in lines):  # an id, and what it means
        lines = [line.split()[0] for line in lines]
    return list(_each_once((line, index) for index, line in enumerate(lines)).items())


def _json_pairs(content: Any) -> list[tuple[str | int, str | int]]:
    if isinstance(content, list):
        content = _each_once((_text_or_index(name), i) for i, name in enumerate(content))
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}")
    pairs = []
    for name, target in content.items():
        if isinstance(target, list):  # Keras: {"0": ["n01440764", "tench"], ...}
            pairs += [(name, _text_or_index(one)) for one in target]
        else:
            pairs.append((name, _text_or_index(target)))
    return pairs


def _csv_pairs(text: str) -> list[tuple[str | int, str | int]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    odd = next((i for i, row in enumerate(rows, start=1) if len(row) != 2), None)
    if odd is not None:
        raise ValueError(f"row {odd} has {len(rows[odd - 1])} columns, not two")
    pairs = [(row[0].strip(), row[1].strip()) for row in rows]
    is_header = not any(_INDEX.fullmatch(text) or _WORDNET_ID.fullmatch(text) for text in pairs[0])
    return [*pairs[1:]] if is_header else [*pairs]


def _text_or_index(value: Any) -> str | int:
    if type(value) is int or isinstance(value, str):
        return value
    raise ValueError(f"it maps to {str(value)[:80]!r}, neither a class index nor a name")


def _each_once(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has {str(name)[:80]!r} twice")
        found[name] = value
    return found
