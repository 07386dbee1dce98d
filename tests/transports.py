"""Which transport the tests' servers send by: the one of POINTSMAN_TRANSPORT.

A server in the tests' own process reads the variable itself; one with an environment of its own is
given `CHOSEN`. The whole suite runs on httpx's with `POINTSMAN_TRANSPORT=httpx uv run pytest`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

NAME = "POINTSMAN_TRANSPORT"
CHOSEN: Mapping[str, str] = {NAME: os.environ[NAME]} if NAME in os.environ else {}
