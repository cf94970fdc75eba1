"""`gnlbench`, also as `python -m robustbench_gnl`."""

from __future__ import annotations

import atexit
import gc
import sys

MOST_OBJECTS_BEFORE_COLLECTION = 200_000
"""More than a short command ever makes, a few dozen MB at most for a long one."""
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Python's search for garbage in cycles walks through every object: many times while modules
    load, and once more at the end. Next to none of them is garbage, and that is a fifth of
    the time of a short command.
    """
    gc.set_threshold(MOST_OBJECTS_BEFORE_COLLECTION)
    atexit.register(gc.freeze)
    try:
        from robustbench_gnl.cli import app
        from robustbench_gnl.cli._process import prepare_process

        prepare_process()
        app(prog_name="gnlbench")
    except KeyboardInterrupt:  # While modules load, or at the very end.
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
