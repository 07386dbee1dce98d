"""Who may use the admin page and its API.

Where only this machine can ask, the server's guard is enough: it refuses other sites' pages. Else
the token must be shown, by a header or by the cookie that the page's form sets.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "pointsman_admin"
COOKIE_AGE_S = 30 * 86_400


def admin_token(configured: SecretStr, *, is_published: bool) -> SecretStr | None:
    """The token that must be shown, made anew where one is needed and none is set; or None."""
    if configured.get_secret_value():
        return configured
    return SecretStr(secrets.token_urlsafe(32)) if is_published else None


class Gate:
    """Lets in who shows the token; everyone, if there is none."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = None if token is None else _digest(_bytes(token.get_secret_value()))

    def admits(self, request: Request) -> bool:
        """Whether this request may look and change."""
        if self._token is None:
            return True
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._fits(bearer.strip().encode("latin-1")):
            return True
        return hmac.compare_digest(
            request.cookies.get(COOKIE, "").encode(), self._session().encode()
        )

    def check(self, request: Request) -> None:
        """Raise 401 without the token, and 403 for a page of another origin, allowed or not."""
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise HTTPException(403, "Only the server's own page may use this.")
        if not self.admits(request):
            raise HTTPException(401, "The admin token is missing or wrong.")

    def log_in(self, token: str, response: Response) -> bool:
        """Set the cookie on `response` if the token fits. The cookie does not hold the token."""
        if self._fits(_bytes(token)):
            response.set_cookie(
                COOKIE,
                self._session(),
                max_age=COOKIE_AGE_S,
                path="/",
                httponly=True,
                samesite="strict",
            )
            return True
        return False

    def _fits(self, token: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(self._token, _digest(token))

    def _session(self) -> str:
        return hmac.new(self._token or b"", b"admin session", hashlib.sha256).hexdigest()


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", "surrogatepass")


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
