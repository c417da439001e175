"""What a client gets wrong: each refusal names the field and the rule, and nothing at all is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.seed import LIVE_KEY
from tests.api_checks import nothing_written, refused
from tests.harness import START, Dateline

FOUR = ["prof_mastodon", "prof_bluesky", "prof_x", "prof_telegram"]
TOMORROW = "2027-06-16T09:00:00Z"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
"""One family: one grapheme, 7 code points, 11 UTF-16 units, 25 bytes."""

LINK = "https://example.com/" + "a" * 200


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        running.post("prof_mastodon", text="Already here", at=START + timedelta(days=1))
        running.second_workspace()
        yield running


def body(**members: Any) -> dict[str, Any]:
    """A post that would be scheduled, with these members changed; `...` takes one out."""
    whole: dict[str, Any] = {"text": "Hello", "profileIds": ["prof_mastodon"], "scheduledFor": TOMORROW, **members}
    return {name: value for name, value in whole.items() if value is not ...}


def wall(local: Any, zone: Any = ..., **more: Any) -> dict[str, Any]:
    return body(scheduledFor=local, timezone=zone, **more)


def on(platform: str, text: str, **more: Any) -> dict[str, Any]:
    return body(text=text, profileIds=[f"prof_{platform}"], **more)


TIMES: dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]] = {
    "a naive time": (wall("2027-06-16T09:00:00"), "timezone_required", "/scheduledFor", {}),
    "an unknown zone": (
        wall("2027-06-16T09:00:00", "America/Newyork"), "unknown_timezone", "/timezone",
        {"suggestions": ["America/New_York", "America/Nuuk", "America/Nome"]},
    ),
    "an offset as a zone": (wall("2027-06-16T09:00:00", "+02:00"), "unknown_timezone", "/timezone", {"suggestions": []}),
    "a path as a zone": (wall("2027-06-16T09:00:00", "../../etc/passwd"), "unknown_timezone", "/timezone", {}),
    "a local time that does not exist": (
        wall("2028-03-26T02:30:00", "Europe/Berlin"), "nonexistent_local_time", "/scheduledFor",
        {"nearest": ["2028-03-26T01:59:59", "2028-03-26T03:00:00"]},
    ),
    "an offset that the zone does not have": (
        wall("2027-06-16T09:00:00-05:00", "America/New_York"), "timezone_conflict", "/scheduledFor", {"offsets": ["-04:00"]}
    ),
    "a second ago": (
        wall("2027-06-15T08:59:59Z"), "scheduled_time_in_past", "/scheduledFor",
        {"publishAt": "2027-06-15T08:59:59Z", "now": "2027-06-15T09:00:00Z"},
    ),
    "this very moment": (wall("2027-06-15T09:00:00Z"), "scheduled_time_in_past", "/scheduledFor", {}),
    "366 days ahead": (
        wall("2028-06-15T09:00:00Z"), "beyond_horizon", "/scheduledFor", {"limitDays": 365, "latest": "2028-06-14T09:00:00Z"}
    ),
    "a second beyond 365 days": (wall("2028-06-14T09:00:01Z"), "beyond_horizon", "/scheduledFor", {"limitDays": 365}),
    "no time at all": (wall("tomorrow at noon"), "invalid_time", "/scheduledFor", {}),
    "a date alone": (wall("2027-06-16"), "invalid_time", "/scheduledFor", {}),
    "the 31st of June": (wall("2027-06-31T09:00:00Z"), "invalid_time", "/scheduledFor", {}),
    "an empty time": (wall(""), "invalid_time", "/scheduledFor", {}),
    "an empty zone": (wall("2027-06-16T09:00:00", ""), "unknown_timezone", "/timezone", {}),
    "a very long time": (wall("2" * 100_000), "invalid_time", "/scheduledFor", {}),
    "a zone without a time": (wall(..., "Europe/Berlin"), "invalid_request", "/timezone", {}),
    "a fold without a time": (wall(..., fold=1), "invalid_request", "/fold", {}),
    "two times": (body(publishNow=True), "invalid_request", "/publishNow", {}),
    "a lateness that is none": (body(maxLateness="30 minutes"), "invalid_request", "/maxLateness", {}),
    "a lateness of months": (body(maxLateness="P1M"), "invalid_request", "/maxLateness", {}),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_time_that_cannot_be_meant_is_refused(dateline: Dateline, name: str) -> None:
    sent, code, pointer, members = TIMES[name]
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/posts", sent), code, pointer, **members)


CONTENT: dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]] = {
    "x: 281 letters": (on("x", "a" * 281), "x.text.too_long", "/text", {"limit": 280, "measured": 281}),
    "x: wide characters count two": (on("x", "日" * 141), "x.text.too_long", "/text", {"limit": 280, "measured": 282}),
    "x: a link counts 23": (on("x", "a" * 257 + " " + LINK), "x.text.too_long", "/text", {"limit": 280, "measured": 281}),
    "bluesky: 301 graphemes": (
        on("bluesky", "a" * 301), "bluesky.text.too_long", "/text", {"limit": 300, "measured": 301, "unit": "graphemes"}
    ),
    "bluesky: few graphemes of many bytes": (
        on("bluesky", FAMILY * 121), "bluesky.text.too_many_bytes", "/text", {"limit": 3000, "measured": 3025, "unit": "bytes"}
    ),
    "mastodon: 501 characters": (on("mastodon", "a" * 501), "mastodon.text.too_long", "/text", {"limit": 500, "measured": 501}),
    "mastodon: a link counts 23": (
        on("mastodon", "a" * 477 + " " + LINK), "mastodon.text.too_long", "/text", {"limit": 500, "measured": 501}
    ),
    "telegram: 4,097 letters": (
        on("telegram", "a" * 4097), "telegram.text.too_long", "/text", {"limit": 4096, "measured": 4097, "unit": "UTF-16 units"}
    ),
    "telegram: emoji count two": (
        on("telegram", "😀" * 2049), "telegram.text.too_long", "/text", {"limit": 4096, "measured": 4098}
    ),
    "no content": (body(text=...), "mastodon.content.empty", "/text", {"platform": "mastodon", "profileId": "prof_mastodon"}),
    "blanks": (body(text=" \n\t "), "mastodon.content.empty", "/text", {}),
    "an empty segment": (
        body(text=..., thread=[{"text": "1"}, {"text": ""}]), "mastodon.content.empty", "/thread/1/text", {}
    ),
    "the text of an override": (
        body(platforms={"mastodon": {"text": "a" * 501}}), "mastodon.text.too_long", "/platforms/mastodon/text", {"measured": 501}
    ),
    "the thread of an override": (
        body(platforms={"mastodon": {"thread": [{"text": "1"}, {"text": "a" * 501}]}}), "mastodon.text.too_long",
        "/platforms/mastodon/thread/1/text", {},
    ),
    "five pictures on x": (
        on("x", "Look", media=[{"url": f"https://cdn.example.com/{n}.jpg"} for n in range(5)]), "x.media.too_many", "/media",
        {"limit": 4, "measured": 5},
    ),
    "a first comment where there is none": (
        on("telegram", "Hi", firstComment="And more"), "telegram.first_comment.unsupported", "/firstComment", {}
    ),
    "a long alternative text": (
        on("x", "Look", media=[{"url": "https://cdn.example.com/a.jpg", "altText": "a" * 1001}]), "x.alt_text.too_long",
        "/media/0", {},
    ),
}


@pytest.mark.parametrize("name", CONTENT)
def test_content_that_a_network_would_refuse_is_refused_with_the_rule_and_the_count(dateline: Dateline, name: str) -> None:
    sent, rule, pointer, members = CONTENT[name]
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/posts", sent), "content_invalid", pointer)
    entry = next(error for error in problem["errors"] if error["code"] == rule)
    assert entry["pointer"] == pointer and {**entry, **members} == entry


@pytest.mark.parametrize("name", CONTENT)
def test_a_draft_may_break_a_networks_rules_and_is_told(dateline: Dateline, name: str) -> None:
    sent, rule, pointer, members = CONTENT[name]
    draft = {name: value for name, value in sent.items() if name != "scheduledFor"}
    with nothing_written(dateline):
        answer = dateline.api("POST", "/v1/posts/validate", draft).json()
    assert answer["valid"] is True and answer["status"] == "draft" and answer["errors"] == []
    warning = next(one for one in answer["warnings"] if one["code"] == rule)
    assert warning["pointer"] == pointer and {**warning, **members} == warning


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("x", "a" * 280), ("x", "日" * 140), ("x", "a" * 256 + " " + LINK), ("bluesky", "a" * 300), ("bluesky", FAMILY * 120),
        ("mastodon", "a" * 500), ("mastodon", "a" * 476 + " " + LINK), ("telegram", "a" * 4096), ("telegram", "😀" * 2048),
    ],
)
def test_the_limit_itself_is_allowed(dateline: Dateline, platform: str, text: str) -> None:
    with nothing_written(dateline):
        answer = dateline.api("POST", "/v1/posts/validate", on(platform, text))
    assert answer.json()["valid"] is True, answer.body


def test_everything_wrong_with_a_post_is_said_at_once(dateline: Dateline) -> None:
    sent = body(text="日" * 600, profileIds=[*FOUR, "prof_nobody"], scheduledFor="2027-06-15T08:00:00Z")
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/posts", sent), "not_found", "/profileIds/4")
    assert {error["code"] for error in problem["errors"]} == {
        "not_found", "scheduled_time_in_past", "x.text.too_long", "bluesky.text.too_long", "mastodon.text.too_long"
    }


SHAPES: dict[str, tuple[Any, str]] = {
    "no profiles in a list": (body(profileIds=[]), "/profileIds"),
    "no profiles": (body(profileIds=...), "/profileIds"),
    "profiles that are null": (body(profileIds=None), "/profileIds"),
    "26 profiles": (body(profileIds=[f"prof_{n}" for n in range(26)]), "/profileIds"),
    "1,000 profiles": (body(profileIds=[f"prof_{n}" for n in range(1000)]), "/profileIds"),
    "a profile twice": (body(profileIds=["prof_x", "prof_mastodon", "prof_x"]), "/profileIds/2"),
    "a number as a profile": (body(profileIds=["prof_x", 7]), "/profileIds/1"),
    "a profile alone": (body(profileIds="prof_x"), "/profileIds"),
    "an unknown member": (body(scheduleFor=TOMORROW), "/scheduleFor"),
    "a member in the wrong case": (body(profile_ids=["prof_x"]), "/profile_ids"),
    "an unknown member of a medium": (body(media=[{"url": "https://a.example/b.jpg", "alt": "x"}]), "/media/0/alt"),
    "an unknown member of a segment": (body(text=..., thread=[{"text": "1"}, {"text": "2", "delay": 5}]), "/thread/1/delay"),
    "an unknown member of a medium in an override": (
        body(platforms={"x": {"media": [{"url": "https://a.example/b.jpg", "focus": 1}]}}), "/platforms/x/media/0/focus"
    ),
    "an unknown network": (body(platforms={"myspace": {"text": "x"}}), "/platforms/myspace"),
    "a network with a slash": (body(platforms={"a/b~c": {}}), "/platforms/a~1b~0c"),
    "text and thread": (body(thread=[{"text": "1"}]), "/thread"),
    "media beside a thread": (body(text=..., thread=[{"text": "1"}], media=[{"url": "https://a.example/b.jpg"}]), "/media"),
    "a thread of none": (body(text=..., thread=[]), "/thread"),
    "26 segments": (body(text=..., thread=[{"text": "x"}] * 26), "/thread"),
    "21 media": (body(media=[{"url": "https://a.example/b.jpg"}] * 21), "/media"),
    "a medium without a URL": (body(media=[{"type": "image"}]), "/media/0/url"),
    "a medium of another scheme": (body(media=[{"url": "file:///etc/passwd"}]), "/media/0/url"),
    "a medium of another type": (body(media=[{"url": "https://a.example/b.jpg", "type": "hologram"}]), "/media/0/type"),
    "a number as the text": (body(text=7), "/text"),
    "a list as the text": (body(text=["Hello"]), "/text"),
    "a string as a switch": (body(publishNow="yes", scheduledFor=...), "/publishNow"),
    "a string as the fold": (body(fold="1"), "/fold"),
    "a switch as the fold": (body(fold=True), "/fold"),
    "another fold": (body(fold=2), "/fold"),
    "a number as the time": (body(scheduledFor=1_800_000_000), "/scheduledFor"),
    "a list as metadata": (body(metadata=[1]), "/metadata"),
    "an empty label": (body(labels=["a", ""]), "/labels/1"),
    "a long label": (body(labels=["a" * 65]), "/labels/0"),
    "another onLate": (body(onLate="skip"), "/onLate"),
    "another onSegmentFailure": (body(onSegmentFailure="panic"), "/onSegmentFailure"),
    "metadata above 4 KB": (body(metadata={"a": "b" * 4096}), "/metadata"),
    "content above 64 KB": (body(text="日" * 22_000), "/text"),
    "a status": (body(status="scheduled"), "/status"),
    "a list as the body": ([body()], ""),
    "half of a surrogate pair": (body(text="\ud83d"), "/text"),
    "half of a surrogate pair in a name": (body(metadata={"\udc00": 1}), "/metadata"),
    "not a number": (body(metadata={"ratio": float("nan")}), "/metadata/ratio"),
    "infinity": (body(metadata={"ratio": [float("-inf")]}), "/metadata/ratio/0"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_body_of_the_wrong_shape_is_refused_and_its_member_named(dateline: Dateline, name: str) -> None:
    sent, pointer = SHAPES[name]
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/posts", json.dumps(sent)), "invalid_request", pointer)
    last = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    if last and not last.isdigit():
        assert last in problem["detail"]


def test_a_body_where_none_is_read_is_told_so(dateline: Dateline) -> None:
    answer = dateline.api("POST", "/v1/posts/post_none/stop", {"now": True})
    assert refused(answer, "invalid_request", "/now")["detail"] == "There is no member 'now'. Known here: none."


def test_profiles_times_segments_is_bounded(dateline: Dateline) -> None:
    sent = body(text=..., thread=[{"text": str(n)} for n in range(25)], profileIds=[f"prof_{n}" for n in range(9)])
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/posts", sent), "invalid_request", "/profileIds")


@pytest.mark.parametrize("id", ["prof_other", "prof_nobody", "prof_sandbox", "", "x" * 3000, "post_1", "🦆"])
def test_a_profile_that_the_workspace_does_not_have_is_404_at_its_place(dateline: Dateline, id: str) -> None:
    for sent in (body(profileIds=["prof_x", id]), {"text": "A draft", "profileIds": ["prof_x", id]}):
        with nothing_written(dateline):
            refused(dateline.api("POST", "/v1/posts", sent), "not_found", "/profileIds/1")


RAW: dict[str, tuple[str | bytes, str]] = {
    "a cut-off object": ('{"text": "Hello', "not valid JSON"),
    "a trailing comma": ('{"text": "Hello",}', "line 1, column"),
    "single quotes": ("{'text': 'Hello'}", "not valid JSON"),
    "two documents": ("{}{}", "not valid JSON"),
    "bytes that are no UTF-8": (b'{"text": "\xff\xfe"}', "UTF-8"),
    "an infinite power": ('{"metadata": {"a": 1e999}}', "infinite"),
    "a deep list": ('{"metadata": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}", "nested too deeply"),
    "a list that is deep enough": ('{"metadata": {"a": ' + "[" * 33 + "]" * 33 + "}}", "nested too deeply"),
    "a long number": ('{"metadata": {"a": ' + "9" * 50_000 + "}}", "not valid JSON"),
    "a word": ("null", "must be a JSON object"),
    "a string": ('"Hello"', "must be a JSON object"),
}


@pytest.mark.parametrize("name", RAW)
def test_a_body_that_is_not_json_is_refused(dateline: Dateline, name: str) -> None:
    sent, said = RAW[name]
    for path in ("/v1/posts", "/v1/posts/validate", "/v1/profiles", "/v1/keys"):
        with nothing_written(dateline):
            answer = dateline.api("POST", path, sent)
        assert answer.status == 400 and answer.json()["code"] == "invalid_request", answer.body
        assert said in answer.json()["detail"]


@pytest.mark.parametrize("size", [1_000_001, 10_000_000])
def test_a_body_above_one_megabyte_is_413(dateline: Dateline, size: int) -> None:
    frame = json.dumps(body(text=""))
    sent = frame.replace('""', '"' + "a" * (size - len(frame)) + '"')
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/posts", sent), "too_large", limit=1_000_000)
        refused(dateline.api("POST", "/v1/posts/validate", sent), "too_large", limit=1_000_000)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/csv", "json"]
)
def test_a_body_that_does_not_say_json_is_415(dateline: Dateline, kind: str) -> None:
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/posts", json.dumps(body()), headers={"content-type": kind}), "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"])
def test_json_may_be_called_by_its_other_names(dateline: Dateline, kind: str) -> None:
    answer = dateline.api("POST", "/v1/posts/validate", json.dumps(body()), headers={"content-type": kind})
    assert answer.json()["valid"] is True


QUERIES = {
    **{f"/v1/posts?limit={n}": "/limit" for n in ("0", "101", "ten", "-1", "0001009", "", "1&limit=2", "%D9%A3")},
    **{f"/v1/posts?cursor={c}": "/cursor" for c in ("nonsense", "%F0%9F%A6%86", "WyJhIiwiYiJd")},
    "/v1/posts?cursor=bnVsbA": "/cursor", "/v1/posts?cursor=" + "W1tb" * 2000: "/cursor",
    "/v1/posts?status=done": "/status", "/v1/posts?status=draft,done": "/status", "/v1/posts?order=up": "/order",
    "/v1/posts?platform=myspace": "/platform", "/v1/posts?from=yesterday": "/from", "/v1/posts?to=2027-06-15T09:00:00": "/to",
    "/v1/posts?from=2027-06-16T00:00:00Z&to=2027-06-16T00:00:00Z": "/to", "/v1/posts?from=": "/from",
    "/v1/posts?profile_id=prof_x": "/profile_id", "/v1/events?after=-1": "/after", "/v1/events?after=x": "/after",
    "/v1/profiles?limit=1000": "/limit", "/v1/profiles?cursor=x": "/cursor", "/v1/profiles?platform=myspace": "/platform",
    "/v1/keys?cursor=x": "/cursor", "/v1/platforms?limit=0": "/limit",
}


@pytest.mark.parametrize("path", QUERIES, ids=[path[:50] for path in QUERIES])
def test_a_parameter_that_cannot_be_read_is_refused(dateline: Dateline, path: str) -> None:
    with nothing_written(dateline):
        refused(dateline.api("GET", path), "invalid_request", QUERIES[path])


HEADERS = {
    "an empty idempotency key": ({"idempotency-key": ""}, "/idempotency-key"),
    "a long idempotency key": ({"idempotency-key": "k" * 256}, "/idempotency-key"),
    "a wait in words": ({"prefer": "wait=long"}, "/prefer"),
    "a wait that is negative": ({"prefer": "wait=-5"}, "/prefer"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_cannot_be_read_is_refused_before_anything_is_written(dateline: Dateline, name: str) -> None:
    headers, pointer = HEADERS[name]
    with nothing_written(dateline):
        sent = {"text": "Now", "profileIds": ["prof_x"], "publishNow": True}
        refused(dateline.api("POST", "/v1/posts", sent, headers=headers), "invalid_request", pointer)


@pytest.mark.parametrize("value", ["abc", "-1", '"1', "9" * 5000, "٣", '"1", "2"'])
def test_an_if_match_that_is_no_revision_is_refused(dateline: Dateline, value: str) -> None:
    post = dateline.api("GET", "/v1/posts?limit=1").json()["data"][0]["id"]
    with nothing_written(dateline):
        answer = dateline.api("PATCH", f"/v1/posts/{post}", {"text": "New"}, headers={"if-match": value})
        refused(answer, "invalid_request", "/if-match")


PATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, ""),
    "an unknown member": ({"publishAt": TOMORROW}, "/publishAt"),
    "publishNow, which is a status here": ({"publishNow": True}, "/publishNow"),
    "a status that is not to be chosen": ({"status": "published"}, "/status"),
    "now and later": ({"status": "publish", "scheduledFor": TOMORROW}, "/scheduledFor"),
    "a scheduled post without a time": ({"scheduledFor": None}, "/scheduledFor"),
    "a scheduled post without profiles": ({"profileIds": None}, "/profileIds"),
    "a profile twice": ({"profileIds": ["prof_x", "prof_x"]}, "/profileIds/1"),
}


@pytest.mark.parametrize("name", PATCHES)
def test_an_edit_is_refused_like_a_create(dateline: Dateline, name: str) -> None:
    sent, pointer = PATCHES[name]
    post = dateline.api("GET", "/v1/posts?status=scheduled&limit=1").json()["data"][0]["id"]
    with nothing_written(dateline):
        refused(dateline.api("PATCH", f"/v1/posts/{post}", sent), "invalid_request", pointer)
        refused(dateline.api("PATCH", f"/v1/posts/{post}", {"text": "a" * 501}), "content_invalid", "/text")
        refused(dateline.api("PATCH", f"/v1/posts/{post}", {"profileIds": ["prof_other"]}), "not_found", "/profileIds/0")
        late = dateline.api("PATCH", f"/v1/posts/{post}", {"scheduledFor": "2027-06-15T08:00:00Z"})
        refused(late, "scheduled_time_in_past", "/scheduledFor")


def test_validate_says_what_create_would_say(dateline: Dateline) -> None:
    for sent, code, pointer, members in TIMES.values():
        answer = dateline.api("POST", "/v1/posts/validate", sent, key=LIVE_KEY)
        said = answer.json()
        assert (answer.status, said["valid"], said["code"], said["status"]) == (200, False, code, None)
        assert said["errors"][0]["pointer"] == pointer and {**said["problem"], **members} == said["problem"]
        assert said["problem"] == {**dateline.api("POST", "/v1/posts", sent).json(), "instance": "/v1/posts"}
