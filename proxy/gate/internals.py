"""What we stand on inside uvicorn, beyond what it promises. Looked for when this is imported.

A version that has renamed any of it fails at the start with a reason, and not within a request.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import version

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

STANDS_ON: Mapping[type, str] = {
    HttpToolsProtocol: "connection_made connection_lost data_received on_message_begin on_header"
    " on_headers_complete on_body on_message_complete on_response_complete send_400_response"
    " _start_asgi_task _unsupported_upgrade_warning"
    " client cycle expect_100_continue"
    " flow headers loop parser pipeline scope server_state transport url",
    RequestResponseCycle: "chunked_encoding disconnected expected_content_length keep_alive"
    " message_event more_body response_complete response_started transport",
    FlowControl: "read_paused pause_reading resume_reading",
    uvicorn.Server: "startup main_loop shutdown capture_signals on_tick"
    " lifespan servers server_state should_exit",
    ServerState: "connections tasks total_requests",
}


def missing(stands_on: Mapping[type, str]) -> list[str]:
    """What is not there: no member of the class, and nowhere set on its instances."""
    return [
        f"{owner.__name__}.{name}"
        for owner, names in stands_on.items()
        for name in names.split()
        if name not in _names(owner)
    ]


def _names(owner: type) -> set[str]:
    methods = inspect.getmembers(owner, inspect.isfunction)
    return {*dir(owner), *(name for _, one in methods for name in one.__code__.co_names)}


if _missing := missing(STANDS_ON):
    raise ImportError(
        f"uvicorn {version('uvicorn')} has no {', '.join(_missing)}: install the version that"
        " pyproject.toml names"
    )
