"""The headers by which AWS knows who asks: a bearer's key, or a signature of the whole request."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from adapters.bedrock.credentials import Credentials
from adapters.bedrock.settings import KIND, BedrockSettings
from adapters.errors import AdapterError, ErrorKind, Scope, unsent
from adapters.upstream import Content, Reply, Target, Upstream, raw_headers

SERVICE = "bedrock"


class Signer:
    """Signs requests: by one of Bedrock's API keys, else by version 4, as botocore makes it.

    `fixed` is what is the same for each request.
    """

    def __init__(self, settings: BedrockSettings) -> None:
        key = settings.secret
        self.fixed: Mapping[str, str] = {"authorization": f"Bearer {key}"} if key else {}
        self._credentials = None if key else Credentials(settings)
        self._region = settings.region
        self._variable = settings.variable("region")

    async def region(self) -> str:
        """Where requests go. Raises AdapterError."""
        if self._credentials is None:
            return self._region or _no_region(self._variable)
        return (await self._credentials.identity()).region or _no_region(self._variable)

    async def signed(self, method: str, url: httpx.URL, content: bytes) -> Mapping[str, str]:
        """What the request needs to be let in. Raises AdapterError."""
        if self._credentials is None:
            return self.fixed
        identity = await self._credentials.identity()
        # The search for credentials has loaded these, in its thread.
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        headers = {"content-type": "application/json"} if content else {}
        request = AWSRequest(method, str(url), headers=headers, data=content)
        region = identity.region or _no_region(self._variable)
        SigV4Auth(identity.keys, SERVICE, region).add_auth(request)
        return dict(request.headers.items())

    def refused(self) -> None:
        """AWS has refused whom it knows."""
        if self._credentials is not None:
            self._credentials.forget()


class SignedTarget:
    """Where one operation of one model is asked; what has to be is signed with each call.

    Raises what httpx raises, or ValueError, where no request can be made of key and address.
    """

    def __init__(
        self, upstream: Upstream, url: httpx.URL, signer: Signer, timeouts: Mapping[str, float]
    ) -> None:
        self.url = url
        self._upstream = upstream
        self._signer = signer
        self._timeouts = timeouts
        self._fixed = self._with(signer.fixed)

    async def post(self, content: Content) -> Reply:
        """Raises what httpx raises, and AdapterError."""
        if self._signer.fixed:
            return await self._fixed.post(content)
        content = content if isinstance(content, bytes) else b"".join(content)
        signed = await self._signer.signed("POST", self.url, content)
        try:
            target = self._with(signed)
        except ValueError:
            message = "the AWS credentials hold what no header can"
            raise _unusable(message) from None
        return await target.post(content)

    def _with(self, headers: Mapping[str, str]) -> Target:
        host = self.url.netloc.decode("ascii")
        raw = raw_headers({"user-agent": "pointsman", **headers}, host=host)
        return self._upstream.target(self.url, raw, self._timeouts)


def _no_region(variable: str) -> str:
    raise _unusable(f"{variable} is not set, and no configuration of AWS names a region")


def _unusable(message: str) -> AdapterError:
    return unsent(KIND, ErrorKind.AUTH, message, scope=Scope.KEY)
