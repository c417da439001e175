"""Media are looked at before a post is scheduled: what surely breaks a rule is refused, what cannot be seen now is a warning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.platforms.base import Retry
from local.networks import files
from local.networks.files import File
from tests.api_checks import nothing_written, refused
from tests.harness import START, Dateline

URL = "https://cdn.example.com/launch.jpg"
AT = "2027-06-16T09:00:00Z"


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def body(*media: Any, profile: str = "prof_bluesky", **more: Any) -> dict[str, Any]:
    return {"text": "Look", "profileIds": [profile], "scheduledFor": AT, "media": list(media), **more}


def codes(post: dict[str, Any]) -> list[tuple[str, str]]:
    return [(warning["code"], warning["pointer"]) for warning in post["warnings"]]


def fetches(dateline: Dateline) -> int:
    return len(dateline.http.fetched)


def test_a_file_that_the_network_takes_is_scheduled_without_a_word(dateline: Dateline) -> None:
    answer = dateline.api("POST", "/v1/posts", body({"url": URL}))
    assert answer.status == 201 and answer.json()["warnings"] == []
    assert answer.json()["media"] == [{"url": URL, "type": "image"}]
    assert fetches(dateline) == 1


@pytest.mark.parametrize("path", ["/v1/posts", "/v1/posts/validate"])
def test_a_file_in_a_format_the_network_does_not_take_is_refused_by_its_rule(dateline: Dateline, path: str) -> None:
    dateline.http.files[URL] = File(b"BM" + bytes(100), "image/bmp")
    with nothing_written(dateline):
        answer = dateline.api("POST", path, body({"url": URL, "type": "image"}))
    problem = answer.json() if path == "/v1/posts" else answer.json()["problem"]
    assert problem["code"] == "content_invalid"
    fault = problem["errors"][0]
    assert (fault["code"], fault["pointer"]) == ("bluesky.media.format", "/media/0") and "image/bmp" in fault["detail"]


def test_a_file_that_is_too_large_is_refused_after_its_first_bytes(dateline: Dateline) -> None:
    dateline.http.files[URL] = File(files.jpeg().data + bytes(3_000_000), "image/jpeg")
    problem = refused(dateline.api("POST", "/v1/posts", body({"url": URL})), "content_invalid", "/media/0")
    assert problem["errors"][0]["code"] == "bluesky.media.too_large"
    assert problem["errors"][0]["measured"] == len(files.jpeg().data) + 3_000_000
    assert sum(taken for *_, taken in dateline.http.fetched) < 300_000


def test_a_page_in_place_of_a_picture_is_named_as_what_it_is(dateline: Dateline) -> None:
    dateline.http.files[URL] = File(b"<!doctype html><title>Sign in</title>", "text/html")
    problem = refused(dateline.api("POST", "/v1/posts", body({"url": URL})), "content_invalid", "/media/0")
    assert "text/html" in problem["detail"]


def test_the_content_decides_over_the_type_that_was_declared(dateline: Dateline) -> None:
    dateline.http.files[URL] = files.mp4()
    made = dateline.api("POST", "/v1/posts", body({"url": URL, "type": "image"}, profile="prof_bluesky"))
    assert made.status == 201 and made.json()["media"] == [{"url": URL, "type": "video"}]
    assert codes(made.json()) == [("media_type_corrected", "/media/0/type")]
    assert dateline.read(made.json()["id"])["media"][0]["type"] == "video"
    override = {"bluesky": {"media": [{"url": URL, "type": "image"}]}}
    other = dateline.api("POST", "/v1/posts", body(text="Another", platforms=override)).json()
    assert other["platforms"]["bluesky"]["media"][0]["type"] == "video"
    assert codes(other) == [("media_type_corrected", "/platforms/bluesky/media/0/type")]


def test_a_gif_is_a_picture_where_a_network_knows_no_gifs(dateline: Dateline) -> None:
    answer = dateline.api("POST", "/v1/posts", body({"url": "https://cdn.example.com/cat.gif"}))
    assert answer.status == 201 and answer.json()["media"][0]["type"] == "gif"


@pytest.mark.parametrize("why", ["404", "unreachable"])
def test_what_cannot_be_seen_now_is_a_warning_and_never_a_refusal(dateline: Dateline, why: str) -> None:
    dateline.http.files[URL] = None
    dateline.http.unreachable = why == "unreachable"
    answer = dateline.api("POST", "/v1/posts", body({"url": URL}))
    assert answer.status == 201 and codes(answer.json()) == [("media_unchecked", "/media/0/url")]
    assert ("404" if why == "404" else "could not be fetched") in answer.json()["warnings"][0]["detail"]


def test_an_address_that_is_not_public_is_refused(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> Any:
        raise Retry("media_address_refused", "A medium could not be fetched: The address is not on the public internet.")

    monkeypatch.setattr(dateline.http, "fetch", fetch)
    with nothing_written(dateline):
        answer = dateline.api("POST", "/v1/posts", body({"url": "http://10.0.0.1/a.jpg"}))
        problem = refused(answer, "content_invalid", "/media/0/url")
    assert problem["errors"][0]["code"] == "media.private_address"


def test_each_file_is_looked_at_once_wherever_it_stands(dateline: Dateline) -> None:
    other = "https://cdn.example.com/other.png"
    thread = [{"text": "1", "media": [{"url": URL}]}, {"text": "2", "media": [{"url": URL}]}]
    more = {"mastodon": {"media": [{"url": other}]}}
    sent = body(thread=thread, platforms=more)
    del sent["text"], sent["media"]
    sent["profileIds"] = ["prof_bluesky", "prof_mastodon"]
    answer = dateline.api("POST", "/v1/posts", {**sent, "platforms": {}})
    assert answer.status == 201, answer.body
    assert fetches(dateline) == 1
    single = body({"url": URL}, platforms=more, text="Another")
    assert dateline.api("POST", "/v1/posts", {**single, "profileIds": ["prof_bluesky", "prof_mastodon"]}).status == 201
    assert fetches(dateline) == 2, "what was seen a moment ago is not looked at again"


def test_a_draft_is_not_looked_at_and_its_scheduling_is(dateline: Dateline) -> None:
    dateline.http.files[URL] = File(b"BM" + bytes(100), "image/bmp")
    draft = dateline.post("prof_bluesky", media=[{"url": URL}])
    assert fetches(dateline) == 0
    with nothing_written(dateline):
        refused(dateline.api("PATCH", f"/v1/posts/{draft['id']}", {"scheduledFor": AT}), "content_invalid", "/media/0")
    assert fetches(dateline) == 1


def test_an_edit_looks_at_new_media_only_and_a_new_time_at_none(dateline: Dateline) -> None:
    post = dateline.api("POST", "/v1/posts", body({"url": URL})).json()
    path = f"/v1/posts/{post['id']}"
    dateline.clock.advance(timedelta(minutes=10))
    seen = fetches(dateline)
    assert dateline.api("PATCH", path, {"scheduledFor": "2027-06-17T09:00:00Z"}).status == 200
    assert dateline.api("PATCH", path, {"text": "Other words"}).status == 200
    assert fetches(dateline) == seen
    media = [{"url": URL}, {"url": "https://cdn.example.com/two.png"}]
    assert dateline.api("PATCH", path, {"media": media}).status == 200
    assert [url for url, *_ in dateline.http.fetched[seen:]] == ["https://cdn.example.com/two.png"]


def test_an_import_looks_at_a_bounded_number_of_files(dateline: Dateline) -> None:
    one = {"profileIds": ["prof_bluesky"], "scheduledFor": AT}
    rows = [{**one, "text": f"Row {n}", "media": [{"url": f"https://cdn.example.com/{n}.png"}]} for n in range(60)]
    answer = dateline.api("POST", "/v1/posts/bulk", rows)
    assert answer.status == 201, answer.body
    assert fetches(dateline) == 40
    told = [row for row in answer.json()["rows"] if row.get("warnings")]
    assert len(told) == 20 and told[0]["warnings"][0]["code"] == "media_unchecked"


def test_looking_changes_neither_the_content_nor_what_an_approval_is_bound_to(dateline: Dateline) -> None:
    dateline.api("PATCH", "/v1/workspace", {"approvalsRequired": True})
    post = dateline.api("POST", "/v1/posts", body({"url": URL})).json()
    assert post["status"] == "pending_approval"
    dateline.stack.settle(timers=False)
    assert dateline.api("POST", f"/v1/posts/{post['id']}/approve", {"hash": post["approval"]["hash"]}).status == 200
    stored = dateline.deps.posts.get(post["id"])
    assert stored is not None and stored.segments[0].media[0].facts is None and stored.pins[URL].facts is not None
    assert (stored.publish_at or START) > START
