"""The process that holds llama.cpp; run by `llama_process` as a script, imports nothing of ours.

It has a process of its own since xllamacpp keeps the interpreter's lock for as long as a model
loads, which would stop the whole server for a second, or for many with a larger model.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from typing import Any


def main() -> None:
    """Read one order (a line of JSON) from stdin, answer with the socket's path, run to its end.

    Stdin ends when the parent does, however it ends: nothing else stops this process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    with tempfile.TemporaryDirectory(prefix="pointsman-") as folder:  # for its owner only
        socket = os.path.join(folder, "llama.sock")  # noqa: PTH118 - pathlib costs more to import
        server = serve(order, socket)
        sys.stdout.write(f"{socket}\n")
        sys.stdout.flush()
        sys.stdin.read()
    os._exit(0 if server else 1)  # llama.cpp would first wait for the answers under way


def serve(order: dict[str, Any], socket: str) -> Any:
    """A running server on a Unix socket; RuntimeError if the model cannot be loaded."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.hostnames = [socket]  # it has to listen, but no TCP port is ever opened
    params.api_keys = [order["key"]]
    params.cors_origins = ""
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    params.verbosity = -1
    params.n_parallel = order["slots"]
    params.n_ctx = order["context"] * order["slots"]
    params.n_batch = params.n_ubatch = order["batch"]
    params.n_threads_http = order["connections"]
    params.cpuparams.n_threads = order["threads"]
    params.cpuparams.poll = 0  # no spinning: it would take the cores from the event loop
    params.fit_params = False  # it fits the model to a GPU by loading it twice
    params.warmup = False
    params.cache_ram_mib = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
