"""Models that a user's function creates: `package.module:function`, `file.py:function`.

This runs the user's code, by its nature; nothing else in this package does.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_gnl.errors import GnlbenchError, ModelError, UsageError, did_you_mean, option
from robustbench_gnl.modules import first_without_values

_LIBRARIES = ("torchvision", "hf-hub")
_FORM = "package.module:FUNCTION or FILE.py:FUNCTION"


class FactoryNetwork(nn.Module):
    """The user's model. Errors in it are reported with the line of the user's code.

    The model itself is the attribute `network`.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network = network
        self.factory = name

    def forward(self, images: Tensor) -> Any:
        """The logits of (N, 3, S, S) normalised images.

        Raises:
            ModelError: It raises something, but for what tells of too little memory.
        """
        try:
            return self.network(images)
        except (torch.OutOfMemoryError, GnlbenchError):
            raise
        except Exception as error:
            size = " x ".join(map(str, images.shape[-2:]))
            raise ModelError(
                f"The model of {self.factory} failed on {size} images: {_described(error)}. "
                f"Where it takes another size only, give it with {option('input_size', 'N')}.",
                name=self.factory,
            ) from error


def build(name: str) -> nn.Module:
    """Call the user's function; the model that it returns.

    Raises:
        UsageError: There is no such file, module or function, or it needs arguments.
        ModelError: The code fails, or returns something else.
    """
    place, _, function_name = name.rpartition(":")
    if not place or not function_name.isidentifier():
        raise UsageError(f"Expected {_FORM}, got {name!r}", name=name)
    # What the user's code prints belongs beside the results, not among them.
    with contextlib.redirect_stdout(sys.stderr), _importable(_folder(place)):
        made = _call(name, _function(name, _import(name, place), function_name))
    if not isinstance(made, nn.Module):
        hint = "; return only the model" if isinstance(made, tuple | list | dict) else ""
        raise ModelError(
            f"Expected {name} to return a torch.nn.Module, got {type(made).__name__}{hint}",
            name=name,
        )
    key = first_without_values(made)
    if key is not None:
        raise ModelError(
            f"The model that {name} returned has no values for {key!r}; load its weights, "
            "or call it once with an image, within the function.",
            name=name,
            key=key,
        )
    return made


def _import(name: str, place: str) -> ModuleType:
    if _is_file(place):
        return _import_file(name, Path(place).expanduser())
    if not all(part.isidentifier() for part in place.split(".")):
        raise UsageError(f"Expected {_FORM}, got {name!r}", name=name)
    try:
        found = importlib.util.find_spec(place)
    except ModuleNotFoundError as error:
        if error.name is None or not (place == error.name or place.startswith(f"{error.name}.")):
            raise _failed(name, error) from error
        found = None
    except ValueError:  # a module that was made by hand, such as __main__
        found = None
    except Exception as error:  # the code of a parent package
        raise _failed(name, error) from error
    if found is None:
        raise UsageError(
            f"There is no module {place!r} for {name!r}, neither installed nor in {Path.cwd()}; a "
            "file is named FILE.py:FUNCTION" + did_you_mean(place, _LIBRARIES),
            name=name,
        )
    with _errors_named(name):
        return importlib.import_module(place)


def _import_file(name: str, path: Path) -> ModuleType:
    if not path.is_file():
        kind = "not a regular file" if path.exists() else "not there"
        raise UsageError(f"Expected {_FORM}, but {path} is {kind}", name=name, path=path)
    path = path.resolve()
    # Under a separate name, so that a file called timm.py does not replace timm.
    label = f"_gnlbench_factory_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(label, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"Expected a Python file, got {path}; name it FILE.py", name=name)
    module = importlib.util.module_from_spec(spec)
    # Before the code runs, as import does: dataclasses and pickle look their module up there.
    sys.modules[label] = module
    try:
        with _errors_named(name):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(label, None)
        raise
    return module


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place or os.sep in place


def _folder(place: str) -> Path:
    """Where the user's code lies, and what it imports from beside it."""
    return Path(place).expanduser().resolve().parent if _is_file(place) else Path.cwd()


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Look there first while the user's code is imported and called, as Python does for a script;
    and last from then on, so that a file of the user never hides a library."""
    entry = str(folder)
    was_there = entry in sys.path
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
        if not was_there:
            sys.path.append(entry)


def _function(name: str, module: ModuleType, function_name: str) -> Any:
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        known = [key for key, value in vars(module).items() if callable(value)]
        where = module.__file__ or module.__name__
        raise UsageError(
            f"{where} has no function {function_name!r}{did_you_mean(function_name, known)}",
            name=name,
        ) from error


def _call(name: str, function: Any) -> Any:
    if isinstance(function, nn.Module):
        return function  # a model that the file has made already
    if not callable(function):
        raise UsageError(
            f"Expected {name} to be a function that returns a model, got a "
            f"{type(function).__name__}",
            name=name,
        )
    required = _required_arguments(function)
    if required:
        raise UsageError(
            f"{name} needs arguments ({', '.join(required)}), and is called without any; give a "
            "function that takes none",
            name=name,
        )
    with _errors_named(name):
        return function()


def _required_arguments(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins have none
        return []
    # *args and **kwargs have no default, and may still be left out.
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    """Convert any exception of the user's code to an error of one sentence."""
    try:
        yield
    except GnlbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> ModelError:
    return ModelError(f"{name} failed: {_described(error)}", name=name)


def _described(error: BaseException) -> str:
    """The exception, and the last line of the user's code in its traceback."""
    message = next(iter(str(error).strip().splitlines()), "")
    described = type(error).__name__ + (f": {message}" if message else "")
    if isinstance(error, SyntaxError) and error.filename:
        return f"{described} ({error.filename}, line {error.lineno})"
    here = Path(__file__).name
    installed = (str(Path(torch.__file__).parents[1]), sysconfig.get_path("stdlib"), "<frozen")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).name != here and not frame.filename.startswith(installed)
    ]
    if not frames:
        return described
    return f"{described} ({frames[-1].filename}, line {frames[-1].lineno})"
