"""The page's files as they are sent, with headers that let a browser run nothing but them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.responses import Response

TYPES: Mapping[str, str] = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
FOLDER = files("admin") / "page"
ASSETS = frozenset(file.name for file in FOLDER.iterdir() if file.name.rpartition(".")[2] in TYPES)
LOGIN_ASSETS = frozenset({"style.css", "icon.svg", "login.js"})
"""Those that the page needs on which one signs in."""
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def page(name: str, *, status: int = 200) -> Response:
    """One of the HTML files, its scripts and styles marked with a nonce of this answer."""
    nonce = secrets.token_urlsafe(16)
    html = _file(name).replace(b"{nonce}", nonce.encode())
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
        " connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'"
    )
    headers = {**HEADERS, "content-security-policy": policy}
    return Response(html, status, headers, media_type="text/html")


def asset(name: str) -> Response:
    if name not in ASSETS:
        raise HTTPException(404)
    return Response(_file(name), headers=HEADERS, media_type=TYPES[name.rpartition(".")[2]])


@lru_cache
def _file(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
