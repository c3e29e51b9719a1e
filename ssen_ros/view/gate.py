"""Who may talk to the view. On this machine alone, or with a token; and never a page of somebody else's.

A browser sends what any page tells it to, also to servers on this machine. So a page from elsewhere is turned
away by its Origin, and a name that was made to lead here (DNS rebinding) by the Host that it asks for.
"""

import hmac
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ssen_ros.errors import SsenError

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Of a host without its port: does it lead to this machine alone?"""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(host: str) -> None:
    """Raises SsenError where no server can listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError as error:
        raise SsenError(
            f"--host {host}: {error}; expected an address of this machine, such as 0.0.0.0 for all"
        ) from error


@dataclass(frozen=True)
class Verdict:
    """How a request is answered; without a status it is let through."""

    status: HTTPStatus | None = None
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()


LET_THROUGH = Verdict()


@dataclass(frozen=True)
class Gate:
    """What is asked of a request. `token` is asked for unless it is empty."""

    host: str  # that the server listens on
    token: str = ""

    def __post_init__(self):
        if not self.token and not is_loopback(self.host):
            raise SsenError(f"--host {self.host}: others could reach the view; expected a token with it")

    def judge(self, path: str, headers: dict[str, str]) -> Verdict:
        """`path` with its query; `headers` of the request by their names in lower case."""
        asked = headers.get("host", "")
        if is_loopback(self.host) and not is_loopback(urlsplit(f"//{asked}").hostname or ""):
            return _refusal(f"the view is for this machine alone, not for {asked[:80]!r}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != asked:
            return _refusal("this page is not the view's own")
        if not self.token:
            return LET_THROUGH
        name = f"ssen_view_{urlsplit(f'//{asked}').port or 80}"  # cookies know no ports
        if self._is_token(_cookie(headers.get("cookie", ""), name)):
            return LET_THROUGH
        query = parse_qs(urlsplit(path).query)
        if self._is_token(query.get("token", [""])[0]):
            cookie = f"{name}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            return Verdict(HTTPStatus.SEE_OTHER, "", (("Location", "/"), ("Set-Cookie", cookie)))
        return Verdict(
            HTTPStatus.UNAUTHORIZED, "open the address that `ssen view` has printed: it ends in ?token=...\n"
        )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _refusal(why: str) -> Verdict:
    return Verdict(HTTPStatus.FORBIDDEN, f"{why}\n")


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


class _Asked(logging.Filter):
    """Browsers open connections ahead, and close those that they do not need: that is nobody's error."""

    def filter(self, record: logging.LogRecord) -> bool:
        from websockets.exceptions import InvalidMessage

        return not (record.exc_info and isinstance(record.exc_info[1], InvalidMessage))


_ASKED = _Asked()


@contextmanager
def guarding(gate: Gate) -> Iterator[None]:
    """What is served by websockets from a server that is started in this block passes through the gate.

    viser (seen on 1.1.1) has no place for it: for as long as the block lasts, the function that it starts its
    server with is another. Raises SsenError where no server was started through it: it is not to be used.
    """
    import websockets.asyncio.server as library
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    logging.getLogger("websockets.server").addFilter(_ASKED)
    serve, guarded = library.serve, []

    def serve_guarded(*args: Any, process_request: Any = None, **options: Any) -> Any:
        def process(connection: Any, request: Any) -> Any:
            headers = {name.lower(): value for name, value in request.headers.raw_items()}
            verdict = gate.judge(request.path, headers)
            if verdict.status is None:
                return process_request(connection, request) if process_request else None
            body = verdict.text.encode()
            answer = Headers([*verdict.headers, ("Content-Length", str(len(body))), ("Connection", "close")])
            return Response(verdict.status.value, verdict.status.phrase, answer, body)

        guarded.append(True)
        return serve(*args, process_request=process, **options)

    library.serve = serve_guarded
    try:
        yield
    finally:
        library.serve = serve
    if not guarded:
        raise SsenError("this version of viser cannot be guarded: install viser 1.1")
