"""Documents as JSON text: valid whatever they hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def json_text(document: Any) -> str:
    """The document in ASCII, without a final line break.

    JSON has no infinity and no NaN: such a number becomes null, and `reasons` of an object
    says so under its path.
    """
    try:
        return json.dumps(document, indent=2, allow_nan=False)
    except ValueError:
        reasons: dict[str, str] = {}
        document = finite(document, reasons)
        if isinstance(document, dict):
            document["reasons"] = {**document.get("reasons", {}), **reasons}
        return json.dumps(document, indent=2, allow_nan=False)


def finite(value: Any, reasons: dict[str, str], path: str = "") -> Any:
    """The value with null for each number that is not finite; `reasons` is told of each."""
    if isinstance(value, float) and not math.isfinite(value):
        reasons[path] = f"it is not a finite number ({value})"
        return None
    below = f"{path}." if path else ""
    if isinstance(value, Mapping):
        return {key: finite(one, reasons, f"{below}{key}") for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one, reasons, f"{below}{i}") for i, one in enumerate(value)]
    return value
