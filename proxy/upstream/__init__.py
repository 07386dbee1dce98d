"""An HTTP/1.1 transport for httpx over asyncio and httptools: strict, pooled in O(1), and cheap.

pool.py        which connection a request gets, and who waits
names.py       a host becomes addresses
dial.py        a host becomes a connected, verified stream
connection.py  one socket: bytes in, bytes out, one deadline
exchange.py    one request and its response, parsed; the response's body as a stream
outgoing.py    the request's bytes (pure)
"""

from proxy.upstream.transport import Transport

__all__ = ["Transport"]
