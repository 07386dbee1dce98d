"""Prints the table."""

from __future__ import annotations

import sys

from tests.proxy.doors.golden.table import table

sys.stdout.write(table())
