"""Connecting an account by consent: a person is sent to the network, comes back with a code, and a profile comes of it.

The state is the only authority of who comes back: random, good for ten minutes and for one answer, bound to the workspace, the
network and the PKCE verifier. It is spent before the code is exchanged, so that a code is exchanged at most once; whoever loses
an answer begins again, which costs a person two clicks and no one an account.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..aws.secrets import SecretsUnavailable
from ..domain.connection import CONSENT, MOST_CHOICES, Connection, Offer, hash_of
from ..domain.errors import FieldError, Problem
from ..domain.ids import new_id
from ..platforms.base import Account, Failed, Outcome, Publisher, TokenRefused
from ..store.tables import Conflict, StoreUnavailable
from . import granted
from .granted import again

if TYPE_CHECKING:
    from ..platforms.connect import OAuth2
    from ..wiring import Deps

log = logging.getLogger("dateline")

CALLBACK = "/v1/connect/callback"
"""The redirect address to register with every network, below the API's own."""

MOST_STATE, MOST_CODE = 256, 4096
"""Characters of what comes back; more is none of ours."""

SAID_NO = ("access_denied", "user_cancelled_login", "user_cancelled_authorize", "user_denied", "consent_required")


class Wish(NamedTuple):
    """What a client asks for. `server` is the account's own ("" for a network with one), `app` the client's own app if it has
    one, `public_url` the API's address as browsers see it."""

    workspace_id: str
    mode: str
    platform: str
    server: str
    public_url: str
    redirect_url: str | None = None
    profile_id: str | None = None
    name: str | None = None
    app: Mapping[str, str] | None = None


class Came(NamedTuple):
    """How a person's return ended: with the connection, and with a refusal or without."""

    connection: Connection
    problem: Problem | None


def begin(deps: Deps, wish: Wish) -> tuple[Connection, str]:
    """A connection that waits for a person, and the address to send them to. Raises `Problem` where there is no app."""
    from ..platforms import oauth, registry

    publisher, now = registry.publisher(wish.platform), deps.clock.now()
    flow = publisher.connect
    assert flow is not None
    redirect_uri = wish.public_url.rstrip("/") + CALLBACK
    account = _account(deps, wish.platform, publisher, wish.server, {})
    app = dict(wish.app) if wish.app else _app(deps, account, publisher, redirect_uri)
    secret, verifier, connection_id = secrets.token_urlsafe(32), secrets.token_urlsafe(48), new_id("conn", now)
    kept = {**app, "verifier": verifier, "secret": secret}
    flow = _asked(flow, app)
    connection = Connection(
        connection_id, wish.workspace_id, wish.mode, wish.platform, wish.server, redirect_uri, hash_of(secret), now,
        now + CONSENT,
        redirect_url=wish.redirect_url, profile_id=wish.profile_id, name=wish.name, own_app=wish.app is not None,
        sealed=[deps.secrets.seal(wish.workspace_id, connection_id, kept)],
    )
    deps.connections.save(connection)
    state = f"{connection_id}.{secret}"
    return connection, oauth.authorize_url(account, flow, app["clientId"], redirect_uri, state, verifier)


def authorize_url(deps: Deps, connection: Connection) -> str | None:
    """The address of a connection that still waits, for a request that is repeated; None once it does not."""
    from ..platforms import oauth, registry

    publisher = registry.publisher(connection.platform)
    if connection.shown(deps.clock.now()) != "waiting" or publisher.connect is None:
        return None
    kept = deps.secrets.open(connection.workspace_id, connection.id, connection.sealed[0])
    account = _account(deps, connection.platform, publisher, connection.server, {})
    state = f"{connection.id}.{kept['secret']}"
    flow = _asked(publisher.connect, kept)
    return oauth.authorize_url(account, flow, kept["clientId"], connection.redirect_uri, state, kept["verifier"])


def _asked(flow: OAuth2, app: Mapping[str, str]) -> OAuth2:
    """The flow with the scopes that the operator names for an app: a network refuses all where it has not given the app one."""
    return flow._replace(scopes=tuple(app["scopes"].split())) if app.get("scopes") else flow


def _account(deps: Deps, platform: str, publisher: Publisher, server: str, credentials: Mapping[str, str]) -> Account:
    """An account that is not known yet, as its publisher sees it."""
    override = deps.settings.server_of(platform, "")
    base = server if publisher.own_server else override or publisher.default_server
    return Account("", platform, base.rstrip("/"), "", {}, credentials, override)


def _app(deps: Deps, account: Account, publisher: Publisher, redirect_uri: str) -> dict[str, str]:
    """Our app with the network, or with the account's own server. Raises `Problem` where there is none."""
    from ..platforms import oauth

    flow, name, platform = publisher.connect, publisher.rules.name, account.platform
    assert flow is not None
    if not flow.register:
        app = deps.apps.of(platform)
        if not app.get("clientId"):
            fields = ", ".join(f'"{field}": …' for field in flow.app_fields)
            detail = (
                f"{name} cannot be connected by consent yet: this deployment has no app of {name}'s. Its operator registers one "
                f"with the redirect address {redirect_uri} and stores it with `python -m dateline.admin set-app {platform}`, or "
                f"as {{{fields}}} in the secret {deps.apps.name(platform)} of Secrets Manager. A client may also send its own "
                "clientId and clientSecret."
            )
            raise Problem("illegal_transition", detail)
        return app
    context = f"{platform} {account.server}"
    sealed = deps.connections.app(platform, account.server, redirect_uri)
    if sealed is not None:
        return deps.secrets.open("apps", context, sealed)
    try:
        app = oauth.register(account, flow, redirect_uri, deps.http)
    except Failed as refused:
        raise Problem("invalid_request", refused.detail, pointer="/server") from None
    except Outcome as unclear:
        raise Problem("try_again", f"The server could not be asked: {unclear.detail}") from None
    deps.connections.keep_app(platform, account.server, redirect_uri, deps.secrets.seal("apps", context, app))
    return app


