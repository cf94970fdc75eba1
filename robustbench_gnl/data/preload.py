"""Imported once by the server process that the workers are forked from.

Importing it compiles our own engine, or loads what was compiled before, which would else be
done in every worker.
"""

from __future__ import annotations

import contextlib

import numpy as np

import corruptions
from robustbench_gnl.suites import DEFAULT_SUITE

_BLANK = np.zeros((32, 32, 3), np.uint8)
for _name in DEFAULT_SUITE.corruptions:
    # What goes wrong here is reported when a worker first needs it: now it would only end the
    # server process.
    with contextlib.suppress(Exception):
        corruptions.corrupt(_BLANK, _name, 1)
