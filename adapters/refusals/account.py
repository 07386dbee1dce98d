"""Whether a refusal is of the account: its place, plan, spending or address. Pure.

Such a refusal is neither the request's fault nor the key's: another provider answers, and this one
does again once its owner has seen to it. Codes tell it best; words only where there are none.
"""

from __future__ import annotations

import re

from adapters.errors import AdapterError, ErrorKind, Scope

BARRING_STATUS = frozenset({402, 403, 451})
"""No request is at fault by these; which of key and account is, the words say."""
CLEAR_STATUS = frozenset({400, 401, 404, 408, 410, 413, 422, 429})
MAX_QUOTED_CHARS = 400

_CODE = re.compile(
    r"(blocked|organi[sz]ation|account|project|billing|payment|spend|credit|region|country"
    r"|location|unsupported_country|subscription|insufficient_(credit|balance|fund))[a-z_]*"
    r"|arrearage|budget_exceeded|insufficient_(user_)?quota|pre_consume_token_quota_failed"
    r"|consumer_suspended|setlimitexceeded"
    r"|api_key_(ip_address|http_referrer)_blocked|user_location[a-z_]*"
)
_PLAIN = re.compile(
    r"\b(spend(ing)?|billing|budget) (cap|limit)|\bspend(ing)?[- ]limit"
    r"|\bkey limit exceeded|\b(package|plan) has expired|\binactive subscription\b"
    r"|\bpublic access is disabled|\bplease bind your\b.{0,30}\baccount\b"
    r"|\b(credits?|balance|pre-?payments?)\b.{0,40}\b(deplete|exhaust|used up|too low|insufficient)"
    r"|\bbudget (has been )?exceeded|\b(exceeded|crossed) budget"
    r"|\binsufficient (credit|balance|fund)|\bportkey error: usage limits exceeded"
    r"|余额不足|额度不足|额度已用尽|欠费|资源包已用尽"
    r"|\b(organi[sz]ation|project|(account|consumer)\b.{0,40}) (has been|was|is) "
    r"(restricted|suspended|blocked|disabled|deactivated|denied)"
    r"|\bunsupported (location|countr(y|ies)|region)s?\b"
    r"|\b(location|country|region|territory)\b.{0,40}\bnot (supported|available|allowed)"
    r"|\bnot (supported|available|allowed) in your (location|country|region|territory)"
    r"|\bmember of an organi[sz]ation",
    re.IGNORECASE,
)
_LIKELY = re.compile(
    r"\borgani[sz]ation|\baccount\b|\bbilling|\bpayment|\bspend|\bprepa|\bcredits?\b|\bbalance\b"
    r"|\bsubscri|\bplan\b|\bpaid (tier|plan|user)|\bupgrade\b|\blocation|\bcountr(y|ies)\b"
    r"|\bregion|\bterritor|\bnetwork\b|\bip\b"
    r"|\bvpn\b|\brestricted\b|\bsuspended\b|\bblocked\b|\bdenied access\b"
    r"|\bterms (of|and)\b|\bverif(y|ied|ication)\b|^\W*forbidden\W*$|\brequest not allowed\b",
    re.IGNORECASE,
)
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,400})", re.IGNORECASE)
_PAGE = re.compile(rb"\s*(<[!?a-z]|error code: \d)", re.IGNORECASE)
"""How markup begins, or the line that stands for it where no browser asks."""


def is_of_account(status: int | None, code: str, message: str) -> bool:
    """Whether a refusal with this code and text is one of the account."""
    if status == 402 or _CODE.fullmatch(code.lower()) or _PLAIN.search(message):
        return True
    return status in BARRING_STATUS and _LIKELY.search(message) is not None


def page_title(content: bytes) -> str | None:
    """What a web page says of itself that came in an API's place; None if it is no page.

    It is of a network between, and says nothing of the key; what it shows is not for a client.
    """
    if not _PAGE.match(content):
        return None
    found = _TITLE.search(content[:20_000])
    return _shown(found[1].decode("utf-8", "replace")) if found else ""


def kind_of_page(status: int) -> ErrorKind | None:
    """What a web page of this status means; None where the status says it, whoever speaks."""
    if status in BARRING_STATUS:
        return ErrorKind.ACCOUNT
    return ErrorKind.BAD_RESPONSE if 400 <= status < 500 and status not in CLEAR_STATUS else None


def page_refusal(provider: str, status: int, content: bytes) -> AdapterError | None:
    """The error that a web page in place of an answer means; None if it is no page."""
    kind = kind_of_page(status)
    if kind is None or (title := page_title(content)) is None:
        return None
    return AdapterError(
        kind,
        told(status, "", title),
        provider=provider,
        status=status,
        scope=Scope.PROVIDER,
    )


def quoted(message: str, secret: str | None = None) -> str:
    """What a provider says, on one line, without the key and not too long."""
    return _shown(message.replace(secret, "***") if secret else message)


def told(status: int, message: str, title: str | None) -> str:
    """What a client is told: the provider's own words, or whose page came in their place."""
    if title is not None:
        named = f": {title}" if title else ""
        return f"a web page came in place of the API's answer (status {status}){named}"
    return f"the account was refused: {message}" if message else f"status {status} without a reason"


def _shown(text: str) -> str:
    return " ".join(text.split())[:MAX_QUOTED_CHARS]
