"""The routes that connect an account: by a person's consent, or by credentials right away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..domain.connection import Connection, choices_view, connection_view
from ..domain.errors import Problem
from ..domain.view import profile_view
from . import once, profiles
from .answers import Answer
from .request import Request

PRIVATE_PAGE = {"Referrer-Policy": "no-referrer"}
"""The callback's address holds the code and the state: no page behind it shall learn them."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def start(request: Request, platform: str) -> Answer:
    """POST /v1/connect/{platform}: where to send a person, or the profile itself where credentials are brought along."""
    from ..platforms import registry
    from ..usecases import connecting, credentials
    from .shapes import ConnectIn, read

    if platform not in registry.names():
        raise Problem("not_found", f"There is no platform {platform!r}; there are: {', '.join(registry.names())}.")
    body = request.body()
    shape = read(ConnectIn, body)
    publisher = registry.publisher(platform)
    if shape.profile_id is not None:
        _check_profile(request, platform, shape.profile_id)
    if shape.credentials is not None or (publisher.connect is None and not any(f.required for f in publisher.credential_fields)):
        credentials.check_sizes(shape.credentials, None)
        return _directly(request, body, platform, shape)
    if publisher.connect is None:
        raise _needs_credentials(publisher.rules.name, publisher.credential_fields)
    if request.actor.mode == "test":
        detail = "A test key reaches no network, so there is nobody to ask. Send credentials, of any value, for a test profile."
        raise Problem("invalid_request", detail, pointer="/credentials")
    if shape.redirect_url is not None and not may_redirect(shape.redirect_url, request.deps.settings.connect_redirects):
        raise _no_redirect(request.deps.settings.connect_redirects)
    known = profiles.find(request, shape.profile_id) if shape.profile_id else None
    server = credentials.check_server(request.deps, platform, shape.server or (known.server or None if known else None), "live")
    if publisher.own_server and not server:
        detail = f"{publisher.rules.name} has many servers; name the account's own, such as https://mastodon.social."
        raise Problem("invalid_request", detail, pointer="/server")
    if server.startswith("http://") and not request.deps.settings.allow_private_servers:
        raise Problem("invalid_request", "Consent is asked for over https only.", pointer="/server")
    if known is not None and known.server != server:
        raise Problem("invalid_request", f"Profile {known.id} is on {known.server}, not on {server}.", pointer="/server")
    app = {"clientId": shape.client_id, **({"clientSecret": shape.client_secret} if shape.client_secret else {})}
    wish = connecting.Wish(
        request.actor.workspace_id, request.actor.mode, platform, server, public_url(request), shape.redirect_url,
        shape.profile_id, shape.name, {k: v for k, v in app.items() if v} if shape.client_id else None,
    )
    urls: list[str] = []

    def do() -> tuple[int, Any]:
        connection, url = connecting.begin(request.deps, wish)
        urls.append(url)
        return 201, _view(request, connection)

    status, answer, replayed = once.answer_once(request, body, do)
    if replayed:
        connection = request.deps.connections.get(answer["connectionId"])
        url = connecting.authorize_url(request.deps, connection) if connection is not None else None
    else:
        url = urls[0]
    headers = {"Location": f"/v1/connections/{answer['connectionId']}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return Answer(status, {**answer, "authorizeUrl": url}, headers)


def _directly(request: Request, body: dict[str, Any], platform: str, shape: Any) -> Answer:
    """With credentials: what POST or PATCH of a profile does."""

    def do() -> tuple[int, Any]:
        given = shape.credentials or {}
        if shape.profile_id is None:
            profile = profiles.add(request, platform, given, shape.server, shape.name, {})
        else:
            profile = profiles.change(request, shape.profile_id, name=shape.name, given=given, same_account=True)
        return 201, {
            "connectionId": None, "platform": platform, "server": profile.server or None, "status": "connected",
            "expiresAt": None, "choices": [], "error": None, "createdAt": None, "authorizeUrl": None,
            "profiles": [profile_view(profile)],
        }

    status, answer, replayed = once.answer_once(request, body, do)
    location = {"Location": f"/v1/profiles/{answer['profiles'][0]['id']}"}
    return Answer(status, answer, location | ({"Idempotency-Replayed": "true"} if replayed else {}))


def _check_profile(request: Request, platform: str, profile_id: str) -> None:
    try:
        profile = profiles.find(request, profile_id)
    except Problem as problem:
        raise Problem("not_found", problem.detail, pointer="/profileId") from None
    if profile.platform != platform:
        detail = f"Profile {profile.id} is one of {profile.platform}, not of {platform}."
        raise Problem("invalid_request", detail, pointer="/profileId")


def _needs_credentials(name: str, fields: Sequence[Any]) -> Problem:
    told = " ".join(f"{field.name}{'' if field.required else ' (may be left out)'}: {field.detail}" for field in fields)
    detail = f"{name} has no page to ask for consent; send credentials instead. {told}"
    return Problem("invalid_request", detail, pointer="/credentials")


def _no_redirect(allowed: Sequence[str]) -> Problem:
    listed = f"this deployment allows {', '.join(allowed)}" if allowed else "this deployment allows none"
    detail = (
        f"redirectUrl must be on an origin that the operator allows; {listed} (template parameter ConnectRedirects). Without it "
        "the callback answers by itself."
    )
    return Problem("invalid_request", detail, pointer="/redirectUrl")


def may_redirect(url: str, allowed: Sequence[str]) -> bool:
    """Whether a browser may be sent there in the end: an https address (http for this machine only) on one of the origins,
    compared as text, so that no spelling of a foreign host looks like one of ours."""
    if not re.fullmatch(r"[!-~]{1,2000}", url) or "\\" in url or "#" in url:
        return False
    try:
        parts = urlsplit(url)
        local = parts.hostname
    except ValueError:
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and local in LOOPBACK):
        return False
    return f"{parts.scheme}://{parts.netloc}" in allowed


