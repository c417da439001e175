"""Google Business Profile: its publisher over the My Business API v4 (localPosts). Its rules stand in `_google_business_rules`.

One call creates a post, and Google has no key that would make it safe to repeat. After a lost answer the location's own
posts are searched. A new post is processed for a while and may be rejected then: that is waited for. An account is a
location, named `accounts/…/locations/…`; who may publish to which is told by two other APIs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ._google import CREDENTIAL_FIELDS, consent, error_of, exhausted, good, moment, refresh, words_of
from ._google_business_rules import IMAGE_BYTES, IMAGE_FORMATS, post_of
from ._google_business_rules import RULES as RULES
from .base import (
    Absent,
    Account,
    AccountInfo,
    Answer,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Processing,
    Quota,
    Refused,
    Remote,
    Resolution,
    Retry,
    Standard,
    Undecidable,
    Unknown,
    Working,
)
from .calls import bearer, harmless, irreversible, repeatable
from .connect import Choice, OAuth2

WHO = "Google Business Profile"
CLOCK_SKEW = timedelta(seconds=60)
SHOWN_AFTER = timedelta(minutes=5)
"""How long a post that Google has named may take until it can be read."""
PAGES = 5
MOST_CALLS = 50
"""Pages of accounts and locations that are read when somebody connects."""
ACCOUNTS_HOST = "mybusinessaccountmanagement.googleapis.com"
LOCATIONS_HOST = "mybusinessbusinessinformation.googleapis.com"
LOCATION = re.compile(r"accounts/[^/]+/(locations/[^/]+)")
FETCH_FAILED = 1000
"""Code of a ValidationError: Google could not get the photo."""


class GoogleBusinessPublisher(Standard):
    """Updates, events and offers of one location, with one photo at most. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "OAuth token with the scope business.manage."), *CREDENTIAL_FIELDS,
        CredentialField("locationId", False, "accounts/…/locations/…; needed where the token may manage more than one location."),
    )
    default_server = "https://mybusiness.googleapis.com"
    connect: OAuth2 | None = consent("business.manage")

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True with a photo: it has to be there, and right, before the call is armed."""
        return any(segment.media for segment in delivery.segments) and not delivery.published

    def prepare(self, delivery: Delivery) -> None:
        """Look at the pinned photo. Nothing remote."""
        for item in delivery.segments[0].media:
            file = delivery.media.open(item)
            if file.mime not in IMAGE_FORMATS:
                raise Failed("media_format", f"{WHO} takes a photo as JPEG or PNG; this file is {file.mime}.")
            if not IMAGE_BYTES[0] <= file.size <= IMAGE_BYTES[1]:
                detail = f"{WHO} takes a photo of {IMAGE_BYTES[0]:,} to {IMAGE_BYTES[1]:,} bytes; this one has {file.size:,}."
                raise Failed("media_size", detail)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST …/localPosts`, once. A post that Google has and still processes is looked up until it is live."""
        if delivery.checkpoint.get("post"):
            delivery.save(post=None)  # of an earlier try that came to nothing
        post = self._create(delivery, None)
        if post.get("state") == "LIVE":
            return (_remote(post),)
        if post.get("state") == "REJECTED":
            raise Failed("rejected", f"{WHO} rejected the post: it breaks the content policy.")
        delivery.save(post=str(post["name"]))
        raise Processing("processing", f"{WHO} has the post and is processing it.", 10.0)

    def _create(self, delivery: Delivery, scheduled: datetime | None) -> dict[str, Any]:
        segment = delivery.segments[0]
        photo = next((delivery.media.open(item).url() for item in segment.media), None)
        body = post_of(segment, delivery.options, photo, scheduled)
        url = f"{delivery.account.server}/v4/{delivery.account.account_id}/localPosts"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=bearer(delivery.account), json=body))
        if answer.status == 408:
            raise Unknown("answer_lost", f"{WHO} answered 408 to the publishing call.")
        if FETCH_FAILED in _validation_codes(answer):
            raise Retry("media_unreachable", f"{WHO} could not fetch the photo: {words_of(answer)}")
        post = good(WHO, answer, delivery.now())
        if not post.get("name"):
            raise Unknown("answer_unreadable", f"{WHO} said it took the post and named none.")
        return post

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Read the post where its name is known, else look for it among the location's posts."""
        name = delivery.checkpoint.get("post")
        if name:
            known = self._read(delivery, str(name))
            return self._vanished(delivery) if known is None else self._settled(delivery, known)
        post = self._look(delivery, None)
        if not isinstance(post, dict):
            return post
        if post.get("state") not in ("LIVE", "REJECTED"):
            delivery.save(post=str(post["name"]))
        return self._settled(delivery, post)

    def _vanished(self, delivery: Delivery) -> Resolution:
        """Google took the post, named it, and does not have it: not yet to be read, or deleted. No other takes its place."""
        if delivery.now() - (delivery.armed_at or delivery.now()) < SHOWN_AFTER:
            return Working(15.0, f"{WHO} does not show the post yet.")
        return Undecidable(f"{WHO} took the post and has it no longer: somebody may have deleted it.")

    def _settled(self, delivery: Delivery, post: Mapping[str, Any]) -> Resolution:
        if post.get("state") == "LIVE":
            return Found((_remote(post),))
        if post.get("state") == "REJECTED":
            delivery.save(post=None)
            return Refused("rejected", f"{WHO} rejected the post: it breaks the content policy.")
        return Working(15.0, f"{WHO} is processing the post.")

    def _read(self, delivery: Delivery, name: str) -> dict[str, Any] | None:
        answer = repeatable(delivery, "GET", f"/v4/{name}")
        return None if answer.status == 404 else good(WHO, answer, delivery.now())

    def _look(self, delivery: Delivery, scheduled: datetime | None) -> dict[str, Any] | Absent | Undecidable:
        """The first post since the call that is ours: the same kind, words, event and time, and nobody else's."""
        since = (delivery.armed_at or delivery.now()) - CLOCK_SKEW
        others = delivery.taken | {remote.id for remote in delivery.published}
        wanted = post_of(delivery.segments[0], delivery.options, None, scheduled)
        params: dict[str, Any] = {"pageSize": 100}
        found: list[dict[str, Any]] = []
        for _ in range(PAGES):
            answer = repeatable(delivery, "GET", f"/v4/{delivery.account.account_id}/localPosts", params=params)
            page = good(WHO, answer, delivery.now())
            found += [
                post for post in page.get("localPosts") or ()
                if str(post.get("name")) not in others and _is_ours(post, wanted, since)
            ]
            if not page.get("nextPageToken"):
                break
            params["pageToken"] = page["nextPageToken"]
        else:
            if not found:
                return Undecidable(f"The location has more than {PAGES * 100} posts; they have to be looked through by hand.")
        return min(found, key=lambda post: moment(post.get("createTime")) or since) if found else Absent()

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE` of the post's name; what is gone already is no error."""
        answer = repeatable(delivery, "DELETE", f"/v4/{remote_id}")
        if answer.status != 404:
            good(WHO, answer, delivery.now())

    def place(self, delivery: Delivery, at: datetime) -> Remote:
        """Create the post with its time: Google publishes it then."""
        post = self._create(delivery, at)
        if post.get("state") == "REJECTED":
            raise Failed("rejected", f"{WHO} rejected the post: it breaks the content policy.")
        return _remote(post)

    def placed(self, delivery: Delivery, at: datetime) -> Resolution:
        """Look for a post of the same words and time among the location's."""
        post = self._look(delivery, at)
        if not isinstance(post, dict):
            return post
        if post.get("state") == "REJECTED":
            return Refused("rejected", f"{WHO} rejected the post: it breaks the content policy.")
        return Found((_remote(post),))

    def withdraw(self, delivery: Delivery, remote: Remote) -> None:
        """Delete it, unless it is out already."""
        post = self._read(delivery, remote.id)
        if post is not None and post.get("state") == "LIVE":
            raise Failed("already_published", f"{WHO} has published the post already.")
        if post is not None:
            self.delete(delivery, remote.id)

    def confirm(self, delivery: Delivery, remote: Remote) -> Resolution:
        """Read whether it is live."""
        post = self._read(delivery, remote.id)
        return Absent() if post is None else self._settled(delivery, post)

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """The profile's location; the token's only one where none is named."""
        location = account.account_id or account.credentials.get("locationId") or ""
        if not location:
            choices = self.accounts(account, http)
            if len(choices) != 1:
                known = ", ".join(f"{choice.account_id} ({choice.name})" for choice in choices[:10])
                why = f"it may manage several: {known}. Name one as locationId." if choices else "it may manage none."
                raise Failed("location_unclear", f"This token does not say which location to publish to: {why}")
            return AccountInfo(choices[0].account_id, choices[0].name)
        named = LOCATION.fullmatch(location)
        if named is None:
            raise Failed("location_invalid", "locationId is of the form accounts/…/locations/….")
        place = _get(account, http, LOCATIONS_HOST, f"/v1/{named[1]}", {"readMask": "name,title,storefrontAddress"})
        return AccountInfo(location, _name_of(place))

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """Every location that the grant may manage, each once: a location may belong to several accounts."""
        calls = 0
        choices: dict[str, Choice] = {}
        for owner in _all(account, http, ACCOUNTS_HOST, "/v1/accounts", {"pageSize": 20}, "accounts"):
            if (calls := calls + 1) > MOST_CALLS:
                break
            params = {"readMask": "name,title,storefrontAddress", "pageSize": 100}
            for place in _all(account, http, LOCATIONS_HOST, f"/v1/{owner['name']}/locations", params, "locations"):
                choice = Choice(f"{owner['name']}/{place['name']}", _name_of(place), "location")
                choices.setdefault(str(place["name"]), choice)
        return list(choices.values())

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """Google's refresh: a new access token, the refresh token stays."""
        return refresh(WHO, account, http)

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """Google tells of the project's quota only when it is used up."""
        return exhausted(answer, now, 300)


def _remote(post: Mapping[str, Any]) -> Remote:
    return Remote(str(post["name"]), post.get("searchUrl") or None)


def _is_ours(post: Mapping[str, Any], wanted: Mapping[str, Any], since: datetime) -> bool:
    at = moment(post.get("createTime"))
    titles = [(one.get("event") or {}).get("title") for one in (post, wanted)]
    coupons = [(one.get("offer") or {}).get("couponCode") for one in (post, wanted)]
    words = [str(one.get("summary") or "").split() for one in (post, wanted)]
    times = [moment(one.get("scheduledTime")) for one in (post, wanted)]
    pairs = ([one.get("topicType") for one in (post, wanted)], titles, coupons, words, times)
    return (at is None or at >= since) and all(one == other for one, other in pairs)


def _validation_codes(answer: Answer) -> set[Any]:
    """The codes of what Google found wrong with a post."""
    details = error_of(answer).get("details")
    parts = [part for part in details if isinstance(part, Mapping)] if isinstance(details, list) else []
    return {one.get("code") for part in parts for one in part.get("errorDetails") or () if isinstance(one, Mapping)}


def _get(account: Account, http: Http, host: str, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
    answer = harmless(lambda: http.request("GET", account.host(host) + path, headers=bearer(account), params=params))
    return good(WHO, answer, None)


def _all(account: Account, http: Http, host: str, path: str, params: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    for _ in range(MOST_CALLS):
        page = _get(account, http, host, path, params)
        yield from page.get(member) or ()
        if not page.get("nextPageToken"):
            return
        params = {**params, "pageToken": page["nextPageToken"]}


def _name_of(place: Mapping[str, Any]) -> str:
    """The location's title, and its town where it has one: a chain has the same title everywhere."""
    town = (place.get("storefrontAddress") or {}).get("locality")
    title = str(place.get("title") or place.get("name") or "")
    return f"{title}, {town}" if town else title


PUBLISHER = GoogleBusinessPublisher()
