"""`python -m robustbench_gnl` is `gnlbench`."""

from robustbench_gnl.cli import app

if __name__ == "__main__":
    app(prog_name="gnlbench")
