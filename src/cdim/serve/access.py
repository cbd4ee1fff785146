"""Who may do what: tokens, and the names the server is called by.

By a name of this machine, on a loopback address, everybody may read, and changes need the token. By
any other address or name everything needs it, but the page's own files and the two health checks.
Pages of other sites may send nothing. Wrong tokens are answered slowly.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cdim.errors import UsageError, plural
from cdim.serve.failures import Refused, answer

_READS = {"GET", "HEAD", "OPTIONS"}
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*))(?::\d*)?")
_PLAIN = re.compile(r"[a-z0-9._-]+")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_LEAST = 16  # letters of a token
_FREE, _WINDOW = 5, 60  # wrong tokens of an address in so many seconds that are answered at once
_PENALTY = 1  # seconds that the answer to each further one waits
_MOST_WAITING, _MOST_ADDRESSES = 64, 10_000


@dataclass(frozen=True)
class Access:
    """The rule."""

    token: str = field(repr=False)  # what may change the gallery
    host: str = "127.0.0.1"  # the address that is bound
    public: frozenset[str] = frozenset()  # paths that never need the token
    # names that the server answers to as well, such as that of a proxy
    names: frozenset[str] = frozenset()

    @classmethod
    def build(
        cls, host: str, token: str | None, public: frozenset[str], names: Iterable[str] = ()
    ) -> Access:
        """The rule for an address; on a loopback one, a missing token is made.

        Raises:
            UsageError: no token for an address that others reach, one that no header can hold, or
                one that can be guessed; a name with a port, a path or a scheme.
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
        if len(token) < _LEAST:
            raise UsageError(
                f"a token of {plural(len(token), 'letter')}",
                f"it has at least {_LEAST}, so that nobody guesses it",
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
            Refused: 403 for a foreign name of this machine, and for what a page of another site
                sends; 401 without the token it needs.
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
        self._check_origin(method, headers)
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

    def _check_origin(self, method: str, headers: Mapping[str, str]) -> None:
        """Refuses with 403 what a page of another site sends: it may not search or change."""
        site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
        authority = origin.partition("://")[2]
        # Old browsers, and those of an address without TLS, send the origin alone.
        own = site in ("same-origin", "none") if site else authority == headers.get("host", "")
        if method in _READS or own or not (site or origin) or _name(authority) in self.names:
            return
        raise Refused(
            403,
            "origin",
            f"a page of {origin[:80]!r} that sends {method}",
            "only pages of this server search and change",
            "use this server's own page, or allow the host of the other page at the server's start",
        )


class Guard:
    """Checks every request by a rule before anything else sees it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks, then hands on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            try:
                self._access.check(scope["method"], scope["path"], headers)
            except Refused as refused:
                if refused.status == 401 and "authorization" in headers:
                    refused = await self._slowed((scope.get("client") or ("",))[0], refused)
                await answer(refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _slowed(self, address: str, refused: Refused) -> Refused:
        """The refusal of a wrong token; later, and another one, after several of its address.

        A right token is never delayed: many clients may share the address of a proxy.
        """
        now = time.monotonic()
        seen, since = self._wrong.pop(address, (0, now))
        seen, since = (seen + 1, since) if now - since < _WINDOW else (1, now)
        self._wrong[address] = seen, since
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        if seen <= _FREE:
            return refused
        if self._waiting < _MOST_WAITING:
            self._waiting += 1
            try:
                await asyncio.sleep(_PENALTY)
            finally:
                self._waiting -= 1
        return Refused(
            429,
            "wrong-tokens",
            f"{seen} wrong tokens from one address within {_WINDOW} seconds",
            f"{_FREE} are answered at once",
            "send the right token, which is never delayed",
        )


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
