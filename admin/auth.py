"""Who may use the admin page and its API.

Where only this machine can ask and no client needs a key, the server's guard is enough: it refuses
other sites' pages. Else the token must be shown, by a header or by the cookie of a session that the
page's form began; or the pass of a command that the server's own user runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable

from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from admin.brake import Brake

COOKIE = "pointsman_admin"
SESSION_S = 12 * 3600
MAX_SESSIONS = 100
WRONG = "The admin token is missing or wrong."

Passport = Callable[[tuple[str, int]], str | None]


def admin_token(configured: SecretStr, *, is_published: bool) -> SecretStr | None:
    """The token that must be shown, made anew where one is needed and none is set; or None."""
    if configured.get_secret_value():
        return configured
    return SecretStr(secrets.token_urlsafe(32)) if is_published else None


class Gate:
    """Lets in who shows the token; everyone, if there is none. One for all routes.

    `passport` tells what a command of the server's own user shows to the server at an address.
    """

    def __init__(
        self,
        token: SecretStr | None,
        *,
        passport: Passport | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._token = None if token is None else _digest(_bytes(token.get_secret_value()))
        self._passport = passport
        self._brake = Brake(clock, sleep)
        self._sessions = _Sessions(wall)

    async def admits(self, request: Request) -> bool:
        """Whether this request may look and change. Raises 429 where too many were wrong."""
        if self._token is None or self._sessions.has(_session(request)):
            return True
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        shown = bearer.strip().encode("latin-1")
        return await self._braked(request, self._fits(shown) or self._is_pass(shown, request))

    async def check(self, request: Request) -> None:
        """Raise 401 without the token, and 403 for a page of another origin, allowed or not."""
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise HTTPException(403, "Only the server's own page may use this.")
        if not await self.admits(request):
            raise HTTPException(401, WRONG)

    def still_admits(self, request: Request) -> bool:
        """Whether one that was let in still would be: its session may have ended since."""
        session = _session(request)
        return self._token is None or not session or self._sessions.has(session)

    async def log_in(self, token: str, request: Request, response: Response) -> bool:
        """Begin a session, with its cookie on `response`, if the token fits."""
        if self._token is None or not await self._braked(request, self._fits(_bytes(token))):
            return False
        self._sessions.end(_session(request))
        response.set_cookie(
            _cookie(request),
            self._sessions.begin(),
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="strict",
        )
        return True

    def log_out(self, request: Request, response: Response) -> None:
        """End the session, here and in the browser."""
        self._sessions.end(_session(request))
        response.delete_cookie(_cookie(request), path="/", httponly=True, samesite="strict")

    async def _braked(self, request: Request, fits: bool) -> bool:
        """Whether the token fits, told in its turn."""
        address = request.client.host if request.client else ""
        await self._brake.turn(address)
        if fits:
            self._brake.was_right(address)
        return fits

    def _fits(self, token: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(self._token, _digest(token))

    def _is_pass(self, shown: bytes, request: Request) -> bool:
        server = request.scope.get("server")
        if self._passport is None or server is None:
            return False
        passport = self._passport(server)
        return passport is not None and hmac.compare_digest(passport.encode(), shown)


class _Sessions:
    """Those that are going on, by a digest of what their cookies hold; a restart ends all."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._ends_at: dict[bytes, float] = {}

    def begin(self) -> str:
        """What the cookie is to hold. The oldest session makes room."""
        if len(self._ends_at) >= MAX_SESSIONS:
            del self._ends_at[next(iter(self._ends_at))]
        cookie = secrets.token_urlsafe(32)
        self._ends_at[_digest(cookie.encode())] = self._wall() + SESSION_S
        return cookie

    def has(self, cookie: str) -> bool:
        # Looked up by a digest: how long that takes tells nothing of the cookies that there are.
        now = self._wall()
        ends_at = self._ends_at.get(_digest(cookie.encode()))
        return ends_at is not None and now < ends_at <= now + SESSION_S

    def end(self, cookie: str) -> None:
        self._ends_at.pop(_digest(cookie.encode()), None)


def _cookie(request: Request) -> str:
    """Its name: a browser sends the cookies of one port to all, so that two servers need two."""
    server = request.scope.get("server")
    return f"{COOKIE}_{server[1]}" if server else COOKIE


def _session(request: Request) -> str:
    return request.cookies.get(_cookie(request), "")


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", "surrogatepass")


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