def public_url(request: Request) -> str:
    """The API's own address as browsers see it: the template's parameter, else the name under which API Gateway was called."""
    domain = (request.event.get("requestContext") or {}).get("domainName") or "localhost"
    return str(request.deps.settings.public_url or f"https://{domain}")


def callback(request: Request) -> Answer:
    """GET /v1/connect/callback: a person comes back from the network. No key: the state is the authority, and is good once."""
    from ..usecases import connecting

    state, code, error = (request.one(name) or "" for name in ("state", "code", "error"))
    if not state:
        detail = "There is no state: networks send people here. Begin with POST /v1/connect/{platform}."
        raise Problem("invalid_request", detail, pointer="/state")
    connection, problem = connecting.finish(request.deps, state, code, error)
    if connection.redirect_url and may_redirect(connection.redirect_url, request.deps.settings.connect_redirects):
        return Answer(302, None, {"Location": _back(request, connection, problem), **PRIVATE_PAGE})
    if problem is not None:
        raise problem
    return Answer(200, _told(request, connection), PRIVATE_PAGE)


def _back(request: Request, connection: Connection, problem: Problem | None) -> str:
    """The client's own address, with how it ended and nothing secret."""
    parts = urlsplit(connection.redirect_url or "")
    said = {"connectionId": connection.id, "status": connection.shown(request.deps.clock.now())}
    if problem is not None:
        said["error"] = problem.errors[0].code if problem.errors else problem.code
    elif len(connection.profile_ids) == 1:
        said["profileId"] = connection.profile_ids[0]
    return urlunsplit(parts._replace(query=f"{parts.query}&{urlencode(said)}".lstrip("&")))


def _told(request: Request, connection: Connection) -> dict[str, Any]:
    """What the person's browser shows where there is no page to go back to: no more than the consent was for."""
    names = ", ".join(offer.name for offer in connection.offers if offer.profile_id)
    done = f"Connected: {names}. You may close this page."
    detail = done if connection.status == "connected" else "One more step: choose which of these accounts to connect."
    return {
        "connectionId": connection.id, "platform": connection.platform,
        "status": connection.shown(request.deps.clock.now()), "detail": detail, "choices": choices_view(connection),
    }


def _find(request: Request, connection_id: str) -> Connection:
    """The workspace's connection. Raises `Problem` not_found, also for another workspace's."""
    connection = request.deps.connections.get(connection_id) if len(connection_id) <= 64 else None
    if connection is None or connection.partition != request.actor.partition:
        raise Problem("not_found", f"There is no connection {connection_id[:64]!r} (any more).")
    return connection


def _view(request: Request, connection: Connection) -> dict[str, Any]:
    from ..usecases import granted

    view = connection_view(connection, request.deps.clock.now())
    return {**view, "authorizeUrl": None, "profiles": granted.view_profiles(request.deps, connection)}


def get(request: Request, connection_id: str) -> Answer:
    """GET /v1/connections/{id}: how far it is."""
    return Answer(200, _view(request, _find(request, connection_id)))


def choose(request: Request, connection_id: str) -> Answer:
    """POST /v1/connections/{id}: connect some of the accounts that the consent reaches."""
    from ..usecases import granted
    from .shapes import ChooseIn, read

    body = request.body()
    shape = read(ChooseIn, body)

    def do() -> tuple[int, Any]:
        found = granted.choose(request.deps, _find(request, connection_id), shape.account_ids)
        return 200, _view(request, found)

    status, answer, replayed = once.answer_once(request, body, do)
    return Answer(status, answer, {"Idempotency-Replayed": "true"} if replayed else {})
