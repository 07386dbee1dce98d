"""Who asks AWS: found by botocore in the places where its tools look, and renewed by it.

That reads files, runs commands and asks the network, so it is done in a thread, never longer waited
for than `LONGEST_S`. botocore reads AWS's own variables by itself, since which of them count is its
matter: a profile, a role with a token in a file, a container's or an instance's own role.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from adapters.bedrock.settings import KIND, BedrockSettings
from adapters.errors import AdapterError, ErrorKind, Scope, unsent

LONGEST_S = 15.0
RENEWED_S = 60.0
"""How long to wait before another try to renew what is good for some minutes more."""
LAST_MINUTES_S = 10 * 60
CONNECT_S, READ_S = 3, 10


class Identity(NamedTuple):
    """Keys to sign with, and the region if any file names one."""

    keys: Any
    region: str


class Credentials:
    """What botocore has found, one search at a time; `identity` is the newest that is good."""

    def __init__(self, settings: BedrockSettings) -> None:
        self._settings = settings
        self._found: Any = None  # botocore's, which know how to renew themselves
        self._identity: Identity | None = None
        self._search: asyncio.Future[Identity] | None = None
        self._searched_at = 0.0

    async def identity(self) -> Identity:
        known = self._identity
        if known is None or self._expires_within(LAST_MINUTES_S):
            return await self._awaited()
        if self._expires_within(None) and self._now() > self._searched_at + RENEWED_S:
            self._searching()
        return known

    def forget(self) -> None:
        """Look again, as AWS has refused what was found: somebody may have logged in again."""
        self._found = self._identity = None

    def _expires_within(self, seconds: float | None) -> bool:
        needed = getattr(self._found, "refresh_needed", None)
        return bool(needed and needed(seconds))

    async def _awaited(self) -> Identity:
        try:
            async with asyncio.timeout(LONGEST_S):
                return await asyncio.shield(self._searching())
        except TimeoutError:
            message = "to find AWS credentials took too long"
            raise _failure(ErrorKind.TIMEOUT_CONNECT, message, Scope.PROVIDER) from None

    def _searching(self) -> asyncio.Future[Identity]:
        """The search that is under way, or a new one."""
        if self._search is None:
            self._searched_at = self._now()
            self._search = in_thread(self._look)
            self._search.add_done_callback(self._ended)
        return self._search

    def _ended(self, search: asyncio.Future[Identity]) -> None:
        self._search = None
        if not search.cancelled() and search.exception() is None:
            self._identity = search.result()

    def _look(self) -> Identity:
        """In a thread. Raises AdapterError."""
        try:
            return self._looked()
        except ImportError:
            message = "botocore is not there: install pointsman with its extra `bedrock`"
            raise _failure(ErrorKind.AUTH, message, Scope.KEY) from None
        except Exception as error:
            raise adapter_error(error) from error

    def _looked(self) -> Identity:
        from botocore.auth import SigV4Auth  # noqa: F401 - loaded here, for the loop
        from botocore.config import Config
        from botocore.session import Session

        session = Session(profile=self._settings.aws_profile or None)
        session.set_default_client_config(
            Config(
                connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": 2}
            )
        )
        region = self._settings.region or session.get_config_variable("region") or ""
        secret = self._settings.secret_access_key
        if secret and not self._settings.aws_profile:
            token = self._settings.session_token
            session.set_credentials(
                self._settings.access_key_id,
                secret.get_secret_value(),
                token.get_secret_value() if token else None,
            )
        found = self._found or session.get_credentials()
        if found is None:
            message = (
                "there are no AWS credentials: set BEDROCK_API_KEY, or log in as AWS's tools do"
            )
            raise _failure(ErrorKind.AUTH, message, Scope.KEY)
        keys = found.get_frozen_credentials()
        self._found = found
        return Identity(keys, region)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def in_thread(work: Callable[[], Identity]) -> asyncio.Future[Identity]:
    """What `work` gives, done in a thread that keeps no process from its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Identity] = loop.create_future()

    def tell(result: Identity | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        elif result is not None:
            done.set_result(result)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="aws-credentials", daemon=True).start()
    return done


_LOGINS = frozenset({"SSOError", "TokenRetrievalError", "SSOTokenLoadError", "LoginError"})
_NETWORK = frozenset({"HTTPClientError"})
_TIMES = frozenset({"ConnectTimeoutError", "ReadTimeoutError"})


def adapter_error(error: BaseException) -> AdapterError:
    """What an exception of botocore means, by the names of its classes; no word of its own is told:
    it may hold an account's number or a file's content.
    """
    if isinstance(error, AdapterError):
        return error
    names = {one.__name__ for one in type(error).__mro__}
    shown = type(error).__name__
    if names & _TIMES:
        message = "no answer of AWS in time while credentials were looked for"
        return _failure(ErrorKind.TIMEOUT_CONNECT, message, Scope.PROVIDER)
    if names & _NETWORK:
        message = "cannot reach AWS to find credentials"
        return _failure(ErrorKind.NETWORK, message, Scope.PROVIDER)
    if names & _LOGINS or "ClientError" in names or "Refresh" in shown:
        message = f"the login to AWS is over: log in anew ({shown})"
        return _failure(ErrorKind.ACCOUNT, message, Scope.PROVIDER)
    message = f"the AWS credentials cannot be used ({shown}); check the AWS configuration"
    return _failure(ErrorKind.AUTH, message, Scope.KEY)


def _failure(kind: ErrorKind, message: str, scope: Scope) -> AdapterError:
    return unsent(KIND, kind, message, scope=scope)
