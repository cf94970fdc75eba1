"""The built-in sample: twenty labelled ImageNet photographs that the package foolbox carries.

Only its data files are read (`foolbox/data/imagenet_NN_LABEL.jpg`); the package is never
imported.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from robustbench_gnl.data.labels import imagenet_labels
from robustbench_gnl.data.pixels import Recipe
from robustbench_gnl.data.sources import Source
from robustbench_gnl.errors import UsageError

_NAME = re.compile(r"imagenet_(\d\d)_(\d{1,3})\.jpg")


def open_sample(recipe: Recipe | None = None) -> Source:
    """The sample as a source, corrupted on the fly.

    Raises:
        UsageError: foolbox is not installed.
    """
    spec = importlib.util.find_spec("foolbox")
    if spec is None or spec.origin is None:
        raise UsageError(
            "the built-in sample lies in the package foolbox, which is not installed; "
            "run: pip install 'gnlbench[demo]'"
        )
    folder = Path(spec.origin).parent / "data"
    wnids = list(imagenet_labels())
    files = {}
    for path in sorted(folder.glob("imagenet_*.jpg")):
        match = _NAME.fullmatch(path.name)
        if match:
            files[f"{wnids[int(match[2])]}/{path.stem}"] = path.name
    if not files:
        raise UsageError(
            f"{folder} holds no file such as imagenet_00_243.jpg; "
            "reinstall the sample: pip install --force-reinstall 'foolbox>=3.3.4'"
        )
    files = dict(sorted(files.items()))
    return Source(
        kind="sample",
        root=folder,
        class_folders=tuple(sorted({key.split("/")[0] for key in files})),
        files=files,
        clean_tree=folder,
        recipe=recipe or Recipe(),
    )
