"""Where the random draws of an image come from: a key, never a global state."""

from __future__ import annotations

import hashlib


def image_seed(seed: int, key: str, name: str, severity: int) -> int:
    """The 128-bit seed of one image under one condition.

    It depends on the four arguments and on nothing else, so the pixels do not depend on
    batch, worker, order or resume. The fields are separated by a character that none of
    them can hold, so that no two different requests share a seed by concatenation.
    """
    text = "\0".join((str(int(seed)), key, name, str(int(severity))))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
