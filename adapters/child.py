"""A script run in a process of its own, for what would else stay in the memory of this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

LONGEST_S = 20.0
AT_LEISURE = """
import gc, os, runpy, sys
getattr(os, "nice", int)(19)  # requests are answered meanwhile
gc.disable()  # a fifth of the time; all of it is garbage in a moment
runpy.run_path(sys.argv[1], run_name="__main__")
"""


class Line(NamedTuple):
    """Where a provider's paths begin, without a slash at the end, and the headers of every call."""

    url: str
    headers: dict[str, str]


def answer_of(script: str, order: bytes, *, is_urgent: bool = False) -> bytes:
    """What the Python file `script` writes when it reads `order`; it sees installed packages only.

    Waits for it; at low priority, unless a request waits, too. Raises OSError where no process can
    be had, SubprocessError where it fails.
    """
    way = [script] if is_urgent else ["-c", AT_LEISURE, script]
    done = subprocess.run(  # noqa: S603 - a file of ours, by the interpreter that we run in
        [sys.executable, "-I", *way],
        input=order,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for the server
        timeout=LONGEST_S,
        check=True,
    )
    return done.stdout


def told_by_sdk(sdk: str, script: str, order: dict[str, Any], here: Callable[[Any], Any]) -> Line:
    """`script`'s answer to `order`, without `sdk` being loaded into this process for it.

    `here` tells the same in this process: where the SDK is loaded anyway, where no child can be
    had, and where the SDK refuses, which is to be raised here. Raises what `here` does.
    """
    if sdk not in sys.modules:
        try:
            return Line(*json.loads(answer_of(script, json.dumps(order).encode())))
        except (OSError, subprocess.SubprocessError, ValueError):
            pass
    return Line(*here(order))
