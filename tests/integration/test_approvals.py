"""Approvals: nothing goes out that a person did not approve as it is. Whatever is edited, whoever fires, however late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from dateline.domain.post import body_of, post_from
from dateline.usecases import dispatch
from local.stack import Answer
from tests.api_checks import mint, nothing_written, refused
from tests.harness import Dateline
from tests.integration.scene import post_of
from tests.integration.test_admission_races import between, hooked
from tests.integration.usage_checks import Tenant, check_usage


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running
        check_usage(running, from_start=False)


@pytest.fixture(autouse=True)
def clean(dateline: Dateline) -> Iterator[None]:
    yield
    dateline.stack.settle(timers=False)
    dateline.world.faults.clear()


class Desk(Tenant):
    """A workspace that asks for approval; `writer` schedules, `chief` approves, neither does both."""

    def __init__(self, dateline: Dateline, **settings: Any) -> None:
        super().__init__(dateline, **{"approvals_required": True, **settings})
        self.writer = mint(dateline, "posts:read", "posts:write", "posts:publish", workspace=self.id)
        self.chief = mint(dateline, "posts:read", "posts:approve", workspace=self.id)
        self.mastodon = self.profile()

    def waiting(self, *profiles: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """A post of the writer's that waits."""
        if at is None and not more.get("publishNow"):
            at = self.soon()
        post = self.post(*(profiles or (self.mastodon,)), at=at, key=self.writer, **more)
        assert (post["status"], post["approval"]["state"]) == ("pending_approval", "pending")
        return post

    def decide(self, post: dict[str, Any], how: str = "approve", key: str | None = None, **body: Any) -> Answer:
        return self.api("POST", f"/v1/posts/{post['id']}/{how}", body, key or self.chief)

    def visible(self, *profiles: str) -> int:
        return sum(len(self.dateline.world.seen(profile_id=id)) for id in profiles or (self.mastodon,))

    def approved(self, post: dict[str, Any]) -> dict[str, Any]:
        answer = self.decide(post, hash=post["approval"]["hash"])
        assert answer.status == 200, answer.body
        made: dict[str, Any] = answer.json()
        return made


# Waiting, and the decision

