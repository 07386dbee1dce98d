"""What servers tell each other: setbacks, gone models, stays, signatures, choices, ended sessions.

Each is told as the state that it has come to, so that it does no harm to hear it twice or late.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import msgspec

from adapters.memory import LruMemory
from proxy.limits.circuit import Setback
from proxy.limits.health import Health, Place
from proxy.limits.retired import Gone, Retired
from proxy.routing.planning.sessions import Sessions, Stay

MAX_SIGNATURE = 64 * 1024
MAX_WAITING = 1024
"""So much is kept for later while Valkey is away; the oldest is given up."""
Told = dict[str, Any]


class News:
    """`chosen` is called when the owner has chosen again at another server, `ended` with a session
    of the admin page that was ended there.
    """

    def __init__(
        self,
        health: Health,
        retired: Retired,
        sessions: Sessions,
        memory: LruMemory,
        chosen: Callable[[], None],
    ) -> None:
        self._health = health
        self._retired = retired
        self._sessions = sessions
        self._memory = memory
        self._chosen = chosen
        self._setbacks: dict[Place, tuple[int, bool]] = {}
        self._gone: set[Gone] = set()
        self._waiting: deque[Told] = deque(maxlen=MAX_WAITING)
        self.ended: Callable[[str], None] = lambda session: None
        memory.tell = self._signed
        sessions.tell = self._stayed

    def join(self) -> None:
        self._waiting.append({"of": "joined"})

    def choose(self) -> None:
        """The owner has chosen again here."""
        self._waiting.append({"of": "choice"})

    def log_out(self, session: str) -> None:
        """A session of the admin page was ended here."""
        self._waiting.append({"of": "logged out", "session": session})

    def fresh(self) -> Iterator[Told]:
        """What is new; each counts as sent when the next is asked for, and else is new still."""
        while self._waiting:
            yield self._waiting[0]
            self._waiting.popleft()
        yield from self._fresh_setbacks()
        gone = set(self._retired.gone())
        for one in gone - self._gone:
            yield {"of": "gone", **msgspec.to_builtins(one)}
        for one in self._gone - gone:
            yield {"of": "back", "provider": one.provider, "model": one.model}
        self._gone = gone

    def heard(self, news: Told, age_s: float) -> None:
        """Take over what another server said so long ago; what cannot be read is passed over."""
        try:
            self._take_over(news, age_s)
        except (KeyError, TypeError, ValueError, msgspec.MsgspecError):
            return

    def _fresh_setbacks(self) -> Iterator[Told]:
        found = self._health.setbacks()
        for key, (epoch, setback) in found.items():
            was = self._setbacks.get(key, (0, False))
            is_new = setback is not None and was != (epoch, True)
            is_back = setback is None and was[1] and self._health.is_well(key)
            if is_new or is_back:
                yield {"of": "setback", "at": key, "setback": setback and asdict(setback)}
                self._setbacks[key] = epoch, setback is not None
        for key in self._setbacks.keys() - found.keys():
            del self._setbacks[key]

    def _take_over(self, news: Told, age_s: float) -> None:
        match news["of"]:
            case "choice":
                self._chosen()
            case "logged out":
                self.ended(str(news["session"]))
            case "setback":
                self._set_back(news, age_s)
            case "gone":
                gone = msgspec.convert(news, Gone)
                self._retired.restore([gone])
                self._gone = set(self._retired.gone())
            case "back":
                self._retired.answered(str(news["provider"]), str(news["model"]))
                self._gone = set(self._retired.gone())
            case "signature":
                self._memory.fill({str(news["key"]): str(news["value"])})
            case "stay":
                talk = base64.b64decode(news["talk"])
                stay = news["stay"] and msgspec.convert(news["stay"], Stay)
                self._sessions.heard(talk, stay or None)

    def _set_back(self, news: Told, age_s: float) -> None:
        place = msgspec.convert(news["at"], Place)
        setback = msgspec.convert(news["setback"], Setback | None)
        if setback is not None:
            setback = replace(setback, for_s=setback.for_s - age_s)
            if setback.for_s <= 0:
                return
        epoch = self._health.take_over(place, setback)
        self._setbacks[place] = epoch, setback is not None

    def _signed(self, key: str, value: str) -> None:
        if len(value) <= MAX_SIGNATURE:
            self._waiting.append({"of": "signature", "key": key, "value": value})

    def _stayed(self, talk: bytes, stay: Stay | None) -> None:
        told = base64.b64encode(talk).decode()
        self._waiting.append({"of": "stay", "talk": told, "stay": msgspec.to_builtins(stay)})
