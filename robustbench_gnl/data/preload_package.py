"""Imported once by the server process that the workers are forked from.

Importing it loads the libraries behind the package imagecorruptions and compiles its glass_blur,
which takes seconds and would else be done in every worker.
"""

from __future__ import annotations

import contextlib

import numpy as np

import corruptions

# What goes wrong here is reported when a worker first needs it: now it would only end the
# server process.
with contextlib.suppress(Exception):
    corruptions.corrupt(np.zeros((32, 32, 3), np.uint8), "glass_blur", 1, engine="imagecorruptions")
