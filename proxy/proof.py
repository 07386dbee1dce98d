"""How a server and a command of the same user know each other, over a port that anybody may take.

Both read a secret from a file that is the user's alone. The server proves by it that it is the one
at just this address, before a command sends anything that matters: what another program passes on
to the real server, at another address, proves nothing. The command then shows a pass made of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from proxy import private_files
from proxy.settings import SettingsError, own_folder

NONCE_HEADER = "x-pointsman-nonce"
PROOF_HEADER = "x-pointsman-proof"
SECRET_BYTES = 32

Address = tuple[str, int]
_NONCE = re.compile(r"[0-9a-f]{32}")


class Identity:
    """The user's, for one side or the other. `folder` is where the secret is kept."""

    def __init__(self, folder: Callable[[], Path] = own_folder) -> None:
        self._folder = folder

    def proof(self, nonce: str, address: Address) -> str | None:
        """What answers `nonce` at `address`; None where it is none, or there is no secret."""
        return self._signed("server", nonce, address) if _NONCE.fullmatch(nonce) else None

    def passport(self, address: Address) -> str | None:
        """What a command of this user shows to the server at `address`."""
        return self._signed("command", "", address)

    def trouble(self) -> str | None:
        """Why this user's commands and servers cannot know each other, or None."""
        try:
            if private_files.check_file(self._folder() / "secret"):
                self._kept()
        except (OSError, SettingsError) as error:
            return str(error)
        return None

    def _signed(self, who: str, nonce: str, address: Address) -> str | None:
        secret = self._secret()
        if secret is None:
            return None
        host, port = address
        text = f"pointsman {who}\n{nonce}\n{host}\n{port}".encode()
        return hmac.new(secret, text, hashlib.sha256).hexdigest()

    def _secret(self) -> bytes | None:
        """The secret, made where there is none; None where none can be kept."""
        with contextlib.suppress(OSError, SettingsError):
            return self._kept()
        return None

    def _kept(self) -> bytes:
        path = self._folder() / "secret"
        if not private_files.check_file(path):
            _make(path)
        private_files.check_folder(path.parent)
        found = private_files.read(path, SECRET_BYTES)
        if len(found) != SECRET_BYTES:
            raise private_files.NotPrivateError(f"{path} holds no secret: remove it")
        return found


def _make(path: Path) -> None:
    """Whole or not at all: another process may do the same at this moment."""
    private_files.make_folder(path.parent)
    draft = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    descriptor = private_files.create(draft)
    try:
        os.write(descriptor, secrets.token_bytes(SECRET_BYTES))
    finally:
        os.close(descriptor)
    draft.replace(path)
