"""Whose token it is, and the pages a person may let us post to, each with a token of its own."""

from __future__ import annotations

from functools import partial

from ._facebook_calls import WHO, base, call, is_gone
from ._meta import error_of, said_well, token_from
from .base import Account, AccountInfo, Failed, Http, Retry
from .calls import harmless
from .connect import Choice


def whose(account: Account, http: Http) -> AccountInfo:
    """Which page's token it is. Only a page has a category: Facebook refuses to tell a user's, and that is `Failed`."""
    answer = call(account, http, "GET", "/me", params={"fields": "id,name,category"})
    error = error_of(answer)
    if error is not None and error.code == 100 and not is_gone(answer):
        raise Failed("not_a_page", "This is a person's token. Take the page's own, or connect the page by consent.")
    body = said_well(WHO, answer, None)
    if not body.get("id"):
        raise Retry("answer_unreadable", "Facebook did not say whose token this is.")
    return AccountInfo(str(body["id"]), str(body.get("name") or body["id"]))


def pages(account: Account, http: Http) -> list[Choice]:
    """The user's pages that the app may post to, each with its own token, which does not lapse.

    That takes a user token of sixty days, for which the consent's own is exchanged where the app's secret is known.
    """
    credentials = dict(account.credentials)
    if credentials.get("clientId") and credentials.get("clientSecret"):
        params = {
            "grant_type": "fb_exchange_token", "client_id": credentials["clientId"],
            "client_secret": credentials["clientSecret"], "fb_exchange_token": credentials["accessToken"],
        }
        credentials["accessToken"], _ = token_from(WHO, http, f"{base(account)}/oauth/access_token", params)
    headers = {"Authorization": f"Bearer {credentials['accessToken']}"}
    url, found = f"{base(account)}/me/accounts", []
    wanted = {"fields": "id,name,access_token,tasks", "limit": "100"}
    for _ in range(10):
        page_of = partial(http.request, "GET", url, headers=headers, params=dict(wanted))
        said = said_well(WHO, harmless(page_of), None)
        for page in said.get("data") or ():
            tasks = page.get("tasks")
            if page.get("access_token") and (tasks is None or "CREATE_CONTENT" in tasks):
                own = {"accessToken": str(page["access_token"])}
                name = str(page.get("name") or page["id"])
                found.append(Choice(str(page["id"]), name, "page", credentials=own, expires_in=0))
        paging = said.get("paging") or {}
        if not paging.get("next"):
            break
        wanted["after"] = str((paging.get("cursors") or {}).get("after") or "")
    return found