def finish(deps: Deps, state: str, code: str, error: str) -> Came:
    """A person has come back with what the network gave them. Raises `Problem` where the state is none of ours."""
    connection, now = _of_state(deps, state), deps.clock.now()
    used = _problem("state_used", f"This answer was used already. {again(connection)}", "/state", "illegal_transition")
    if connection.status != "waiting":
        return Came(connection, used)
    if connection.expires_at <= now:
        detail = f"The ten minutes for this consent are over. {again(connection)}"
        return Came(connection, _problem("state_expired", detail, "/state"))
    if not error and not 0 < len(code) <= MOST_CODE:
        return Came(connection, _problem("code_missing", f"The network sent no code. {again(connection)}", "/code"))
    connection.status = "exchanging"
    try:
        deps.connections.save(connection)
    except Conflict:
        return Came(connection, used)
    try:
        if error:
            raise _said_no(error)
        _take_code(deps, connection, code)
        deps.connections.save(connection)
        return Came(connection, None)
    except Problem as problem:
        return _failed(deps, connection, problem.errors[0].code if problem.errors else problem.code, problem)
    except Outcome as outcome:
        lost = not isinstance(outcome, Failed | TokenRefused)
        detail = f"{outcome.detail} {again(connection)}"
        kind, pointer = "try_again" if lost else "invalid_request", "/error" if error else "/code"
        return _failed(deps, connection, outcome.code, _problem(outcome.code, detail, pointer, kind))
    except (StoreUnavailable, SecretsUnavailable, Conflict) as broken:
        log.warning("a connection broke off", extra={"connection_id": connection.id, "reason": type(broken).__name__})
        detail = f"A service this needs did not answer. Look whether the account is connected; if it is not: {again(connection)}"
        return _failed(deps, connection, "interrupted", Problem("try_again", detail))
    except Exception:
        detail = f"Something went wrong here. Look whether the account is connected; if it is not: {again(connection)}"
        _failed(deps, connection, "interrupted", Problem("internal_error", detail))
        raise


def _of_state(deps: Deps, state: str) -> Connection:
    connection_id, _, secret = state.partition(".")
    usable = len(state) <= MOST_STATE and connection_id.startswith("conn_") and connection_id.isascii() and secret
    connection = deps.connections.get(connection_id) if usable else None
    if connection is None or not connection.knows(secret):
        raise _problem("state_unknown", f"This state is none that was given out, or it is long over. {again()}", "/state")
    return connection


def _problem(code: str, detail: str, pointer: str, kind: str = "invalid_request") -> Problem:
    return Problem(kind, detail, errors=[FieldError(pointer, code, detail)])


def _said_no(error: str) -> Failed:
    from ..platforms.oauth import error_code

    if error in SAID_NO:
        return Failed("access_denied", "The person said no on the network's page, or may not say yes.")
    return Failed("not_authorized", f"The network did not authorize it ({error_code(error)}).")


def _failed(deps: Deps, connection: Connection, code: str, problem: Problem) -> Came:
    connection.failed(code, problem.detail, deps.clock.now())
    try:
        deps.connections.save(connection)
    except (Conflict, StoreUnavailable):
        log.warning("how a connection ended is not written", extra={"connection_id": connection.id, "reason": code})
    return Came(connection, problem)


def _take_code(deps: Deps, connection: Connection, code: str) -> None:
    """Exchange the code and connect the account it is for, or leave several to be chosen among. Changes the connection."""
    from ..platforms import oauth, registry

    publisher, now = registry.publisher(connection.platform), deps.clock.now()
    flow = publisher.connect
    assert flow is not None
    kept = deps.secrets.open(connection.workspace_id, connection.id, connection.sealed[0])
    verifier = kept.pop("verifier")
    del kept["secret"]
    account = _account(deps, connection.platform, publisher, connection.server, kept)
    given = oauth.exchange(account, flow, kept, code, connection.redirect_uri, verifier, deps.http)
    grant = {**(kept if connection.own_app else {}), **given.credentials}
    seen = _account(deps, connection.platform, publisher, connection.server, {**kept, **grant})
    choices = publisher.accounts(seen, deps.http)[:MOST_CHOICES]
    connection.scopes = list(given.scopes) if given.scopes is not None else None
    connection.offers = [
        Offer(
            choice.account_id, choice.name, choice.kind, dict(choice.settings), _end(now, choice.expires_in, given.expires_in),
            _end(now, choice.grant_expires_in, given.grant_expires_in),
        )
        for choice in choices
    ]
    if not choices:
        detail = f"This consent reaches no account on {publisher.rules.name} that can be published to."
        raise Failed("no_accounts", detail)
    index = 0
    if connection.profile_id is not None:
        index = granted.index_of(deps, connection)
    elif len(choices) > 1:
        granted.seal(deps, connection, grant, [dict(choice.credentials) for choice in choices])
        connection.choosing(now)
        return
    credentials = {**grant, **choices[index].credentials}
    profile = granted.settle(deps, connection, granted.assigned(deps, connection, connection.offers[index]), credentials)
    connection.connected([profile.id], deps.clock.now())


def _end(now: datetime, own: int | None, granted: int | None) -> datetime | None:
    """When a token ends; None for never. What an account says of its own counts, also that it never ends (0)."""
    lives = granted if own is None else own
    return now + timedelta(seconds=lives) if lives else None
