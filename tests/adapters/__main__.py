"""Prints the table of docs/providers.md anew."""

from __future__ import annotations

import sys

from tests.adapters.table import table

if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
