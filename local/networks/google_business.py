"""A stand-in for Google Business Profile: posts of locations that are processed, perhaps rejected, or wait for their time.

Requests are judged by the reference of localPosts v4 and the discovery documents of the two other APIs (20261026): members
that they do not have are refused. Photos are fetched by their address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ._google import GoogleNetwork, reason_detail, rpc_error, unauthenticated
from .base import Entry, Route, World, answer

MEMBERS: Mapping[str, type] = {
    "languageCode": str, "summary": str, "callToAction": dict, "event": dict, "media": list, "topicType": str, "alertType": str,
    "offer": dict, "scheduledTime": str,
}
ACTIONS = ("BOOK", "ORDER", "SHOP", "LEARN_MORE", "SIGN_UP", "CALL")
PARTS: Mapping[str, tuple[str, ...]] = {
    "callToAction": ("actionType", "url"), "event": ("title", "schedule"),
    "offer": ("couponCode", "redeemOnlineUrl", "termsConditions"),
}
PHOTO_BYTES = (10_240, 5 * 1024 * 1024)
ACCOUNT = "[0-9]+"


@dataclass
class LocalPost:
    """A post of a location as Google keeps it. `until` is when its processing ends, `fate` the state it then has."""

    name: str
    profile_id: str
    body: dict[str, Any]
    created: datetime
    until: datetime
    due: datetime | None
    fate: str
    state: str
    entry: Entry | None = None


@dataclass
class Location:
    """A location and the account it is managed by."""

    profile_id: str
    account: str
    number: str
    title: str
    town: str

    @property
    def name(self) -> str:
        """The v4 name."""
        return f"{self.account}/locations/{self.number}"


class GoogleBusinessNetwork(GoogleNetwork):
    """Google Business Profile on the world's clock.

    `processing_seconds` pass until a post is live; `fates` are the states of the next posts, one each. `approved` false is a
    project with no quota. A location may be `shared` by a group: it is then listed under a second account as well.
    """

    platform: ClassVar[str] = "google_business"
    client: ClassVar[tuple[str, str]] = ("google-business-client", "google-business-client-secret")
    scopes: ClassVar[tuple[str, ...]] = ("business.manage",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds = 5.0
        self.fates: list[str] = []
        self.approved = True
        self.shared = False
        self.page_size = 100
        self.locations: dict[str, list[Location]] = {}
        self.posts: dict[str, LocalPost] = {}
        parent = f"/v4/(?P<parent>accounts/{ACCOUNT}/locations/{ACCOUNT})/localPosts"
        info = "/mybusinessbusinessinformation[.]googleapis[.]com/v1"
        self.routes += [
            Route("POST", parent, "publish", self._create),
            Route("GET", parent, "read", self._list),
            Route("GET", f"{parent}/(?P<post>[^/]+)", "read", self._get),
            Route("DELETE", f"{parent}/(?P<post>[^/]+)", "delete", self._delete),
            Route("GET", "/mybusinessaccountmanagement[.]googleapis[.]com/v1/accounts", "read", self._accounts),
            Route("GET", f"{info}/(?P<account>accounts/{ACCOUNT})/locations", "read", self._locations),
            Route("GET", f"{info}/locations/(?P<location>{ACCOUNT})", "read", self._location),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new location if it is not known yet."""
        location = self.locations[profile_id][0] if profile_id in self.locations else self.add_location(profile_id)
        grant = self.grant_of(profile_id)
        return {
            "server": "/google_business", "accountId": location.name, "expiresIn": 3599,
            "credentials": {
                "accessToken": grant.access, "refreshToken": grant.refresh, "clientId": self.client[0],
                "clientSecret": self.client[1], "locationId": location.name,
            },
        }

    def add_location(self, profile_id: str, town: str = "Hamburg") -> Location:
        """One more location that the account of `profile_id` manages."""
        number = self.next_number()
        mine = self.locations.setdefault(profile_id, [])
        account = mine[0].account if mine else f"accounts/{1_000_000 + number}"
        mine.append(Location(profile_id, account, str(5_000_000 + number), "Dateline Coffee", town))
        return mine[-1]

    def rate_limited(self, retry_after: float) -> Response:
        message = "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service 'mybusiness'."
        most = "300" if self.approved else "0"
        detail = reason_detail("RATE_LIMIT_EXCEEDED", quota_limit="DefaultRequestsPerMinutePerProject", quota_limit_value=most)
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
        return rpc_error(429, message, [detail, delay])

    def server_error(self) -> Response:
        return rpc_error(500, "Internal error encountered.")

    def rejected(self) -> Response:
        return rpc_error(403, "The caller does not have permission")

    def expired(self) -> Response:
        return unauthenticated()

    def tick(self) -> None:
        """Processing ends, and a post that waited for its time appears at that time."""
        for post in self.posts.values():
            if post.state == "PROCESSING" and self.now() >= post.until:
                waits = post.due is not None and post.fate == "LIVE"
                post.state = "SCHEDULED" if waits else post.fate
            if post.state == "SCHEDULED" and post.due is not None and self.now() >= post.due:
                post.state = "LIVE"
            if post.state == "LIVE" and post.entry is None:
                media = [f"{post.name}/media/{place}" for place, _ in enumerate(post.body.get("media") or ())]
                post.entry = self.visible(post.profile_id, post.name, post.body.get("summary", ""), media, post=dict(post.body))
                post.entry.at = max(post.until, post.due or post.until)

    def _managed(self, request: Request, parent: str) -> Location | None:
        owner = self.owner(request)
        mine = self.locations.get(owner or "", [])
        return next((one for one in mine if parent in (one.name, self._group_name(one))), None)

    def _group_name(self, location: Location) -> str:
        return f"accounts/9{location.account.rpartition('/')[2]}/locations/{location.number}" if self.shared else location.name

    def _create(self, request: Request, parent: str) -> Response:
        location, body = self._managed(request, parent), request.get_json(silent=True)
        if not self.approved:
            return self.rate_limited(1.0)
        if location is None:
            return rpc_error(404, "Requested entity was not found.")
        if not isinstance(body, dict) or request.args:
            return rpc_error(400, "Invalid JSON payload received.")
        wrong = _wrong(body, self.now()) or self._wrong_photo(body)
        if wrong is not None:
            return wrong
        due = _time(body["scheduledTime"]) if "scheduledTime" in body else None
        fate, until = self.fates.pop(0) if self.fates else "LIVE", self.now() + timedelta(seconds=self.processing_seconds)
        name = f"{parent}/localPosts/{8_000_000_000 + self.next_number()}"
        self.posts[name] = LocalPost(name, location.profile_id, body, self.now(), until, due, fate, "PROCESSING")
        self.tick()
        return answer(200, self._shown(self.posts[name]))

    def _wrong_photo(self, body: Mapping[str, Any]) -> Response | None:
        for item in body.get("media") or ():
            pulled = self.world.pull(item["sourceUrl"])
            if pulled.status != 200:
                return _invalid([{"code": 1000, "message": "Fetching image failed."}])
            if pulled.mime not in ("image/jpeg", "image/png") or not PHOTO_BYTES[0] <= pulled.size <= PHOTO_BYTES[1]:
                return _field("media", "Photo is too small, too large, or of no known format.")
        return None

    def _shown(self, post: LocalPost) -> dict[str, Any]:
        media = [{"name": f"{post.name}/media/1", "mediaFormat": "PHOTO", "googleUrl": "https://lh3.example/p/1"}]
        body = {name: value for name, value in post.body.items() if name != "media"}
        return {
            "name": post.name, **body, **({"media": media} if "media" in post.body else {}), "state": post.state,
            "createTime": _zulu(post.created), "updateTime": _zulu(post.created),
            "searchUrl": f"https://local.google.com/place?id={post.name.rpartition('/')[2]}&use=posts",
        }

    def _list(self, request: Request, parent: str) -> Response:
        size = request.args.get("pageSize", "20")
        if set(request.args) - {"pageSize", "pageToken"} or not size.isdigit() or not 1 <= int(size) <= 100:
            return rpc_error(400, "Request contains an invalid argument.")
        if self._managed(request, parent) is None:
            return rpc_error(404, "Requested entity was not found.")
        mine = [post for post in self.posts.values() if post.name.startswith(f"{parent}/")]
        newest = sorted(mine, key=lambda post: post.created, reverse=True)
        first, count = int(request.args.get("pageToken", "0")), min(int(size), self.page_size)
        more = {"nextPageToken": str(first + count)} if first + count < len(newest) else {}
        shown = [self._shown(post) for post in newest[first:first + count]]
        return answer(200, {**({"localPosts": shown} if shown else {}), **more})

    def _find(self, request: Request, parent: str, post: str) -> LocalPost | None:
        return self.posts.get(f"{parent}/localPosts/{post}") if self._managed(request, parent) is not None else None

    def _get(self, request: Request, parent: str, post: str) -> Response:
        found = self._find(request, parent, post)
        return rpc_error(404, "Requested entity was not found.") if found is None else answer(200, self._shown(found))

    def _delete(self, request: Request, parent: str, post: str) -> Response:
        found = self._find(request, parent, post)
        if found is None:
            return rpc_error(404, "Requested entity was not found.")
        del self.posts[found.name]
        if found.entry is not None:
            found.entry.gone = True
        return answer(200, {})

    def _accounts(self, request: Request) -> Response:
        unknown = set(request.args) - {"pageSize", "pageToken", "filter", "parentAccount"}
        if unknown or int(request.args.get("pageSize", "20")) > 20:
            return rpc_error(400, "Request contains an invalid argument.")
        mine = self.locations.get(self.owner(request) or "", [])
        found = [{"name": one.account, "accountName": "Dateline", "type": "PERSONAL", "role": "OWNER"} for one in mine[:1]]
        if mine and self.shared:
            group = f"accounts/9{mine[0].account.rpartition('/')[2]}"
            found.append({"name": group, "accountName": "Dateline, all shops", "type": "LOCATION_GROUP", "role": "OWNER"})
        return self._page(request, "accounts", found)

    def _locations(self, request: Request, account: str) -> Response:
        mask = request.args.get("readMask", "")
        unknown = set(request.args) - {"pageSize", "pageToken", "filter", "orderBy", "readMask"}
        if unknown or not mask or int(request.args.get("pageSize", "10")) > 100:
            detail = {"@type": "type.googleapis.com/google.rpc.BadRequest",
                      "fieldViolations": [{"field": "read_mask", "description": "Invalid field mask provided"}]}
            return rpc_error(400, "Request contains an invalid argument.", [detail])
        mine = self.locations.get(self.owner(request) or "", [])
        listed = [one for one in mine if self.shared or one.account == account]
        return self._page(request, "locations", [_shown_location(one, mask) for one in listed])

    def _page(self, request: Request, member: str, rows: list[dict[str, Any]]) -> Response:
        first = int(request.args.get("pageToken", "0"))
        count = min(self.page_size, int(request.args.get("pageSize", "10")))
        more = {"nextPageToken": str(first + count)} if first + count < len(rows) else {}
        return answer(200, {**({member: rows[first:first + count]} if rows else {}), **more})

    def _location(self, request: Request, location: str) -> Response:
        mine = self.locations.get(self.owner(request) or "", [])
        found = next((one for one in mine if one.number == location), None)
        if found is None:
            return rpc_error(404, "Requested entity was not found.")
        return answer(200, _shown_location(found, request.args.get("readMask", "")))


