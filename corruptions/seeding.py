"""The seed of an image under a condition, derived from its key."""

from __future__ import annotations

import hashlib

from corruptions.errors import CorruptionError
from corruptions.requests import check_seed


def image_seed(seed: int, key: str, name: str, severity: int) -> int:
    """The 128-bit seed of one image under one condition.

    It depends on the four arguments and on nothing else, so the pixels do not depend on
    batch, worker, order or resume. The fields are separated by a character that none of
    them can hold, so that no two different requests share a seed by concatenation.

    Raises:
        CorruptionError: The seed is not an integer, or the key is not text.
    """
    if not isinstance(key, str):
        raise CorruptionError(f"expected text as key, got {key!r}")
    text = "\0".join((str(check_seed(seed)), key, name, str(int(severity))))
    # File names that are no Unicode come from Python with surrogates in them.
    content = text.encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "little")
