"""What a module in memory is known by: its weights, or its code where it has none."""

from __future__ import annotations

import hashlib
from types import CodeType
from typing import Any

from torch import Tensor, nn

from robustbench_gnl.records import state_dict_sha256


def module_sha256(module: nn.Module) -> str:
    """sha256 of the state dict. A module without parameters and buffers is known by its parts:
    their classes, the code of their `forward`, and the plain values that they hold."""
    state_dict = module.state_dict()
    if state_dict:
        return state_dict_sha256(state_dict)
    digest = hashlib.sha256()
    for name, part in module.named_modules():
        kind = type(part)
        facts = [name, kind.__module__, kind.__qualname__, part.extra_repr()]
        code = getattr(kind.forward, "__code__", None)
        facts += _code(code) if isinstance(code, CodeType) else []
        facts += [
            f"{key}={text}"
            for key, value in sorted(vars(part).items())
            if (text := _plain(value)) is not None
        ]
        digest.update("\n".join(facts).encode(errors="backslashreplace"))
    return digest.hexdigest()


def _code(code: CodeType) -> list[str]:
    """The instructions, constants and names of a function and of those inside it."""
    constants = [one for one in code.co_consts if not isinstance(one, CodeType)]
    inner = [line for one in code.co_consts if isinstance(one, CodeType) for line in _code(one)]
    return [code.co_code.hex(), repr(constants), repr(code.co_names), *inner]


def _plain(value: Any) -> str | None:
    """A value that is the same in the next process; None for any other."""
    if isinstance(value, Tensor):
        return state_dict_sha256({"": value})
    if isinstance(value, tuple | list):
        parts = [_plain(one) for one in value]
        return None if None in parts else repr(parts)
    if value is None or isinstance(value, str | int | float | complex):
        return repr(value)
    return None