def _shown_location(location: Location, mask: str) -> dict[str, Any]:
    whole = {
        "name": f"locations/{location.number}", "title": location.title,
        "storefrontAddress": {"regionCode": "DE", "locality": location.town, "addressLines": ["Hafen 1"]},
    }
    return {name: whole[name] for name in mask.split(",") if name in whole}


def _zulu(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(value: Any) -> datetime | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", str(value)):
        return None
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _invalid(errors: list[dict[str, Any]]) -> Response:
    detail = {"@type": "type.googleapis.com/google.mybusiness.v4.ValidationError", "errorDetails": errors}
    return rpc_error(400, "Request contains an invalid argument.", [detail])


def _field(field: str, message: str) -> Response:
    return _invalid([{"code": 3, "field": field, "message": message}])


def _wrong(body: Mapping[str, Any], now: datetime) -> Response | None:
    """Google's 400 for the first thing that a LocalPost does not have, or not so."""
    for name, value in body.items():
        if name not in MEMBERS or not isinstance(value, MEMBERS[name]):
            return rpc_error(400, f'Invalid JSON payload received. Unknown name "{name}" at \'local_post\': Cannot find field.')
        if isinstance(value, dict) and set(value) - set(PARTS[name]):
            return rpc_error(400, f"Invalid JSON payload received. Unknown name at 'local_post.{name}': Cannot find field.")
    topic = body.get("topicType")
    if topic not in ("STANDARD", "EVENT", "OFFER"):
        return _field("topic_type", "topic_type is required")
    if len(body.get("summary", "")) > 1500:
        return _field("summary", "Summary is too long")
    if not body.get("summary", "").strip() and not body.get("media"):
        return _field("summary", "A post needs a summary or a photo")
    if (topic != "STANDARD") != ("event" in body):
        return _field("event", "event is required for events and offers, and for these only")
    if "event" in body and (not str(body["event"].get("title") or "").strip() or not _is_schedule(body["event"].get("schedule"))):
        return _field("event.schedule", "Event needs a title and a schedule")
    if ("offer" in body) != (topic == "OFFER"):
        return _field("offer", "offer belongs to the topic type OFFER")
    action = body.get("callToAction")
    if action is not None and (action.get("actionType") not in ACTIONS or ("url" in action) == (action["actionType"] == "CALL")):
        return _field("call_to_action", "Call to action needs a type, and a url unless it is a call")
    media = body.get("media") or []
    if len(media) > 1 or any(set(item) != {"mediaFormat", "sourceUrl"} or item["mediaFormat"] != "PHOTO" for item in media):
        return _field("media", "One photo by its source_url is supported")
    if "scheduledTime" in body and ((at := _time(body["scheduledTime"])) is None or at <= now):
        return _field("scheduled_time", "Scheduled time must be in the future")
    return None


def _is_schedule(schedule: Any) -> bool:
    """Whether it is a TimeInterval: two dates, in order, each with or without a time of day."""
    if not isinstance(schedule, dict) or set(schedule) - {"startDate", "startTime", "endDate", "endTime"}:
        return False
    try:
        days = [date(**schedule[f"{side}Date"]) for side in ("start", "end")]
    except (KeyError, TypeError, ValueError):
        return False
    times = [schedule[f"{side}Time"] for side in ("start", "end") if f"{side}Time" in schedule]
    fit = all(not set(one) - {"hours", "minutes", "seconds", "nanos"} and 0 <= one.get("hours", 0) <= 24 for one in times)
    return days[0] <= days[1] and fit
