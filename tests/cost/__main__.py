"""Count the calls of functions that requests and chunks take, beside the recorded figures.

uv run python -m tests.cost [--update]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.cost.calls import measured
from tests.cost.record import record, recorded


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cost", description=__doc__)
    parser.add_argument("--update", action="store_true", help="record what is counted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder))
    before = recorded()
    for name, calls in figures.items():
        sys.stdout.write(f"{name:<16} {calls:8.1f} calls, recorded {before.get(name, 0):8.1f}\n")
    if options.update:
        record(figures)


if __name__ == "__main__":
    main()
