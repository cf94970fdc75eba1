"""Plain-data replacements for classes of other libraries that checkpoints contain.

torch's safe loader only calls functions on its list. For a name in the file (`numpy.dtype`,
`pathlib.PosixPath`), it gets a function of this module, which checks its arguments and returns
plain data. So no code of NumPy, pathlib or torchvision runs for a file, and the file cannot choose
which function is called.
"""

from __future__ import annotations

import argparse
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Booleans, integers, floats, complex numbers and text: what is data and nothing else. Objects
# ("O") and records ("V") can hold anything.
_PLAIN_DTYPE = re.compile(r"([?biufcUS])\d{0,9}|b1")


class _DType:
    """Replaces `numpy.dtype`."""

    def __init__(self, spec: Any, align: Any = False, copy: Any = True) -> None:
        if not isinstance(spec, str) or _PLAIN_DTYPE.fullmatch(spec) is None:
            raise pickle.UnpicklingError(f"NumPy data of kind {str(spec)[:20]!r} are no numbers")
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")


class NumpyArray:
    """Replaces `numpy.ndarray`; its numbers are in `array`."""

    def __init__(self) -> None:
        self.array: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, data = state
        array = _from_bytes(dtype, data, math.prod(shape))
        self.array = array.reshape(shape, order="F" if is_fortran else "C")

    def tolist(self) -> Any:
        """As NumPy's."""
        return self.array.tolist()


def _array(*_: Any) -> NumpyArray:
    """Replaces NumPy's `_reconstruct`, whose arguments only make an empty array."""
    return NumpyArray()


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """Replaces NumPy's `scalar`; a Python number, truth value or text."""
    return _from_bytes(dtype, data, 1)[0].item()


def _from_bytes(dtype: Any, data: Any, count: int) -> NDArray[Any]:
    if not isinstance(dtype, _DType) or not isinstance(data, bytes | bytearray):
        raise pickle.UnpicklingError("expected a NumPy dtype and bytes")
    if dtype.dtype.itemsize * count != len(data):
        raise pickle.UnpicklingError(f"expected {count} values of {dtype.dtype}")
    return np.frombuffer(bytes(data), dtype.dtype, count)


def _path(*parts: Any) -> str:
    """Replaces the classes of pathlib; the path as text, which opens nothing."""
    return "/".join(str(part) for part in parts if isinstance(part, str)).replace("//", "/")


def _value(value: Any = None) -> Any:
    """Replaces an enumeration; the value alone."""
    return value


def _nothing(*_: Any) -> None:
    """Replaces a type that is only named, such as the `list` of `defaultdict(list)`."""


def _dict(*_: Any) -> dict[Any, Any]:
    """Replaces `collections.defaultdict`; what it holds is set by the loader."""
    return {}


class _Attributes:
    """Replaces `types.SimpleNamespace`; the loader sets its attributes."""


_PATHS = ("Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")

SUBSTITUTES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    # timm's and torchvision's training scripts keep their options in one; it has no code.
    argparse.Namespace,
    (_DType, "numpy.dtype"),
    (NumpyArray, "numpy.ndarray"),
    *[(_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")],
    *[(_array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")],
    # Python 3.13 has the classes in pathlib._local.
    *[(_path, f"{module}.{name}") for module in ("pathlib", "pathlib._local") for name in _PATHS],
    (_value, "torchvision.transforms.functional.InterpolationMode"),
    (_dict, "collections.defaultdict"),
    (_Attributes, "types.SimpleNamespace"),
    *[(_nothing, f"builtins.{name}") for name in ("list", "dict", "int", "float", "str")],
]
"""What torch's safe loader may call besides its own list, and under which name."""
