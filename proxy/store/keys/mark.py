"""Says beside the database that keys were made: who cannot read it then lets nobody in.

Without that a database that is away when the server starts would open the doors to all.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from proxy import private_files
from proxy.settings import SettingsError, own_folder
from proxy.store.base import sqlite_path

log = logging.getLogger("pointsman.store")

SUFFIX = ".keys"


class Mark:
    """An empty file: beside that of SQLite, or in the user's folder where a server has the data."""

    def __init__(self, url: str) -> None:
        self._beside = sqlite_path(url)
        self._digest = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()

    def __str__(self) -> str:
        return str(self._path())

    def is_there(self) -> bool:
        """Whether keys were ever made, as far as this machine knows."""
        try:
            return self._path().exists()
        except (OSError, SettingsError):
            return False

    def leave(self) -> None:
        """Keys are made. A folder that cannot be written to is logged, and no more."""
        if self.is_there():
            return
        try:
            path = self._path()
            private_files.make_folder(path.parent)
            os.close(private_files.create(path))
        except FileExistsError:
            return
        except (OSError, SettingsError) as error:
            log.warning("%s: should the database be away at a start, no key is asked for", error)

    def _path(self) -> Path:
        if self._beside is None:
            return own_folder() / f"{self._digest}{SUFFIX}"
        return self._beside.with_name(self._beside.name + SUFFIX)
