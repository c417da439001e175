"""Whose account a LinkedIn token is for: the member, the organizations the member may post for, and the token's renewal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._linkedin_calls import call, good
from ._linkedin_rules import ACCOUNT_TYPE, ORGANIZATION
from .base import Account, AccountInfo, Failed, Http, NewTokens, Retry, TokenRefused
from .calls import WRONG_APP, bearer, harmless, said_by
from .connect import Choice

SIGN_IN = "www.linkedin.com"
SCOPES = ("openid", "profile", "w_member_social", "w_organization_social", "r_organization_social", "rw_organization_admin")
"""The last three are for organizations. LinkedIn gives them to apps with the product Community Management API."""
MAY_POST = ("ADMINISTRATOR", "CONTENT_ADMINISTRATOR", "CONTENT_ADMIN")
"""Roles in an organization that post for it; LinkedIn's pages write the second in two ways."""


def whose(account: Account, http: Http) -> AccountInfo:
    """Whose token it is. Raises `TokenRefused`, `Retry`, `Failed` (`no_role`: the member may not post for the organization)."""
    wanted = account.credentials.get("organizationId") or ""
    if account.account_id.startswith("urn:li:organization:") and not wanted:
        wanted = account.account_id
    if not wanted:
        return _member(account, http)
    number = wanted.rpartition(":")[2]
    urn = f"urn:li:organization:{number}"
    allowed = _organizations(account, http)
    if allowed is None:
        _member(account, http)  # no right to read roles: that the token lives is all there is to learn
    elif urn not in allowed:
        raise Failed("no_role", f"The token's member is no administrator of the organization {number} on LinkedIn.")
    names = _names(account, http, [urn])
    return AccountInfo(urn, names.get(urn) or f"Organization {number}", {ACCOUNT_TYPE: ORGANIZATION})


def choices(account: Account, http: Http) -> list[Choice]:
    """The member first, then the organizations by name."""
    me = _member(account, http)
    found = [Choice(me.account_id, me.name, "account", me.settings)]
    urns = _organizations(account, http) or []
    names = _names(account, http, urns)
    for urn in sorted(urns, key=lambda urn: (names.get(urn, ""), urn)):
        name = names.get(urn) or f"Organization {urn.rpartition(':')[2]}"
        found.append(Choice(urn, name, ORGANIZATION, {ACCOUNT_TYPE: ORGANIZATION}))
    return found


def _member(account: Account, http: Http) -> AccountInfo:
    """By OpenID's userinfo; an app without `openid` has the older `/v2/me`."""
    answer = harmless(lambda: http.request("GET", f"{account.server}/v2/userinfo", headers=bearer(account)))
    if answer.status == 403:
        answer = harmless(lambda: http.request("GET", f"{account.server}/v2/me", headers=bearer(account)))
    body = good(answer)
    number = str(body.get("sub") or body.get("id") or "")
    if not number:
        raise Retry("answer_unreadable", "LinkedIn did not say whose token this is.")
    name = body.get("name") or f"{body.get('localizedFirstName', '')} {body.get('localizedLastName', '')}".strip() or number
    return AccountInfo(f"urn:li:person:{number}", str(name), {ACCOUNT_TYPE: "member"})


def _organizations(account: Account, http: Http) -> list[str] | None:
    """The URNs of the organizations that the token's member may post for; None where the token may not ask."""
    answer = call(account, http, "GET", "/rest/organizationAcls?q=roleAssignee&state=APPROVED&start=0&count=100")
    if answer.status == 403:
        return None
    found: dict[str, None] = {}
    for entry in good(answer).get("elements") or ():
        urn = str(entry.get("organization") or entry.get("organizationTarget") or "")
        if urn.startswith("urn:li:organization:") and entry.get("role") in MAY_POST and entry.get("state") == "APPROVED":
            found[urn] = None
    return list(found)


def _names(account: Account, http: Http, urns: list[str]) -> dict[str, str]:
    """Names by URN, as far as LinkedIn tells them: a name that is missing stops nobody."""
    if not urns:
        return {}
    ids = ",".join(urn.rpartition(":")[2] for urn in urns)
    try:
        answer = call(account, http, "GET", f"/rest/organizationsLookup?ids=List({ids})")
    except Retry:
        return {}
    results = said_by(answer).get("results")
    known: Mapping[str, Any] = results if answer.status == 200 and isinstance(results, Mapping) else {}
    return {
        f"urn:li:organization:{number}": str(entry["localizedName"])
        for number, entry in known.items() if isinstance(entry, Mapping) and entry.get("localizedName")
    }


def refreshed(account: Account, http: Http) -> NewTokens | None:
    """New tokens for a refresh token; None without one. Its own life is not extended: after a year a person connects again."""
    credentials = account.credentials
    grant, client, secret = (credentials.get(name) for name in ("refreshToken", "clientId", "clientSecret"))
    if not grant or not client or not secret:
        return None
    form = {"grant_type": "refresh_token", "refresh_token": grant, "client_id": client, "client_secret": secret}
    url = f"{account.host(SIGN_IN)}/oauth/v2/accessToken"
    answer = harmless(lambda: http.request("POST", url, data=form))
    body = said_by(answer)
    if answer.status == 200 and body.get("access_token"):
        tokens = {"accessToken": str(body["access_token"])}
        if body.get("refresh_token"):
            tokens["refreshToken"] = str(body["refresh_token"])
        return NewTokens(tokens, body.get("expires_in"), body.get("refresh_token_expires_in"))
    if answer.status in (400, 401) and body.get("error") not in WRONG_APP:
        raise TokenRefused("grant_refused", f"LinkedIn no longer takes the refresh token ({body.get('error') or answer.status}).")
    raise Retry("refresh_failed", f"LinkedIn answered {answer.status} to the refresh.")
