"""A script run in a process of its own, for what would else stay in the memory of this one."""

from __future__ import annotations

import subprocess
import sys

LONGEST_S = 20.0


def answer_of(script: str, order: bytes) -> bytes:
    """What the Python file `script` writes when it reads `order`; it sees installed packages only.

    Waits for it. Raises OSError where no process can be had, SubprocessError where it fails.
    """
    done = subprocess.run(  # noqa: S603 - a file of ours, by the interpreter that we run in
        [sys.executable, "-I", script],
        input=order,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for the server
        timeout=LONGEST_S,
        check=True,
    )
    return done.stdout
