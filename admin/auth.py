"""Who may use the admin page and its API.

Where only this machine can ask and no client needs a key, the server's guard is enough: it refuses
other sites' pages. Else the token must be shown, by a header or by the cookie of a session that the
page's form began; or the pass of a command that the server's own user runs.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from admin.brake import Brake
from proxy.cluster.logins import SharedSessions
from proxy.gate.keys import digest
from proxy.store.keys import team_keys
from proxy.store.keys.team_keys import TeamKey, TeamKeys

COOKIE = "pointsman_admin"
SESSION_S = 12 * 3600
MAX_SESSIONS = 100
WRONG = "The admin token is missing or wrong."

MEMBER = "Only an owner may look at this or change it."


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who has shown who they are: by a key of this name, or by the token."""

    name: str | None = None
    is_owner: bool = True


OWNER = Who()


Passport = Callable[[tuple[str, int]], str | None]


def admin_token(configured: SecretStr, *, is_published: bool) -> SecretStr | None:
    """The token that must be shown, made up where one is needed and none is set; or None."""
    if configured.get_secret_value():
        return configured
    return SecretStr(secrets.token_urlsafe(32)) if is_published else None


class Gate:
    """Lets in who shows the token or one of the `keys`; all, where neither is there. One for all.

    A key that is no owner's leads to what is its own alone. `passport` tells what a command of the
    server's own user shows to the server at an address.
    """

    def __init__(
        self,
        token: SecretStr | None,
        *,
        passport: Passport | None = None,
        keys: TeamKeys | None = None,
        shared: SharedSessions | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._token = None if token is None else digest(_bytes(token.get_secret_value()))
        self._passport = passport
        self._keys = keys
        self._brake = Brake(clock, sleep)
        self._sessions = _Sessions(wall)
        self._shared = shared
        if shared is not None:
            shared.when_ended(self._sessions.forget)

    @property
    def is_open(self) -> bool:
        """Whether being on this machine is enough."""
        return self._token is None and not (self._keys and self._keys.has_owner)

    async def who(self, request: Request) -> Who | None:
        """Who asks, None if that is not shown. Raises 429 where too many were wrong."""
        if self.is_open:
            return OWNER
        session = await self._in_session(request)
        if session and session.is_owner:
            return session
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return session
        shown = bearer.strip().encode("latin-1")
        if self._is_pass(shown, request):
            return OWNER
        return (await self._shown(shown, request))[0] or session

    async def check(self, request: Request, *, members: bool = False) -> None:
        """Raise 401 without the token, and 403 for a page of another origin, allowed or not.

        Where `members` may not, 403 for them as well.
        """
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise HTTPException(403, "Only the server's own page may use this.")
        who = await self.who(request)
        if who is None:
            raise HTTPException(401, WRONG)
        if not (who.is_owner or members):
            raise HTTPException(403, MEMBER)

    def still_admits(self, request: Request) -> bool:
        """Whether one that was let in still would be: its session may have ended since."""
        if self.is_open or not _session(request):
            return True
        who = self._of_session(request)
        return who is not None and who.is_owner

    async def log_in(self, token: str, request: Request, response: Response) -> bool:
        """Begin a session, with its cookie on `response`, if the token or a key fits."""
        found, key = (None, "") if self.is_open else await self._shown(_bytes(token), request)
        if found is None:
            return False
        await self._end(_session(request))
        cookie = secrets.token_urlsafe(32)
        self._sessions.begin(_digested(cookie), key, SESSION_S)
        if self._shared is not None:
            await self._shared.begin(_digested(cookie), key, SESSION_S)
        response.set_cookie(
            _cookie(request),
            cookie,
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.headers.get("origin", "").startswith("https://"),
        )
        return True

    async def log_out(self, request: Request, response: Response) -> None:
        await self._end(_session(request))
        response.delete_cookie(_cookie(request), path="/", httponly=True, samesite="strict")

    async def _in_session(self, request: Request) -> Who | None:
        """Who has begun the session, here or at another server."""
        session = _session(request)
        is_known = not session or self._sessions.key_of(session) is not None
        if not is_known and self._shared and (found := await self._shared.find(session)):
            self._sessions.begin(session, *found)
        return self._of_session(request)

    async def _end(self, session: str) -> None:
        is_one = self._sessions.key_of(session) is not None
        self._sessions.forget(session)
        if self._shared is not None and is_one:
            await self._shared.end(session)

    def _of_session(self, request: Request) -> Who | None:
        key = self._sessions.key_of(_session(request))
        return (
            _who(self._keys.by_digest(key)) if key and self._keys else OWNER if key == "" else None
        )

    async def _shown(self, shown: bytes, request: Request) -> tuple[Who | None, str]:
        """Who shows a token or key, and the digest of the key. Raises 429 as `who` does.

        A token may be one that can be guessed: it is answered in its turn. A key that was made here
        is none, so that nobody's guesses lock out who has one.
        """
        if self._keys and (key := self._keys.of(shown)):
            return _who(key), key.digest
        address = request.client.host if request.client else ""
        await self._brake.turn(address)
        if not self._fits(shown):
            return None, ""
        self._brake.was_right(address)
        return OWNER, ""

    def _fits(self, token: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(self._token, digest(token))

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
        self._going: dict[str, tuple[float, str]] = {}

    def begin(self, session: str, key: str, for_s: float) -> None:
        """`key` is the digest of the key that was shown, or empty. The oldest makes room."""
        if len(self._going) >= MAX_SESSIONS:
            del self._going[next(iter(self._going))]
        self._going[session] = self._wall() + for_s, key

    def key_of(self, session: str) -> str | None:
        """The key by which it began, None where there is no such session."""
        # Looked up by a digest: how long that takes tells nothing of the cookies that there are.
        now = self._wall()
        ends_at, key = self._going.get(session, (now, ""))
        return key if now < ends_at <= now + SESSION_S else None

    def forget(self, session: str) -> None:
        self._going.pop(session, None)


def _who(key: TeamKey | None) -> Who | None:
    return Who(key.name, key.role == team_keys.OWNER) if key else None


def _cookie(request: Request) -> str:
    """Its name: a browser sends the cookies of one port to all, so that two servers need two.

    The port is the one that the browser knows, which may be that of a balancer.
    """
    server = request.scope.get("server")
    host = request.headers.get("host", "")
    port = host.rpartition(":")[2]
    if not (port.isascii() and port.isdecimal()):
        port = str(server[1]) if server and not host else "80"
    return f"{COOKIE}_{port}"


def _session(request: Request) -> str:
    """The digest of the cookie that the request shows, or nothing."""
    cookie = request.cookies.get(_cookie(request), "")
    return _digested(cookie) if cookie else ""


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", "surrogatepass")


def _digested(cookie: str) -> str:
    return digest(_bytes(cookie)).hex()
