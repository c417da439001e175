"""How an account on a network is connected by consent, as data: each network's module says its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


class OAuth2(NamedTuple):
    """A network's OAuth 2 authorization-code flow.

    `authorize` and `token` are (host, path); for a network whose profiles bring their own server the host is "". `scopes` are
    what publishing needs, joined by `scope_separator`. `extra` are further parameters of the authorize URL. `client_id_name` is
    what the network calls the client's id, `client_auth` where the secret goes at the token endpoint. `register` is true where
    the app registers itself with each server (Mastodon). `app_fields` are the names under which an operator stores the app's
    credentials.
    """

    authorize: tuple[str, str]
    token: tuple[str, str]
    scopes: tuple[str, ...]
    scope_separator: str = " "
    pkce: bool = True
    client_auth: Literal["body", "basic"] = "body"
    client_id_name: str = "client_id"
    extra: Mapping[str, str] = {}
    register: bool = False
    app_fields: tuple[str, ...] = ("clientId", "clientSecret")


@dataclass(frozen=True)
class Choice:
    """One account that a grant may publish to. `kind` tells people what it is ("page", "board", "location", "account").

    `credentials` are entries of its own over the grant's (a page's token): secret, and kept out of `repr`. `expires_in` is how
    many seconds the access token then lasts where that is not what the code's exchange said, `grant_expires_in` the grant.
    """

    account_id: str
    name: str
    kind: str = "account"
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_in: int | None = None
    grant_expires_in: int | None = None
