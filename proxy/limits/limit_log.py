"""What the log says of limits: what is used at each call, what is left, what is waited for."""

from __future__ import annotations

import logging

from adapters.base import RateLimits
from proxy.limits.ticket import Ticket, Wait
from proxy.limits.windows import DAY_S, Gauge

log = logging.getLogger("pointsman.limits")


def log_use(ticket: Ticket) -> None:
    """How full our own limits are, with this call in them."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    used = [_used(gauge) for gauge in ticket.gauges() if not gauge.name.endswith("as reported")]
    if used:
        log.debug("[limiter] %s %s", ticket.candidate.provider, ", ".join(used))


def log_left(provider: str, limits: RateLimits) -> None:
    """What the provider says that is left of its day, or of the minute."""
    if log.isEnabledFor(logging.DEBUG) and limits.remaining_requests is not None:
        left, limit = limits.remaining_requests, limits.limit_requests or "?"
        span = "today" if limits.requests_s == DAY_S else "this minute"
        log.debug("[%s] %d/%s requests left %s", provider, left, limit, span)


def log_wait(wait: Wait, wait_s: float) -> None:
    used = _used(wait.gauge) if wait.gauge else wait.why
    log.info("[limiter] %s %s, waiting %.1f s", wait.candidate.provider, used, wait_s)


def _used(gauge: Gauge) -> str:
    what = "" if gauge.name == "requests a minute" else f" {gauge.name}"
    return f"{gauge.used}/{gauge.limit}{what} used"
