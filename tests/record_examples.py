"""Runs Dateline in this process and keeps one real answer of every route and of every refusal that can be had at will.

`python -m tests.record_examples` writes them to tools/openapi_examples.json, where the OpenAPI file takes its examples from; a
test finds out when they have lost touch with the real ones.
"""

from __future__ import annotations

import json
import re
import sys
from contextvars import Context
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from dateline.domain.connection import CHOOSING, Connection, Offer
from dateline.domain.ids import new_id
from local.seed import TEST_KEY
from tests.contract.inprocess import InProcessHttp
from tests.harness import NETWORKS_URL, START, Dateline
from tools.openapi import EXAMPLES

Json = dict[str, Any]

_IDS = re.compile(r"\b(post|prof|key|bulk|queue|resv|media|conn)_([0-9A-HJKMNP-TV-Z]{26})\b")
_CONSENT = re.compile(r"(state=conn_[0-9A-Z]{26}\.|code_challenge=)[\w-]{43}")
_SECRET = re.compile(r"\bdl_(live|test)_[\w-]{32}\b")


class _Recorder:
    """Asks and keeps. Ids that change from run to run are replaced by fixed ones."""

    def __init__(self, dateline: Dateline) -> None:
        self.dateline = dateline
        self.answers: Json = {}
        self.problems: Json = {}
        self._ids: dict[str, str] = {}

    def ask(
        self, route: str, ids: str = "", body: Json | None = None, *, query: str = "", key: str | None = "dl_live_local"
    ) -> Json:
        """One call of `route` ("POST /v1/posts"), its path's names filled by `ids` (separated by blanks); the answer, kept."""
        method, path = route.split()
        for value in ids.split():
            path = re.sub(r"{\w+}", value, path, count=1)
        answer = self.dateline.api(method, path + query, body, key=key)
        assert answer.status < 300, (route, answer.body)
        kept: Json = {"status": answer.status}
        if body is not None:
            kept["request"] = body
        if answer.body:
            kept["answer"] = answer.json()
        self.answers[route] = self._stable(kept)
        found: Json = answer.json() if answer.body else {}
        return found

    def refuse(self, method: str, path: str, body: Any = None, **how: Any) -> None:
        """One call that is refused; the problem, kept by its code."""
        answer = self.dateline.api(method, path, body, **how)
        problem = answer.json()
        assert answer.status >= 400, answer.body
        self.problems[problem["code"]] = self._stable(problem)

    def _stable(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _CONSENT.sub(lambda match: match[1] + "0" * 43, value)
            value = value.replace("http%3A%2F%2F127.0.0.1%3A8787", "https%3A%2F%2Fapi.example.com")
            value = _IDS.sub(self._renamed, value).replace(f"{NETWORKS_URL}/", "https://networks.example/")
            return _SECRET.sub(lambda match: f"dl_{match[1]}_" + "0" * 31 + "x", value)
        if isinstance(value, list):
            return [self._stable(one) for one in value]
        if isinstance(value, dict):
            return {name: self._stable(one) for name, one in value.items()}
        return value

    def _renamed(self, match: re.Match[str]) -> str:
        number = len(self._ids) + 1
        return self._ids.setdefault(match[0], f"{match[1]}_01MRG0{number:020d}")


def record() -> Json:
    """`{"answers": {route: {status, request, answer}}, "problems": {code: problem}}`."""
    with Dateline() as dateline:
        recorder = _Recorder(dateline)
        _posts(recorder)
        _rest(recorder)
        _problems(recorder)
        _queues(recorder)
        _consent(recorder)
        _admission(recorder)
        _media(recorder)
        return {"answers": recorder.answers, "problems": recorder.problems}


def _posts(recorder: _Recorder) -> None:
    dateline = recorder.dateline
    create = {
        "text": "Our biggest update yet.", "profileIds": ["prof_mastodon", "prof_bluesky"], "scheduledFor": "2027-06-16T09:00:00",
        "timezone": "America/New_York", "platforms": {"mastodon": {"visibility": "unlisted"}}, "labels": ["launch"],
        "metadata": {"crmId": "42"},
    }
    post = recorder.ask("POST /v1/posts", body=create)["id"]
    recorder.ask("POST /v1/posts/validate", body={**create, "text": "A" * 400, "scheduledFor": "2027-06-16T09:00:00Z"})
    recorder.ask("GET /v1/posts", query="?status=scheduled&limit=1")
    recorder.ask("PATCH /v1/posts/{post_id}", post, {"scheduledFor": "2027-06-17T18:30:00"})
    recorder.ask("GET /v1/posts/{post_id}", post)
    sleep = dateline.clock.sleep

    def pumped(seconds: float) -> None:
        sleep(seconds)
        dateline.clock.sleep = sleep  # type: ignore[method-assign]
        Context().run(dateline.stack.settle, timers=False)

    dateline.clock.sleep = pumped  # type: ignore[method-assign]
    recorder.ask("POST /v1/posts/{post_id}/publish", post, {})
    dateline.stack.pump_stream()
    recorder.ask("GET /v1/posts/{post_id}/events", post, query="?limit=2")
    recorder.ask("GET /v1/posts/{post_id}/attempts", post)
    dateline.world.add_fault("x", "reject")
    failed = dateline.post("prof_x", text="Refused once", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    recorder.ask("POST /v1/posts/{post_id}/retry", failed, {"profileIds": ["prof_x"]})
    gone = dateline.post("prof_mastodon", text="Said too soon", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    dateline.clock.sleep = pumped  # type: ignore[method-assign]
    recorder.ask("POST /v1/posts/{post_id}/unpublish", gone, {})
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=600)
    waiting = dateline.post("prof_mastodon", text="Told to wait", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    recorder.ask("POST /v1/posts/{post_id}/stop", waiting, {})
    sent = {
        "text": "?",
        "profileIds": ["prof_sandbox"],
        "publishNow": True,
        "platforms": {"sandbox": {"simulate": "unconfirmed"}},
    }
    unclear = dateline.api("POST", "/v1/posts", sent, key=TEST_KEY).json()["id"]
    ask = lambda: dateline.api("GET", f"/v1/posts/{unclear}", key=TEST_KEY).json()["status"]  # noqa: E731
    dateline.stack.run_until(lambda: ask() == "unconfirmed", limit=timedelta(hours=1), timers=False)
    outcome = {"outcome": "published", "remoteId": "sandbox_1", "url": "https://sandbox.invalid/sandbox_1"}
    recorder.ask("POST /v1/posts/{post_id}/targets/{profile_id}/resolve", f"{unclear} prof_sandbox", outcome, key=TEST_KEY)
    rows = [
        {"text": f"{words}.", "profileIds": ["prof_mastodon"], "scheduledFor": f"2027-06-18T{hour}:00:00Z"}
        for hour, words in (("09", "Doors open"), ("10", "Last call"))
    ]
    imported = recorder.ask("POST /v1/posts/bulk", body=rows)["id"]  # type: ignore[arg-type]
    recorder.ask("GET /v1/bulk/{bulk_id}", imported)
    recorder.ask("DELETE /v1/bulk/{bulk_id}", imported)
    recorder.ask("GET /v1/profiles/{profile_id}/limits", "prof_mastodon")
    dateline.api("PATCH", "/v1/workspace", {"approvalsRequired": True})
    for answer in ("approve", "reject"):
        waiting = dateline.post("prof_mastodon", text=f"To {answer}", at=START + timedelta(days=3))["id"]
        reason: Json = {"reason": "The date is wrong."} if answer == "reject" else {}
        recorder.ask(f"POST /v1/posts/{{post_id}}/{answer}", waiting, reason)
    dateline.api("PATCH", "/v1/workspace", {"approvalsRequired": False})
    recorder.ask("DELETE /v1/posts/{post_id}", dateline.post("prof_x", text="Not after all", at=START + timedelta(days=2))["id"])


def _rest(recorder: _Recorder) -> None:
    dateline = recorder.dateline
    recorder.ask("GET /v1/platforms", query="?limit=1")
    recorder.ask("GET /v1/platforms/{name}", "bluesky")
    offered: Json = dateline.world.networks["mastodon"].credentials_for("prof_example")
    server = NETWORKS_URL + offered["server"]
    profile = {"platform": "mastodon", "server": server, "credentials": offered["credentials"], "name": "Our account"}
    made = recorder.ask("POST /v1/profiles", body=profile)["id"]
    kept = recorder.answers["POST /v1/profiles"]
    kept["request"]["credentials"] = {"accessToken": "…"}
    recorder.ask("GET /v1/profiles", query="?platform=mastodon&limit=1")
    recorder.ask("GET /v1/profiles/{profile_id}", "prof_mastodon")
    recorder.ask("GET /v1/profiles/{profile_id}/health", "prof_mastodon")
    recorder.ask("PATCH /v1/profiles/{profile_id}", "prof_mastodon", {"name": "Our Mastodon"})
    recorder.ask("DELETE /v1/profiles/{profile_id}", made)
    recorder.ask("GET /v1/workspace")
    recorder.ask("PATCH /v1/workspace", body={"name": "Our workspace", "maxLateness": "P1D", "minSpacingMinutes": 0})
    key = recorder.ask("POST /v1/keys", body={"name": "CI", "scopes": ["posts:read", "posts:write"]})["id"]
    recorder.ask("GET /v1/keys", query="?limit=1")
    recorder.ask("DELETE /v1/keys/{key_id}", key)
    recorder.ask("GET /v1/events", query="?after=0&limit=1")
    recorder.ask("GET /health", key=None)


def _problems(recorder: _Recorder) -> None:
    dateline, refuse = recorder.dateline, recorder.refuse
    post = {"text": "Hello", "profileIds": ["prof_mastodon"]}
    scheduled = dateline.post("prof_mastodon", text="Tomorrow", at=dateline.clock.now() + timedelta(days=1))["id"]
    reader = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}).json()["secret"]
    for wrong in (
        {"text": "Hello", "scheduleFor": "2027-06-16T09:00:00Z"}, {**post, "scheduledFor": "tomorrow"},
        {**post, "scheduledFor": "2027-06-16T09:00:00"},
        {**post, "scheduledFor": "2027-06-16T09:00:00-05:00", "timezone": "America/New_York"},
        {**post, "scheduledFor": "2027-06-16T09:00:00", "timezone": "America/NewYork"},
        {**post, "scheduledFor": "2028-03-26T02:30:00", "timezone": "Europe/Berlin"},
        {**post, "scheduledFor": "2027-06-14T09:00:00Z"}, {**post, "scheduledFor": "2029-06-16T09:00:00Z"},
        {**post, "text": "日" * 150, "profileIds": ["prof_x"], "scheduledFor": "2027-07-01T09:00:00Z"},
        {**post, "profileIds": ["prof_mastodon", "prof_nobody"]}, {**post, "text": "a" * 1_000_001},
    ):
        refuse("POST", "/v1/posts", wrong)
    refuse("GET", "/v1/posts", key=None)
    refuse("POST", "/v1/posts", {"text": "Hello"}, key=reader)
    refuse("PUT", f"/v1/posts/{scheduled}", {})
    refuse("PATCH", f"/v1/posts/{scheduled}", {"text": "New"}, headers={"if-match": '"7"'})
    refuse("POST", "/v1/posts", "text=Hello", headers={"content-type": "application/x-www-form-urlencoded"})
    dateline.api("POST", "/v1/posts", post, headers={"idempotency-key": "order-1"})
    refuse("POST", "/v1/posts", {"text": "Another"}, headers={"idempotency-key": "order-1"})
    done = dateline.post("prof_mastodon", text="Out", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    refuse("DELETE", f"/v1/posts/{done}")


def _consent(recorder: _Recorder) -> None:
    dateline, deps, now = recorder.dateline, recorder.dateline.deps, recorder.dateline.clock.now()
    body: Json = {"name": "Our account"}
    begun = recorder.ask("POST /v1/connect/{platform}", "x", body)
    sent = InProcessHttp.request(dateline.http, "GET", f"{begun['authorizeUrl']}&as=prof_example")
    recorder.ask("GET /v1/connect/callback", query="?" + urlsplit(sent.headers["location"]).query, key=None)
    recorder.ask("GET /v1/connections/{connection_id}", begun["connectionId"])
    offers = [Offer("1", "@example"), Offer("2", "@another")]
    several = Connection(
        new_id("conn", now), "wks_local", "live", "x", "", "", "", now, now + CHOOSING, status="choosing", offers=offers
    )
    grant = {"accessToken": "an access token", "refreshToken": "a refresh token"}
    several.sealed = [deps.secrets.seal("wks_local", several.id, grant)]
    deps.connections.save(several)
    recorder.ask("POST /v1/connections/{connection_id}", several.id, {"accountIds": ["2"]})


def _queues(recorder: _Recorder) -> None:
    weekdays = ("monday", "wednesday", "friday")
    queue = recorder.ask("POST /v1/queues", body={
        "name": "Mornings", "timezone": "Europe/Berlin", "slots": [{"day": day, "time": "09:30"} for day in weekdays],
        "blackoutDates": ["2027-12-24"],
    })["id"]
    recorder.ask("GET /v1/queues", query="?limit=1")
    recorder.ask("PATCH /v1/queues/{queue_id}", queue, {"capacity": 2})
    reservation = recorder.ask("POST /v1/queues/{queue_id}/reservations", queue, {"expiresIn": "PT30M"})["id"]
    recorder.ask("GET /v1/queues/{queue_id}", queue)
    recorder.ask("GET /v1/queues/{queue_id}/slots", queue, query="?limit=2")
    recorder.ask("DELETE /v1/queues/{queue_id}/reservations/{reservation_id}", f"{queue} {reservation}")
    recorder.ask("DELETE /v1/queues/{queue_id}", queue)


def _admission(recorder: _Recorder) -> None:
    """Refusals by the plan, the calendar, a cap and the register of contents."""
    dateline, refuse = recorder.dateline, recorder.refuse
    workspaces = dateline.deps.workspaces

    def body(text: str, profile: str = "prof_mastodon", hour: int = 9, **more: Any) -> Json:
        return {"text": text, "profileIds": [profile], "scheduledFor": f"2027-07-12T{hour:02}:00:00Z", **more}

    plan = {"name": "Starter", "pendingTargets": {"limit": 3, "scope": "workspace"}, "excludedPlatforms": ["x"]}
    settings = workspaces.settings("wks_local")
    workspaces.save_settings("wks_local", {**settings, "plan": plan})
    for hour, text in ((9, "The one"), (10, "The second"), (11, "The third")):
        dateline.api("POST", "/v1/posts", body(text, hour=hour))
    refuse("POST", "/v1/posts", body("One more", hour=12))
    refuse("POST", "/v1/posts", {"text": "A draft", "profileIds": ["prof_x"]})
    workspaces.save_settings("wks_local", {**settings, "min_spacing_minutes": 15})
    refuse("POST", "/v1/posts", body("At the same time"))
    workspaces.save_settings("wks_local", settings)
    refuse("POST", "/v1/posts", body("The one", hour=15))
    dateline.api("PATCH", "/v1/profiles/prof_bluesky", {"settings": {"dailyPosts": 2}})
    for hour, text in ((9, "Good morning"), (12, "Lunch")):
        dateline.api("POST", "/v1/posts", body(text, "prof_bluesky", hour))
    refuse("POST", "/v1/posts", body("And another", "prof_bluesky", 15))


def _media(recorder: _Recorder) -> None:
    recorder.ask("POST /v1/media", body={"contentType": "image/png", "bytes": 73, "filename": "launch.png"})
    kept = recorder.answers["POST /v1/media"]["answer"]["upload"]
    kept["url"] = kept["url"].partition("?")[0] + "?X-Amz-Signature=…"
    copied = recorder.dateline.api("POST", "/v1/media", {"url": "https://cdn.example.com/launch.mp4"}).json()["id"]
    recorder.dateline.stack.settle(timers=False)
    recorder.ask("GET /v1/media/{media_id}", copied)
    recorder.ask("DELETE /v1/media/{media_id}", copied)


def main() -> int:
    """Write the file."""
    EXAMPLES.write_text(json.dumps(record(), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
