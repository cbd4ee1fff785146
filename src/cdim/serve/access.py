"""Who may do what: tokens, and the names the server is called by.

By a name of this machine, on a loopback address, everybody may read, and changes need the token. By
any other address or name everything needs it, but the page's own files and the two health checks.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cdim.errors import UsageError
from cdim.serve.failures import Refused, answer

_READS = {"GET", "HEAD", "OPTIONS"}
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*))(?::\d*)?")
_PLAIN = re.compile(r"[a-z0-9._-]+")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Access:
    """The rule.

    Args:
        token: what may change the gallery.
        host: the address that is bound.
        public: paths that never need the token.
        names: names that the server answers to as well, such as that of a proxy.
    """

    token: str = field(repr=False)
    host: str = "127.0.0.1"
    public: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    @classmethod
    def build(
        cls, host: str, token: str | None, public: frozenset[str], names: Iterable[str] = ()
    ) -> Access:
        """The rule for an address; on a loopback one, a missing token is made.

        Raises:
            UsageError: no token for an address that others reach, or one that no header can hold;
                a name with a port, a path or a scheme.
        """
        allowed = frozenset(name.lower() for name in names)
        for name in allowed:
            if not _PLAIN.fullmatch(name):
                raise UsageError(
                    f"the host {name!r}",
                    "it is a name alone, without scheme, port and path",
                    "name it as in photos.example",
                    argument="allow_host",
                )
        if token is None:
            if not is_loopback(host):
                raise UsageError(
                    f"the address {host} without a token",
                    "an address that other machines reach is served with a token only",
                    "set CDIM_TOKEN, for example to the output of `openssl rand -hex 16`",
                )
            token = secrets.token_urlsafe(24)
        if not token or any(not "!" <= letter <= "~" for letter in token):
            raise UsageError(
                "a token that is empty or has other letters than ASCII's visible ones",
                "it is sent in a header",
                "take the output of `openssl rand -hex 16`",
            )
        return cls(token, host, public, allowed)

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request brings the token."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self.token.encode())
        return same and kind.lower() == "bearer"

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Lets a request pass.

        Raises:
            Refused: 403 for a foreign name of this machine, 401 without the token it needs.
        """
        local = is_loopback(self.host)
        name, own = _name(headers.get("host", "")), _LOOPBACK | {self.host.lower()}
        # A foreign site may point its own name at 127.0.0.1: its pages would then read ours.
        if (local or self.names) and name not in own | self.names:
            raise Refused(
                403,
                "host",
                f"the host {headers.get('host', '')[:80]!r}",
                f"this server answers to {', '.join(sorted(own | self.names))}",
                "use the address that the server printed at its start, or allow the host there",
            )
        reads = method in _READS or (method, path) == ("POST", "/v1/search")
        if reads and ((local and name in own) or path in self.public):
            return
        if not self.knows(headers):
            given = "a wrong token" if "authorization" in headers else "no token"
            raise Refused(
                401,
                "token",
                f"{method} {path} with {given}",
                "it needs the header `Authorization: Bearer TOKEN`",
                "open the address that the server printed at its start, or send the token",
            )


class Guard:
    """Checks every request by a rule before anything else sees it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks, then hands on."""
        if scope["type"] == "http":
            try:
                self._access.check(scope["method"], scope["path"], Headers(scope=scope))
            except Refused as refused:
                await answer(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", "a.org")]
    [True, True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets; "" where it is not well formed."""
    parts = _HOST.fullmatch(host)
    return "" if parts is None else (parts[1] or parts[2]).lower()
