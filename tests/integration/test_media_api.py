"""Uploads and copies with an id of their own: `/v1/media`, and posts that name them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.content import Media
from dateline.platforms.base import Retry
from dateline.usecases.pinning import INLINE_BYTES, Pins
from local.aws import client
from local.networks import files
from local.networks.files import File
from tests.api_checks import nothing_written, refused
from tests.harness import Dateline

AT = "2027-06-16T09:00:00Z"
VIDEO = "https://cdn.example.com/launch.mp4"


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def announce(dateline: Dateline, file: File, **more: Any) -> dict[str, Any]:
    sent = {"contentType": file.mime, "bytes": len(file.data), **more}
    answer = dateline.api("POST", "/v1/media", sent)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


def send(dateline: Dateline, medium: dict[str, Any], file: File) -> None:
    """What the client's PUT does, without a socket."""
    path = medium["upload"]["url"].partition("?")[0].partition(".amazonaws.com/")[2]
    bucket = dateline.stack.template.refs["MediaBucket"]
    client("s3", dateline.stack.region).put_object(Bucket=bucket, Key=path, Body=file.data, ContentType=file.mime)


def read(dateline: Dateline, media_id: str) -> dict[str, Any]:
    answer = dateline.api("GET", f"/v1/media/{media_id}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def body(*media: Any, **more: Any) -> dict[str, Any]:
    return {"text": "Look", "profileIds": ["prof_bluesky"], "scheduledFor": AT, "media": list(media), **more}


def test_an_upload_is_announced_sent_and_ready(dateline: Dateline) -> None:
    file = files.png(40, 30)
    made = announce(dateline, file, filename="launch.png")
    assert (made["state"], made["url"], made["filename"]) == ("awaiting_upload", f"dateline-media:{made['id']}", "launch.png")
    upload = made["upload"]
    assert upload["method"] == "PUT" and upload["headers"] == {
        "Content-Type": "image/png", "Content-Length": str(len(file.data)), "If-None-Match": "*"
    }
    assert "content-length%3Bcontent-type%3Bhost%3Bif-none-match" in upload["url"]
    assert upload["expiresAt"] == "2027-06-15T10:00:00Z"
    assert read(dateline, made["id"])["state"] == "awaiting_upload"
    send(dateline, made, file)
    found = read(dateline, made["id"])
    assert (found["state"], found["type"], found["width"], found["height"]) == ("ready", "image", 40, 30)
    assert found["sha256"] == hashlib.sha256(file.data).hexdigest() and "upload" not in found


@pytest.mark.parametrize("how", ["mediaId", "url"])
def test_a_post_names_an_upload_and_publishes_its_own_copy(dateline: Dateline, how: str) -> None:
    file = files.png(40, 30)
    made = announce(dateline, file)
    send(dateline, made, file)
    named = {"mediaId": made["id"]} if how == "mediaId" else {"url": made["url"]}
    answer = dateline.api("POST", "/v1/posts", body(named))
    assert answer.status == 201 and answer.json()["warnings"] == []
    assert answer.json()["media"] == [{"url": made["url"], "type": "image"}]
    dateline.stack.settle(timers=False)
    assert dateline.api("DELETE", f"/v1/media/{made['id']}").status == 204
    refused(dateline.api("GET", f"/v1/media/{made['id']}"), "not_found")
    post = dateline.deps.posts.get(answer.json()["id"])
    assert post is not None
    assert Pins(dateline.deps, post, lambda: 90.0).open(Media(made["url"])).read() == file.data


def test_a_large_upload_has_its_checksum_once_a_post_has_its_copy(dateline: Dateline) -> None:
    file = files.mp4(20, size=INLINE_BYTES + 10)
    made = announce(dateline, file)
    send(dateline, made, file)
    assert (read(dateline, made["id"])["seconds"], read(dateline, made["id"])["sha256"]) == (20.0, None)
    post = dateline.post("prof_bluesky", text="Draft", media=[{"mediaId": made["id"]}])
    stored = dateline.deps.posts.get(post["id"])
    assert stored is not None
    with pytest.raises(Exception, match="still being copied"):
        Pins(dateline.deps, stored, lambda: 90.0).open(Media(made["url"]))
    dateline.stack.settle(timers=False)
    assert Pins(dateline.deps, stored, lambda: 90.0).open(Media(made["url"])).size == len(file.data)
    assert read(dateline, made["id"])["sha256"] == hashlib.sha256(file.data).hexdigest()


def test_a_post_cannot_be_scheduled_with_a_file_that_was_never_sent(dateline: Dateline) -> None:
    made = announce(dateline, files.png())
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/posts", body({"mediaId": made["id"]})), "content_invalid", "/media/0/url")
    assert problem["errors"][0]["code"] == "media.not_uploaded"
    assert dateline.api("POST", "/v1/posts", {"text": "Later", "media": [{"mediaId": made["id"]}]}).status == 201


def test_the_file_behind_a_url_is_copied_on_request(dateline: Dateline) -> None:
    answer = dateline.api("POST", "/v1/media", {"url": VIDEO})
    made = answer.json()
    assert answer.status == 201 and (made["state"], made["sourceUrl"], made["upload"]) == ("pinning", VIDEO, None)
    assert answer.headers["location"] == f"/v1/media/{made['id']}"
    dateline.stack.settle(timers=False)
    found = read(dateline, made["id"])
    assert (found["state"], found["type"], found["seconds"]) == ("ready", "video", 10.0)
    assert found["sha256"] == hashlib.sha256(files.mp4().data).hexdigest()


def test_a_copy_that_cannot_be_had_says_why(dateline: Dateline) -> None:
    dateline.http.files[VIDEO] = None
    made = dateline.api("POST", "/v1/media", {"url": VIDEO}).json()
    dateline.stack.settle(timers=False)
    found = read(dateline, made["id"])
    assert (found["state"], found["error"]["code"]) == ("failed", "media_unreachable") and "404" in found["error"]["detail"]
    problem = refused(dateline.api("POST", "/v1/posts", body({"mediaId": made["id"]})), "content_invalid", "/media/0/url")
    assert problem["errors"][0]["code"] == "media.failed"


def test_a_copy_of_an_address_that_is_not_public_is_refused_at_the_first_try(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_: Any, **__: Any) -> Any:
        raise Retry("media_address_refused", "A medium could not be fetched: The address is not on the public internet.")

    monkeypatch.setattr(dateline.http, "fetch", fetch)
    made = dateline.api("POST", "/v1/media", {"url": "http://10.0.0.1/a.jpg"}).json()
    dateline.stack.settle(timers=False)
    found = read(dateline, made["id"])
    assert (found["state"], found["error"]["code"]) == ("failed", "media_address_refused")


def test_a_repeated_announcement_is_the_same_upload_signed_afresh(dateline: Dateline) -> None:
    sent = {"contentType": "image/png", "bytes": 100}
    first = dateline.api("POST", "/v1/media", sent, headers={"idempotency-key": "u1"}).json()
    dateline.clock.advance(timedelta(hours=2))
    again = dateline.api("POST", "/v1/media", sent, headers={"idempotency-key": "u1"})
    assert again.headers["idempotency-replayed"] == "true" and again.json()["id"] == first["id"]
    assert again.json()["upload"]["expiresAt"] == "2027-06-15T12:00:00Z"


@pytest.mark.parametrize("where", ["media", "thread", "platforms"])
def test_another_workspaces_medium_is_not_found_where_it_is_named(dateline: Dateline, where: str) -> None:
    medium = {"mediaId": announce(dateline, files.png())["id"]}
    other = dateline.second_workspace()
    parts: dict[str, Any] = {
        "media": {"text": "a", "media": [medium]}, "thread": {"thread": [{"text": "a"}, {"text": "b", "media": [medium]}]},
        "platforms": {"text": "a", "platforms": {"mastodon": {"media": [medium]}}},
    }
    pointers = {"media": "/media/0/url", "thread": "/thread/1/media/0/url", "platforms": "/platforms/mastodon/media/0/url"}
    for more in ({}, {"scheduledFor": AT}):
        answer = dateline.api("POST", "/v1/posts", {**parts[where], "profileIds": ["prof_other"], **more}, key=other)
        refused(answer, "not_found", pointers[where])


@pytest.mark.parametrize(("sent", "pointer"), [
    ({}, "/contentType"), ({"contentType": "image/png"}, "/bytes"), ({"contentType": "png", "bytes": 1}, "/contentType"),
    ({"contentType": "image/png", "bytes": 0}, "/bytes"), ({"contentType": "video/mp4", "bytes": 2_000_000_000}, "/bytes"),
    ({"url": "ftp://a.example/b"}, "/url"), ({"url": VIDEO, "bytes": 1}, "/url"), ({"uri": VIDEO}, "/uri"),
    ({"url": "https://[::1/a.jpg"}, "/url"), ({"url": "https://cdn.example.com:99999/a.jpg"}, "/url"),
])
def test_what_is_no_upload_and_no_copy_is_refused(dateline: Dateline, sent: dict[str, Any], pointer: str) -> None:
    with nothing_written(dateline):
        problem = dateline.api("POST", "/v1/media", sent).json()
    assert problem["code"] == "invalid_request" and pointer in [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize("medium", [
    {}, {"url": VIDEO, "mediaId": "media_1"}, {"mediaId": "post_1"}, {"url": "dateline-media:nothing"},
    {"url": "dateline-pin:2027-06/wks_other/1"}, {"url": "https://[::1/a.jpg"}, {"url": "https://cdn.example.com:abc/a.jpg"},
    {"url": "https://:443/a.jpg"},
])
def test_a_medium_of_a_post_has_one_address(dateline: Dateline, medium: dict[str, Any]) -> None:
    with nothing_written(dateline):
        assert dateline.api("POST", "/v1/posts", body(medium)).json()["code"] == "invalid_request"
