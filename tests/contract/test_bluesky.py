"""What Dateline sends to a Bluesky server, and what it makes of every answer.

The allowed members are transcribed from the lexicons of bluesky-social/atproto d6296a1 (2026-08-20):
com.atproto.repo.{putRecord,applyWrites,deleteRecord}, app.bsky.feed.post, app.bsky.embed.images, app.bsky.richtext.facet.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.content import Draft, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Account,
    Answer,
    Delivery,
    Failed,
    Found,
    Outcome,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Unknown,
)
from dateline.platforms.bluesky import PUBLISHER, RULES
from dateline.platforms.bluesky.records import COLLECTION, cid_of, record_keys
from local.networks.base import World
from local.networks.bluesky import BlueskyNetwork
from tests.contract.inprocess import TINY_PNG, FakeClock, InProcessHttp, account_of, delivery_of

PUT_RECORD = {"repo", "collection", "rkey", "validate", "record", "swapRecord", "swapCommit"}
APPLY_WRITES = {"repo", "validate", "writes", "swapCommit"}
CREATE = {"$type", "collection", "rkey", "value"}
DELETE_RECORD = {"repo", "collection", "rkey", "swapRecord", "swapCommit"}
POST = {"$type", "text", "facets", "reply", "embed", "langs", "labels", "tags", "createdAt"}
IMAGE = {"image", "alt", "aspectRatio"}
BLOB = {"$type", "ref", "mimeType", "size"}
FACET = {"index", "features"}

PICTURE = Media("https://cdn.example.com/a.png", "image", "A red dot")


class Bench:
    """One server, one account, one clock."""

    def __init__(self, deadline: float = 30.0) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [BlueskyNetwork])
        self.http = InProcessHttp(self.world, self.clock, deadline)
        self.network: Any = self.world.networks["bluesky"]
        self.account = account_of(self.world, "bluesky", "prof_bluesky")

    def delivery(self, *segments: str | Segment, **more: Any) -> Delivery:
        """A delivery as it stands after the claim."""
        delivery = delivery_of(self.http, self.account, *segments, **more)
        delivery.checkpoint.update(PUBLISHER.start(delivery))
        return delivery

    def publish(self, delivery: Delivery) -> tuple[Remote, ...]:
        """Prepare if need be, then the one call."""
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        delivery.armed_at = self.clock.now()
        return PUBLISHER.publish(delivery, 0)

    def uncertain(self, delivery: Delivery) -> Delivery:
        """The same delivery when it is tried again after no clear answer."""
        delivery.uncertain = True
        delivery.checkpoint.update(PUBLISHER.start(delivery))
        return delivery

    def paths(self) -> list[str]:
        return [sent.path.rpartition(".")[2] for sent in self.http.sent]

    def seen(self) -> list[str]:
        return [entry.text for entry in self.world.seen("bluesky")]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def with_tokens(account: Account, **tokens: str) -> Account:
    return replace(account, credentials={**account.credentials, **tokens})


def test_a_post_is_one_put_record_with_members_the_lexicon_knows(bench: Bench) -> None:
    delivery = bench.delivery("Hello https://example.com #news", options={"langs": ["en"]})
    assert not PUBLISHER.needs_preparation(delivery)
    (remote,) = bench.publish(delivery)
    (sent,) = bench.http.sent
    body = sent.json()
    assert (sent.method, sent.path) == ("POST", "/bluesky/xrpc/com.atproto.repo.putRecord")
    assert sent.headers["authorization"] == f"Bearer {bench.account.credentials['accessJwt']}"
    assert sent.headers["content-type"] == "application/json"
    assert set(body) <= PUT_RECORD
    assert set(body["record"]) <= POST
    assert all(set(facet) == FACET for facet in body["record"]["facets"])
    assert body["repo"] == bench.account.account_id
    assert body["record"]["langs"] == ["en"]
    rkey = delivery.checkpoint["rkeys"][0]
    assert body["rkey"] == rkey
    assert remote.id == f"at://{bench.account.account_id}/{COLLECTION}/{rkey}"
    assert remote.url == f"https://bsky.app/profile/{bench.account.account_id}/post/{rkey}"
    assert remote.extra["cid"] == cid_of(body["record"])


def test_content_warnings_stand_on_every_segment_and_hashtags_on_the_first(bench: Bench) -> None:
    options = {"langs": ["de"], "labels": ["nudity", "graphic-media"], "tags": ["art", "figure drawing"]}
    assert set(RULES.options["properties"]) == set(options)
    remotes = bench.publish(bench.delivery("one", "two", options=options))
    records = [write["value"] for write in bench.http.sent[-1].json()["writes"]]
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}, {"val": "graphic-media"}]}
    assert all(set(record) <= POST for record in records)
    assert [record["labels"] for record in records] == [labels] * 2
    assert [record.get("tags") for record in records] == [["art", "figure drawing"], None]
    assert [remote.extra["cid"] for remote in remotes] == [entry.extra["cid"] for entry in bench.world.seen()]


def test_a_thread_is_one_apply_writes_with_members_the_lexicon_knows(bench: Bench) -> None:
    remotes = bench.publish(bench.delivery("one", "two", "three"))
    (sent,) = bench.http.sent
    body = sent.json()
    assert sent.path == "/bluesky/xrpc/com.atproto.repo.applyWrites"
    assert set(body) <= APPLY_WRITES
    for write in body["writes"]:
        assert set(write) <= CREATE
        assert write["$type"] == "com.atproto.repo.applyWrites#create"
        assert set(write["value"]) <= POST
    replies = [write["value"].get("reply") for write in body["writes"]]
    refs = [{"uri": remote.id, "cid": remote.extra["cid"]} for remote in remotes]
    assert replies == [None, {"root": refs[0], "parent": refs[0]}, {"root": refs[0], "parent": refs[1]}]
    dates = [write["value"]["createdAt"] for write in body["writes"]]
    assert dates == sorted(set(dates))


def test_a_picture_is_uploaded_as_bytes_and_shown_with_its_alternative_text(bench: Bench) -> None:
    bench.publish(bench.delivery(Segment("Look", (PICTURE,))))
    upload, put = bench.http.sent
    assert upload.path.endswith("com.atproto.repo.uploadBlob")
    assert (upload.body, upload.headers["content-type"]) == (TINY_PNG, "image/png")
    embed = put.json()["record"]["embed"]
    assert embed["$type"] == "app.bsky.embed.images"
    (image,) = embed["images"]
    assert set(image) <= IMAGE
    assert set(image["image"]) == BLOB
    assert image["alt"] == "A red dot"
    (entry,) = bench.world.seen()
    assert entry.media == [image["image"]["ref"]["$link"]]
    assert entry.extra["alts"] == ["A red dot"]


def test_a_picture_without_alternative_text_still_has_the_member_the_lexicon_requires(bench: Bench) -> None:
    bench.publish(bench.delivery(Segment("", (Media("https://cdn.example.com/b.png"),))))
    assert bench.http.sent[-1].json()["record"]["embed"]["images"][0]["alt"] == ""


def test_each_uploaded_picture_is_saved_as_soon_as_it_is_known(bench: Bench) -> None:
    second = Media("https://cdn.example.com/b.png")
    delivery = bench.delivery(Segment("", (PICTURE, second)))
    saves: list[int] = []

    def save(**values: Any) -> None:
        delivery.checkpoint.update(values)
        saves.append(len(delivery.checkpoint["blobs"]))

    delivery.save = save
    bench.world.add_fault("bluesky", "server_error", at="prepare")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    PUBLISHER.prepare(delivery)
    assert saves == [1, 2]
    sent = len(bench.http.sent)
    PUBLISHER.prepare(delivery)
    assert len(bench.http.sent) == sent


def test_a_picture_uploaded_too_long_ago_is_uploaded_again(bench: Bench) -> None:
    delivery = bench.delivery(Segment("", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    bench.clock.advance(timedelta(hours=1).total_seconds())
    PUBLISHER.prepare(delivery)
    assert bench.paths() == ["uploadBlob", "uploadBlob"]


def test_pictures_the_server_has_cleared_away_are_uploaded_again_at_the_next_try(bench: Bench) -> None:
    delivery = bench.delivery(Segment("", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    bench.network.blobs.clear()
    with pytest.raises(Retry) as error:
        bench.publish(delivery)
    assert error.value.code == "media_expired"
    bench.publish(delivery)
    assert len(bench.world.seen()) == 1


def test_a_file_that_is_no_picture_is_refused_before_anything_is_sent(bench: Bench) -> None:
    bench.http.media[PICTURE.url] = (b"%PDF-1.7", "application/pdf")
    with pytest.raises(Failed) as error:
        PUBLISHER.prepare(bench.delivery(Segment("", (PICTURE,))))
    assert error.value.code == "media_unsupported"
    assert bench.http.sent == []


def test_mentions_become_facets_with_the_did_and_byte_offsets(bench: Bench) -> None:
    bench.publish(bench.delivery("🎉 thanks @alice.bsky.local and @nobody.bsky.local"))
    (alice,) = bench.http.sent[-1].json()["record"]["facets"]
    assert alice["features"] == [{"$type": "app.bsky.richtext.facet#mention", "did": bench.account.account_id}]
    raw = "🎉 thanks @alice.bsky.local".encode()
    assert alice["index"] == {"byteStart": len("🎉 thanks ".encode()), "byteEnd": len(raw)}


def test_a_mention_that_cannot_be_looked_up_does_not_hold_the_post_back(bench: Bench) -> None:
    bench.world.add_fault("bluesky", "server_error", at="read")
    bench.publish(bench.delivery("thanks @alice.bsky.local"))
    assert "facets" not in bench.http.sent[-1].json()["record"]


def test_the_record_is_the_same_on_every_try(bench: Bench) -> None:
    delivery = bench.delivery(Segment("thanks @alice.bsky.local", (PICTURE,)))
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    bench.clock.advance(7200)
    bench.account = with_tokens(bench.account, **PUBLISHER.refresh(bench.account, bench.http).credentials)  # type: ignore[union-attr]
    delivery.account = bench.account
    bench.world.add_fault("bluesky", "server_error", at="read")
    bench.publish(bench.uncertain(delivery))
    puts = [sent.json() for sent in bench.http.sent if sent.path.endswith("putRecord")]
    assert puts[0] == puts[1]
    assert bench.network.commits == 1


def test_a_post_moved_by_a_long_wait_is_dated_when_it_goes_out(bench: Bench) -> None:
    delivery = bench.delivery("late")
    first = dict(delivery.checkpoint)
    bench.clock.advance(3600)
    delivery.checkpoint.update(PUBLISHER.start(delivery))
    assert delivery.checkpoint["rkeys"] == first["rkeys"]
    assert delivery.checkpoint["createdAt"] > first["createdAt"]


def test_two_posts_of_one_second_get_different_record_keys(bench: Bench) -> None:
    keys = {record_keys(f"post_{n}:prof_1", bench.clock.now(), 1)[0] for n in range(200)}
    assert len(keys) == 200


def test_a_deletion_is_one_delete_record_and_may_be_repeated(bench: Bench) -> None:
    delivery = bench.delivery("gone soon")
    (remote,) = bench.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.delete(delivery, remote.id)
    sent = bench.http.sent[-1]
    assert sent.path.endswith("com.atproto.repo.deleteRecord")
    assert set(sent.json()) <= DELETE_RECORD
    assert bench.seen() == []


@pytest.mark.parametrize("segments", [("one",), ("one", "two", "three")], ids=["post", "thread"])
def test_a_lost_answer_is_found_by_the_record_key(bench: Bench, segments: tuple[str, ...]) -> None:
    delivery = bench.delivery(*segments)
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    resolution = PUBLISHER.resolve(delivery, 0)
    assert isinstance(resolution, Found)
    assert [remote.id for remote in resolution.remotes] == [entry.remote_id for entry in bench.world.seen()]
    assert [remote.extra["cid"] for remote in resolution.remotes] == [entry.extra["cid"] for entry in bench.world.seen()]


@pytest.mark.parametrize("segments", [("one",), ("one", "two", "three")], ids=["post", "thread"])
def test_a_server_error_that_wrote_nothing_is_safe_to_repeat(bench: Bench, segments: tuple[str, ...]) -> None:
    delivery = bench.delivery(*segments)
    bench.world.add_fault("bluesky", "server_error")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    bench.publish(bench.uncertain(delivery))
    assert bench.seen() == list(segments)


def test_repeating_a_post_whose_answer_was_lost_leaves_one_post_and_one_commit(bench: Bench) -> None:
    delivery = bench.delivery("once")
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    bench.publish(bench.uncertain(delivery))
    assert bench.seen() == ["once"]
    assert bench.network.commits == 1


def test_repeating_a_thread_whose_answer_was_lost_writes_nothing_and_leads_back_to_the_look_up(bench: Bench) -> None:
    delivery = bench.delivery("one", "two")
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    with pytest.raises(Unknown):
        bench.publish(bench.uncertain(delivery))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert bench.seen() == ["one", "two"]


@pytest.mark.parametrize("segments", [("one",), ("one", "two")], ids=["post", "thread"])
def test_a_server_still_working_after_we_gave_up_cannot_double_the_repeat(segments: tuple[str, ...]) -> None:
    bench = Bench(deadline=2.0)
    delivery = bench.delivery(*segments)
    bench.world.add_fault("bluesky", "slow", seconds=8)
    with pytest.raises(Unknown):
        bench.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    bench.publish(bench.uncertain(delivery))
    bench.clock.advance(60)
    bench.http.settle_due()
    assert bench.http.working == 0
    assert bench.seen() == list(segments)


def test_a_success_without_an_address_is_not_taken_for_one(bench: Bench) -> None:
    delivery = bench.delivery("hello")
    bench.http.request = lambda *a, **k: Answer(200, {}, b"<html>please sign in</html>")  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)


def test_looking_up_needs_no_living_session(bench: Bench) -> None:
    delivery = bench.delivery("hello")
    bench.publish(delivery)
    bench.network.expire_tokens()
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert "authorization" not in bench.http.sent[-1].headers


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "lost_answer", "reject"])
def test_a_look_up_that_fails_decides_nothing(bench: Bench, kind: str) -> None:
    delivery = bench.delivery("hello")
    bench.publish(delivery)
    bench.world.add_fault("bluesky", kind, at="read")
    with pytest.raises(Retry):
        PUBLISHER.resolve(delivery, 0)


def test_a_thread_appears_whole_or_not_at_all(bench: Bench) -> None:
    delivery = bench.delivery("one", "two", "three")
    middle = delivery.checkpoint["rkeys"][1]
    other = bench.delivery("in the way", key="post_2:prof_1")
    other.checkpoint["rkeys"] = [middle]
    bench.publish(other)
    with pytest.raises(Unknown):
        bench.publish(delivery)
    assert bench.seen() == ["in the way"]
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()


def test_every_reply_of_a_thread_refers_to_the_content_the_server_stored(bench: Bench) -> None:
    remotes = bench.publish(bench.delivery(Segment("one ✨", (PICTURE,)), "two https://example.com", "three 👩‍👩‍👧"))
    entries = bench.world.seen()
    assert [entry.extra.get("parent_matches") for entry in entries] == [None, True, True]
    assert [entry.extra.get("root_matches") for entry in entries] == [None, True, True]
    assert [entry.in_reply_to for entry in entries] == [None, remotes[0].id, remotes[1].id]


def test_the_stand_in_tells_a_thread_whose_references_are_wrong(bench: Bench) -> None:
    delivery = bench.delivery("one", "two")
    bench.publish(delivery)
    body = bench.http.sent[-1].json()
    for write, rkey in zip(body["writes"], record_keys("again", bench.clock.now(), 2), strict=True):
        write["rkey"] = rkey
    call(bench, "applyWrites", body)
    assert bench.world.seen()[-1].extra["parent_matches"] is True
    body["writes"] = [dict(body["writes"][1], rkey=record_keys("third", bench.clock.now(), 1)[0])]
    body["writes"][0]["value"]["reply"]["parent"]["cid"] = cid_of({"text": "something else"})
    call(bench, "applyWrites", body)
    assert bench.world.seen()[-1].extra["parent_matches"] is False


def test_a_rate_limit_says_when_to_come_back(bench: Bench) -> None:
    bench.world.add_fault("bluesky", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as error:
        bench.publish(bench.delivery("hello"))
    assert error.value.after == 90
    assert bench.seen() == []


def test_refused_content_is_final(bench: Bench) -> None:
    bench.world.add_fault("bluesky", "reject")
    with pytest.raises(Failed) as error:
        bench.publish(bench.delivery("hello"))
    assert "refused on request" in error.value.detail


def test_a_request_that_never_left_may_be_repeated(bench: Bench) -> None:
    bench.http.unreachable = True
    with pytest.raises(Retry):
        bench.publish(bench.delivery("hello"))


@pytest.mark.parametrize("error", ["AccountTakedown", "InvalidToken", "ExpiredToken"])
def test_a_dead_account_or_token_is_told_from_refused_content(bench: Bench, error: str) -> None:
    body = json.dumps({"error": error, "message": "no"}).encode()

    delivery = bench.delivery("hello")
    bench.http.request = lambda *a, **k: Answer(400, {}, body)  # type: ignore[method-assign]
    with pytest.raises(TokenRefused):
        PUBLISHER.publish(delivery, 0)


def test_an_expired_session_is_refreshed_and_both_tokens_change(bench: Bench) -> None:
    delivery = bench.delivery("hello")
    bench.world.add_fault("bluesky", "expired_token")
    with pytest.raises(TokenRefused):
        bench.publish(delivery)
    tokens = PUBLISHER.refresh(bench.account, bench.http)
    assert tokens is not None
    assert tokens.expires_in == 7200
    assert set(tokens.credentials) == {"accessJwt", "refreshJwt"}
    assert tokens.credentials["refreshJwt"] != bench.account.credentials["refreshJwt"]
    delivery.account = with_tokens(bench.account, **tokens.credentials)
    bench.publish(delivery)
    assert bench.seen() == ["hello"]


def test_a_refresh_sends_the_refresh_token_and_no_body(bench: Bench) -> None:
    PUBLISHER.refresh(bench.account, bench.http)
    (sent,) = bench.http.sent
    assert (sent.method, sent.path) == ("POST", "/bluesky/xrpc/com.atproto.server.refreshSession")
    assert sent.headers["authorization"] == f"Bearer {bench.account.credentials['refreshJwt']}"
    assert sent.body == b""


def test_a_session_runs_out_after_two_hours(bench: Bench) -> None:
    bench.clock.advance(7200)
    with pytest.raises(TokenRefused):
        bench.publish(bench.delivery("hello"))


def test_a_refresh_whose_answer_was_lost_works_once_more_then_the_app_password_serves(bench: Bench) -> None:
    for _ in range(3):
        assert PUBLISHER.refresh(bench.account, bench.http) is not None
    assert bench.paths() == ["refreshSession", "refreshSession", "refreshSession", "createSession"]
    assert set(bench.http.sent[-1].json()) == {"identifier", "password"}


def test_a_profile_with_only_an_app_password_gets_its_session_by_refreshing(bench: Bench) -> None:
    credentials = {key: bench.account.credentials[key] for key in ("identifier", "appPassword")}
    account = replace(bench.account, credentials=credentials, account_id="")
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(account, bench.http)
    assert bench.http.sent == []
    tokens = PUBLISHER.refresh(account, bench.http)
    assert tokens is not None
    info = PUBLISHER.verify(with_tokens(account, **tokens.credentials), bench.http)
    assert (info.account_id, info.name) == (bench.account.account_id, "alice.bsky.local")


@pytest.mark.parametrize("credentials", [
    {"identifier": "alice.bsky.local"},
    {"identifier": "alice.bsky.local", "appPassword": "wrong"},
    {"identifier": "alice.bsky.local", "refreshJwt": "unknown"},
])
def test_a_grant_that_is_dead_for_good_is_told(bench: Bench, credentials: dict[str, str]) -> None:
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(replace(bench.account, credentials=credentials), bench.http)


def test_an_unreachable_server_does_not_disconnect_an_account(bench: Bench) -> None:
    bench.http.unreachable = True
    with pytest.raises(Retry):
        PUBLISHER.refresh(bench.account, bench.http)
    with pytest.raises(Retry):
        PUBLISHER.verify(bench.account, bench.http)


def test_credentials_that_now_open_another_account_are_refused(bench: Bench) -> None:
    other = replace(bench.account, account_id="did:plc:somebodyelse")
    with pytest.raises(TokenRefused) as error:
        PUBLISHER.refresh(other, bench.http)
    assert "another account" in error.value.detail


def test_no_secret_stands_in_any_outcome(bench: Bench) -> None:
    secrets = [bench.account.credentials[name] for name in ("accessJwt", "refreshJwt", "appPassword")]
    said = [repr(bench.account)]
    for kind in ("rate_limit", "server_error", "reject", "lost_answer", "expired_token"):
        bench.world.add_fault("bluesky", kind)
        try:
            bench.publish(bench.delivery("hello", key=kind))
        except Outcome as error:
            said += [str(error), repr(error)]
    for account in (bench.account, replace(bench.account, credentials={"identifier": "x", "appPassword": secrets[2]})):
        try:
            PUBLISHER.verify(account, bench.http)
        except Outcome as error:
            said.append(str(error))
    assert len(said) == 13
    assert not [secret for secret in secrets if any(secret in text for text in said)]


def call(bench: Bench, method: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {bench.account.credentials['accessJwt']}"}
    return bench.http.request("POST", f"{bench.account.server}/xrpc/com.atproto.repo.{method}", headers=headers, json=body)


def a_record(**more: Any) -> dict[str, Any]:
    return {"$type": COLLECTION, "text": "hello", "createdAt": "2026-06-15T09:00:00.000Z", **more}


def a_put(bench: Bench, record: dict[str, Any], rkey: str = "3jzfcijpj2z2a") -> dict[str, Any]:
    return {"repo": bench.account.account_id, "collection": COLLECTION, "rkey": rkey, "record": record}


@pytest.mark.parametrize(("rkey", "record"), [
    ("not-a-tid", a_record()),
    ("zzzzzzzzzzzzz", a_record()),
    ("3jzfcijpj2z2a", a_record(createdAt="2026-06-15T09:00:00")),
    ("3jzfcijpj2z2a", a_record(text="x" * 301)),
    ("3jzfcijpj2z2a", a_record(text="👩‍👩‍👧‍👧" * 121)),
    ("3jzfcijpj2z2a", a_record(facets=[{"index": {"byteStart": 0, "byteEnd": 6}, "features": []}])),
    ("3jzfcijpj2z2a", a_record(langs=["en", "de", "fr", "it"])),
    ("3jzfcijpj2z2a", a_record(embed={"$type": "app.bsky.embed.images", "images": [{
        "alt": "", "image": {"$type": "blob", "ref": {"$link": "bafkreinever"}, "mimeType": "image/png", "size": 1}}]})),
])
def test_the_stand_in_refuses_what_the_server_refuses(bench: Bench, rkey: str, record: dict[str, Any]) -> None:
    assert call(bench, "putRecord", a_put(bench, record, rkey)).status == 400
    assert bench.seen() == []


def test_the_stand_in_answers_a_taken_key_with_500_and_writes_nothing(bench: Bench) -> None:
    assert call(bench, "createRecord", a_put(bench, a_record())).status == 200
    assert call(bench, "createRecord", a_put(bench, a_record(text="other"))).status == 500
    assert bench.seen() == ["hello"]


def test_the_rules_let_pass_what_the_stand_in_takes_at_the_limit(bench: Bench) -> None:
    for text in ("x" * 300, "👩‍👩‍👧‍👧" * 120, "é" * 300):
        delivery = bench.delivery(text, key=text[:3])
        assert check(RULES, Draft(delivery.segments), {}) == []
        bench.publish(delivery)
    assert len(bench.world.seen()) == 3