def test_what_is_scheduled_waits_until_somebody_with_the_scope_approves_it(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting()
    assert post["targets"][0]["status"] == "pending_approval" and desk.settings["approvals_required"]
    assert not [entry for entry in dateline.stack.schedules() if post["id"] in entry.name], "nothing wakes for it"
    for key in (desk.writer, mint(dateline, "posts:read", workspace=desk.id)):
        for how in ("approve", "reject"):
            with nothing_written(dateline):
                refused(desk.decide(post, how, key), "forbidden", requiredScope="posts:approve")
    done = desk.approved(post)
    assert (done["status"], done["publishAt"], done["revision"]) == ("scheduled", post["publishAt"], post["revision"])
    assert done["approval"] == {
        "state": "approved", "hash": post["approval"]["hash"], "by": post_of(dateline, post["id"]).approval["by"],  # type: ignore
        "at": "2027-06-15T09:00:00Z", "reason": None,
    }
    chief = next(key for key in dateline.deps.workspaces.keys(desk.id) if "posts:approve" in key.scopes and len(key.scopes) == 2)
    assert done["approval"]["by"] == chief.id
    assert [entry for entry in dateline.stack.schedules() if post["id"] in entry.name]
    refused(desk.decide(post), "illegal_transition", from_="scheduled", to="scheduled")


def test_it_is_published_at_its_time_and_not_before(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.approved(desk.waiting(at=desk.soon(minutes=30)))
    dateline.stack.run_for(timedelta(minutes=29))
    assert desk.visible() == 0
    dateline.stack.run_for(timedelta(minutes=2))
    assert (desk.visible(), desk.read(post)["status"]) == (1, "published")


def test_a_rejected_post_is_a_draft_that_says_why(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting()
    answer = desk.decide(post, "reject", reason="The logo is the old one.", hash=post["approval"]["hash"])
    shown = answer.json()
    assert (answer.status, shown["status"], shown["publishAt"]) == (200, "draft", post["publishAt"])
    assert (shown["approval"]["state"], shown["approval"]["reason"]) == ("rejected", "The logo is the old one.")
    assert desk.patch(post, desk.writer, text="With the new logo").json()["approval"]["reason"] == "The logo is the old one."
    again = desk.patch(post, desk.writer, status="scheduled").json()
    assert (again["status"], again["approval"]["state"], again["approval"]["reason"]) == ("pending_approval", "pending", None)
    assert again["approval"]["hash"] != post["approval"]["hash"]
    refused(desk.decide(desk.post(desk.mastodon), "reject"), "illegal_transition", from_="draft", to="draft")


def test_a_decision_is_about_what_was_looked_at(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting(text="Harmless")
    edited = desk.patch(post, desk.writer, text="Outrageous").json()
    assert edited["approval"]["hash"] != post["approval"]["hash"]
    for how in ("approve", "reject"):
        with nothing_written(dateline):
            refused(desk.decide(post, how, hash=post["approval"]["hash"]), "revision_conflict", "/hash",
                    hash=edited["approval"]["hash"])
            refused(desk.decide(post, how, hash="nonsense"), "invalid_request", "/hash")
    desk.approved(edited)


@pytest.mark.parametrize("how", ["approve", "reject"])
def test_a_decision_without_a_hash_is_about_what_the_request_found(dateline: Dateline, how: str) -> None:
    desk = Desk(dateline)
    post = desk.waiting(text="Harmless")

    def edit() -> None:
        assert desk.patch(post, desk.writer, text="Outrageous").status == 200

    with hooked(dateline, between(dateline, edit, "PutItem" if how == "approve" else "TransactWriteItems")):
        refused(desk.decide(post, how), "revision_conflict", "/hash")
    assert (desk.read(post)["status"], desk.read(post)["text"]) == ("pending_approval", "Outrageous")


def test_an_edit_that_comes_while_it_is_approved_is_voided_or_voids_it(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting()
    with hooked(dateline, between(dateline, lambda: desk.approved(post))):
        edited = desk.patch(post, desk.writer, text="Later words")
    assert (edited.status, desk.read(post)["status"]) == (200, "pending_approval")


# An edit voids

EDITS: dict[str, dict[str, Any]] = {
    "text": {"text": "Other words"}, "thread": {"thread": [{"text": "One"}, {"text": "Two"}]},
    "media": {"media": [{"url": "https://cdn.example.com/b.jpg", "type": "image", "altText": "B"}]},
    "alt text": {"media": [{"url": "https://cdn.example.com/a.jpg", "type": "image", "altText": "Other"}]},
    "time": {"scheduledFor": "2027-06-18T09:00:00Z"}, "a later moment": {"scheduledFor": "2027-06-16T09:00:00.001Z"},
    "a time zone": {"scheduledFor": "2027-06-16T09:00:00", "timezone": "Europe/Berlin"},
    "targets": {"profileIds": ["second"]}, "platform text": {"platforms": {"mastodon": {"text": "There"}}},
    "platform option": {"platforms": {"mastodon": {"visibility": "unlisted"}}},
    "lateness": {"maxLateness": "PT1H", "onLate": "fail"}, "segment failure": {"onSegmentFailure": "stop"},
}
SILENT = {"labels": {"labels": ["x"]}, "metadata": {"metadata": {"a": 1}}, "the same words": {"text": "Approved words"}}
"""Edits that leave the hash: nothing of what is published changes. They void an approval all the same."""


@pytest.mark.parametrize("edit", EDITS | SILENT)
@pytest.mark.parametrize("who", ["writer", "approver"])
def test_any_edit_by_anybody_voids_an_approval(dateline: Dateline, edit: str, who: str) -> None:
    desk = Desk(dateline)
    second = desk.profile()
    media = [{"url": "https://cdn.example.com/a.jpg", "type": "image", "altText": "A"}]
    post = desk.approved(desk.waiting(text="Approved words", media=media))
    changes = {name: [second] if value == ["second"] else value for name, value in (EDITS | SILENT)[edit].items()}
    key = desk.writer if who == "writer" else desk.key  # that one has every scope
    shown = desk.patch(post, key, **changes).json()
    assert (shown["status"], shown["approval"]["state"], shown["approval"]["by"]) == ("pending_approval", "pending", None)
    assert (shown["approval"]["hash"] == post["approval"]["hash"]) == (edit in SILENT)
    if edit not in SILENT:
        refused(desk.decide(post, hash=post["approval"]["hash"]), "revision_conflict", "/hash")
    assert desk.decide(shown, hash=shown["approval"]["hash"]).json()["status"] == "scheduled"


def test_a_first_comment_is_part_of_what_is_approved(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = post_of(dateline, desk.waiting()["id"])
    from dateline.domain.fingerprints import decision_hash

    before = decision_hash(post)
    post.first_comment = "And another thing"
    assert decision_hash(post) != before


def test_the_hash_outlives_being_stored(dateline: Dateline) -> None:
    desk = Desk(dateline)
    texts = ["Ünïcödé 😀 \u2028", "tab\tand \\u0000-ish", "x" * 400]
    for number, moment in enumerate(("2027-06-18T09:00:00.123Z", "2027-06-18T09:00:00.999999Z", "2027-10-31T02:30:00")):
        zone = {"timezone": "Europe/Berlin", "fold": 1} if number == 2 else {}
        answer = desk.api("POST", "/v1/posts", {
            **desk.body(desk.mastodon), "text": texts[number], "scheduledFor": moment, "maxLateness": "PT90M", "onLate": "fail",
            "platforms": {"mastodon": {"visibility": "unlisted", "sensitive": True}}, **zone,
        }, desk.writer)
        assert answer.status == 201, answer.body
        post = answer.json()
        assert desk.read(post)["approval"]["hash"] == post["approval"]["hash"]
        stored = post_of(dateline, post["id"])
        again = post_from(
            body_of(stored), id=stored.id, workspace_id=stored.workspace_id, mode=stored.mode, stage=stored.stage,
            status=stored.status, publish_at=stored.publish_at, revision=1, sequence=1, version=1, write="", due_at=None,
        )
        assert again.approval == stored.approval
        desk.approved(post)


# Nothing fires it

def test_nothing_publishes_what_was_not_approved(dateline: Dateline) -> None:
    desk = Desk(dateline)
    messages: list[str] = []
    post = desk.post(desk.mastodon, at=desk.soon(seconds=60), key=desk.writer, onLate="publish")
    desk.approved(post)
    messages += [message.body for message in dateline.stack.peek("deliveries")]
    assert messages, "it is near: its message is out already"
    assert desk.patch(post, desk.writer, text="Not what was approved").json()["status"] == "pending_approval"
    dateline.stack.run_for(timedelta(minutes=10))
    assert dispatch.dispatch(dateline.deps, post["id"], desk.id) == "nothing to do", "an entry that is left over"
    assert dispatch.dispatch(dateline.deps, post["id"]) == "nothing to do"
    for answer in (
        desk.api("POST", f"/v1/posts/{post['id']}/publish", {}, desk.writer, prefer="respond-async"),
        desk.patch(post, desk.writer, status="publish"), desk.patch(post, desk.key, status="publish"),
    ):
        assert answer.json()["status"] == "pending_approval", answer.body
    refused(desk.api("POST", f"/v1/posts/{post['id']}/retry", {}, desk.writer), "illegal_transition")
    dateline.clock.advance(timedelta(hours=30))
    dateline.stack.run_for(timedelta(minutes=10))
    assert (desk.visible(), desk.read(post)["status"]) == (0, "pending_approval")


def test_an_entry_that_fires_on_a_post_whose_approval_was_voided_finds_nothing_to_do(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.approved(desk.waiting(at=desk.soon(hours=2)))
    (entry,) = [entry for entry in dateline.stack.schedules() if post["id"] in entry.name]
    assert desk.patch(post, desk.writer, text="Not what was approved").status == 200
    dateline.clock.advance(timedelta(hours=3))
    dateline.stack.fire(entry)
    dateline.stack.settle(timers=False)
    assert (desk.visible(), desk.read(post)["status"]) == (0, "pending_approval")


def test_a_post_that_failed_for_want_of_a_decision_cannot_be_retried(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting(at=desk.soon(minutes=10), onLate="fail", maxLateness="PT5M")
    dateline.clock.advance(timedelta(minutes=16))
    dateline.stack.run_for(timedelta(minutes=2))
    shown = desk.read(post)
    assert (shown["status"], shown["error"]["code"], shown["approval"]["state"]) == ("failed", "too_late", "pending")
    with nothing_written(dateline):
        refused(desk.api("POST", f"/v1/posts/{post['id']}/retry", {}, desk.writer), "illegal_transition", from_="failed")
        refused(desk.decide(post), "illegal_transition", from_="failed")
    dateline.stack.run_for(timedelta(minutes=20))
    assert desk.visible() == 0


def test_a_redelivered_message_does_not_publish_what_waits_again(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.approved(desk.waiting(at=desk.soon(minutes=1)))
    dateline.stack.settle(timers=False)
    edited = desk.patch(post, desk.writer, text="Not what was approved").json()
    from dateline.aws.queue import Message

    for revision in (post["revision"], edited["revision"]):
        dateline.deps.queue.send([Message(post["id"], desk.mastodon, revision)], 0.0, group="wks_local")
    dateline.stack.run_for(timedelta(minutes=20))
    assert desk.visible() == 0


# Too late

@pytest.mark.parametrize(("on_late", "lateness", "becomes"), [
    ("publish", "PT5M", "published"), ("fail", "PT5M", "failed"), ("draft", "PT5M", "draft"),
    ("fail", "PT2H", "published"), ("draft", "PT2H", "published"),
])
def test_an_approval_after_the_time_follows_the_posts_lateness(
    dateline: Dateline, on_late: str, lateness: str, becomes: str
) -> None:
    desk = Desk(dateline)
    post = desk.waiting(at=desk.soon(minutes=10), onLate=on_late, maxLateness=lateness)
    dateline.clock.advance(timedelta(minutes=40))  # sweep sleeps meanwhile
    done = desk.decide(post, hash=post["approval"]["hash"])
    assert done.status == 200
    dateline.stack.run_for(timedelta(minutes=2))
    shown = desk.read(post)
    assert (shown["status"], desk.visible()) == (becomes, int(becomes == "published"))
    assert shown["error"] is None or shown["error"]["code"] == "too_late"
    assert (shown["publishAt"] is None) == (becomes == "draft")


@pytest.mark.parametrize(("on_late", "becomes"), [("fail", "failed"), ("draft", "draft")])
def test_what_nobody_decides_is_ended_when_its_lateness_runs_out(dateline: Dateline, on_late: str, becomes: str) -> None:
    desk = Desk(dateline, plan={"pendingTargets": 1})
    post = desk.waiting(at=desk.soon(minutes=10), onLate=on_late, maxLateness="PT20M")
    dateline.stack.run_for(timedelta(minutes=29))
    assert desk.read(post)["status"] == "pending_approval" and desk.usage("pendingTargets")["used"] == 1
    dateline.stack.run_for(timedelta(minutes=3))
    shown = desk.read(post)
    assert (shown["status"], desk.usage("pendingTargets")["used"], desk.visible()) == (becomes, 0, 0)
    assert shown["approval"] is None if becomes == "draft" else shown["approval"]["state"] == "pending"
    assert [event["type"] for event in desk.events()][-2:] == (
        ["target.failed", "post.failed"] if becomes == "failed" else ["post.updated", "post.draft"]
    )


def test_what_is_published_however_late_waits_for_ever_and_is_not_overdue(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post, now = desk.waiting(at=desk.soon(minutes=10), onLate="publish", maxLateness="PT5M"), desk.waiting(publishNow=True)
    for wait in (timedelta(minutes=5), timedelta(minutes=30), timedelta(days=1), timedelta(days=20)):
        dateline.clock.advance(wait)
        dateline.stack.run_for(timedelta(minutes=2))
        health = dateline.api("GET", "/health", key=None)
        assert (health.status, health.json()["status"]) == (200, "ok"), health.body
    assert desk.read(post)["status"] == desk.read(now)["status"] == "pending_approval"
    desk.approved(post)
    desk.approved(now)
    dateline.stack.run_for(timedelta(minutes=2))
    assert (desk.read(post)["status"], desk.read(now)["status"]) == ("published", "published")


# Publishing at once

def test_what_is_to_go_at_once_waits_without_a_time_and_goes_on_approval(dateline: Dateline) -> None:
    desk = Desk(dateline)
    answer = desk.api("POST", "/v1/posts", desk.body(desk.mastodon, publishNow=True), desk.writer, prefer="wait=25")
    post = answer.json()
    assert (answer.status, post["status"], post["publishAt"], post["scheduledFor"]) == (201, "pending_approval", None, None)
    assert desk.patch(post, desk.writer, text="Still at once").json()["publishAt"] is None
    dateline.stack.run_for(timedelta(hours=1))
    done = desk.approved(desk.read(post))
    assert (done["status"], done["publishAt"]) == ("queued", dateline.clock.now().isoformat().replace("+00:00", "Z")[:20])
    dateline.stack.settle(timers=False)
    assert (desk.read(post)["status"], desk.visible()) == ("published", 1)


def test_a_waiting_post_that_is_sent_at_once_loses_its_time_and_waits_on(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting()
    shown = desk.api("POST", f"/v1/posts/{post['id']}/publish", {}, desk.writer).json()
    assert (shown["status"], shown["publishAt"]) == ("pending_approval", None)
    refused(desk.decide(post, hash=post["approval"]["hash"]), "revision_conflict", "/hash")
    desk.approved(shown)
    dateline.stack.settle(timers=False)
    assert desk.read(post)["status"] == "published"


def test_what_goes_at_once_is_held_against_the_calendar_when_it_is_approved(dateline: Dateline) -> None:
    desk = Desk(dateline, min_spacing_minutes=10)
    one, two = desk.waiting(publishNow=True), desk.waiting(publishNow=True)
    twin = desk.waiting(publishNow=True, text=one["text"], allowDuplicate=False)
    desk.approved(one)
    for post, code in ((two, "too_close"), (twin, "too_close")):
        with nothing_written(dateline):
            problem = refused(desk.decide(post), code, "/profileIds/0", minSpacingMinutes=10)
    assert [error["code"] for error in problem["errors"]] == ["too_close", "duplicate_content"]
    dateline.stack.run_for(timedelta(minutes=10))
    assert desk.decide(two).json()["status"] == "queued"
    dateline.stack.run_for(timedelta(minutes=10))
    with nothing_written(dateline):
        refused(desk.decide(twin), "duplicate_content", "/profileIds/0", postId=one["id"])


# The plan, the setting, the feed

def test_a_waiting_post_holds_its_place_time_and_words(dateline: Dateline) -> None:
    desk = Desk(dateline, plan={"pendingTargets": 2, "scheduledTargetsPerMonth": 9}, min_spacing_minutes=5)
    post, noon = desk.waiting(text="Mine"), desk.soon()
    assert (desk.usage("pendingTargets")["used"], desk.usage("scheduledTargetsPerMonth")["used"]) == (1, 1)
    problem = refused(desk.create(desk.mastodon, at=noon, text="Mine", key=desk.writer), "too_close", "/scheduledFor")
    assert [error["code"] for error in problem["errors"]] == ["too_close", "duplicate_content"]
    now = desk.waiting(publishNow=True)
    assert (desk.usage("pendingTargets")["used"], desk.usage("scheduledTargetsPerMonth")["used"]) == (2, 1)
    refused(desk.create(desk.mastodon, at=desk.soon(days=2), key=desk.writer), "limit_exceeded", "/profileIds", used=2)
    desk.approved(post)
    assert desk.usage("pendingTargets")["used"] == 2, "an approval takes nothing more"
    desk.decide(now, "reject")
    assert desk.usage("pendingTargets")["used"] == 1
    desk.cancel(post)
    assert (desk.usage("pendingTargets")["used"], desk.usage("scheduledTargetsPerMonth")["used"]) == (0, 1)
    check_usage(dateline, only=desk.id)


def test_validate_says_that_it_would_wait(dateline: Dateline) -> None:
    desk = Desk(dateline)
    with nothing_written(dateline):
        for more in ({"at": desk.soon()}, {"publishNow": True}):
            verdict = desk.api("POST", "/v1/posts/validate", desk.body(desk.mastodon, **more)).json()
            assert (verdict["valid"], verdict["status"]) == (True, "pending_approval")


def test_switching_approvals_off_leaves_what_waits_waiting(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post, other = desk.waiting(at=desk.soon(minutes=30)), desk.waiting(at=desk.soon(minutes=40))
    desk.set(approvals_required=False)
    assert desk.patch(other, desk.writer, text="An edit does not release it").json()["status"] == "pending_approval"
    dateline.clock.advance(timedelta(hours=2))
    dateline.stack.run_for(timedelta(minutes=2))
    assert desk.read(post)["status"] == desk.read(other)["status"] == "pending_approval" and desk.visible() == 0
    assert desk.approved(post)["status"] == "queued"
    free = desk.post(desk.mastodon, at=desk.soon(), key=desk.writer)
    assert (free["status"], free["approval"]) == ("scheduled", None)


def test_switching_approvals_on_holds_what_is_edited_from_then_on(dateline: Dateline) -> None:
    desk = Desk(dateline, approvals_required=False)
    old, touched = desk.post(desk.mastodon, at=desk.soon()), desk.post(desk.mastodon, at=desk.soon(days=2))
    draft = desk.post(desk.mastodon)
    desk.set(approvals_required=True)
    assert desk.read(old)["status"] == "scheduled", "it was scheduled while nobody asked"
    assert desk.patch(touched, desk.writer, text="Other words").json()["status"] == "pending_approval"
    assert desk.patch(draft, desk.writer, text="A draft needs none").json()["status"] == "draft"
    assert desk.patch(draft, desk.writer, scheduledFor=desk.soon(days=3)).json()["status"] == "pending_approval"


def test_a_waiting_post_can_be_cancelled_or_put_back(dateline: Dateline) -> None:
    desk = Desk(dateline)
    gone, back = desk.waiting(), desk.waiting()
    with nothing_written(dateline):
        refused(desk.api("DELETE", f"/v1/posts/{gone['id']}", key=desk.chief), "forbidden")
    assert desk.api("DELETE", f"/v1/posts/{gone['id']}", key=desk.writer).json()["status"] == "cancelled"
    refused(desk.decide(gone), "illegal_transition", from_="cancelled")
    shown = desk.patch(back, desk.writer, status="draft").json()
    assert (shown["status"], shown["approval"]) == ("draft", None)
    refused(desk.decide(back), "illegal_transition", from_="draft")


def test_the_feed_tells_the_whole_story(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting(at=desk.soon(minutes=30))
    desk.decide(post, "reject", reason="No.")
    desk.patch(post, desk.writer, status="scheduled", text="Better")
    desk.approved(desk.read(post))
    dateline.stack.run_for(timedelta(minutes=31))
    story = [(event["type"], event["data"]["previousStatus"]) for event in desk.events()]
    assert story == [
        ("post.pending_approval", None), ("post.draft", "pending_approval"), ("post.updated", None),
        ("post.pending_approval", "draft"), ("post.scheduled", "pending_approval"), ("post.queued", "scheduled"),
        ("post.publishing", "queued"), ("target.published", "publishing"), ("post.published", "publishing"),
    ]
    shown = [event["data"]["post"]["approval"] for event in desk.events()]
    assert shown[-1]["state"] == "approved"


def test_a_decision_is_made_once_per_key(dateline: Dateline) -> None:
    desk = Desk(dateline)
    post = desk.waiting()
    path, body = f"/v1/posts/{post['id']}/approve", {"hash": post["approval"]["hash"]}
    first = desk.api("POST", path, body, desk.chief, idempotency_key="yes")
    again = desk.api("POST", path, body, desk.chief, idempotency_key="yes")
    assert first.status == again.status == 200 and again.headers["idempotency-replayed"] == "true"
    assert first.json()["approval"] == again.json()["approval"]
    edited = desk.patch(post, desk.writer, text="Again").json()
    refused(desk.api("POST", path, {}, desk.chief, if_match='"1"'), "revision_conflict", revision=edited["revision"])


def test_a_post_of_another_workspace_is_not_there(dateline: Dateline) -> None:
    desk, other = Desk(dateline), Desk(dateline)
    post = desk.waiting()
    for how in ("approve", "reject"):
        with nothing_written(dateline):
            refused(other.decide(post, how), "not_found")


