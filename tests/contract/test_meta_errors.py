"""What Facebook, Instagram and Threads have in common: Meta's codes, its headers, and answers of shapes nobody documented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dateline.domain.content import Media, Segment
from dateline.platforms import registry
from dateline.platforms._meta import quotas_of, refusal_of, regained_in
from dateline.platforms.base import (
    Account,
    Answer,
    Delivery,
    Failed,
    Outcome,
    Publisher,
    Quota,
    Remote,
    Retry,
    TokenRefused,
    Unknown,
)
from tests.contract.inprocess import Pinned

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

# Graph API, "Handle errors" and "Rate limits" (developers.facebook.com, v25/v26), and Instagram's table of 2026-06-02.
MEANT: dict[type[Outcome], list[dict[str, Any]]] = {
    Retry: [{"code": code} for code in (1, 2, 4, 17, 32, 341, 613, 80001, 80002, 80006, 80014)] + [
        {"code": 100, "is_transient": True}, {"code": 12345, "is_transient": True},
    ],
    TokenRefused: [{"code": 102}, {"code": 190}] + [
        {"code": 190, "error_subcode": sub} for sub in (458, 459, 460, 463, 464, 467, 492)
    ] + [{"code": 10, "error_subcode": 460}],
    Failed: [{"code": code} for code in (3, 10, 100, 200, 230, 299, 368, 506, 36_003, 99_999)] + [{}, {"code": "x"}],
}


def answer(error: Any, status: int = 400, **headers: str) -> Answer:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, told, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(("kind", "error"), [(kind, error) for kind, errors in MEANT.items() for error in errors])
def test_what_a_code_means(kind: type[Outcome], error: dict[str, Any]) -> None:
    assert type(refusal_of("Meta", answer({"message": "No", **error}), NOW)) is kind


@pytest.mark.parametrize(("status", "kind"), [
    (401, TokenRefused), (408, Retry), (429, Retry), (500, Retry), (503, Retry), (404, Failed), (302, Failed),
])
def test_without_a_code_the_status_counts(status: int, kind: type[Outcome]) -> None:
    assert type(refusal_of("Meta", Answer(status, {}, b"<html>"), NOW)) is kind


def test_an_error_of_metas_own_at_an_irreversible_call_says_nothing_of_it() -> None:
    for error in ({"code": 1}, {"code": 2}, {"code": 100, "is_transient": True}):
        assert type(refusal_of("Meta", answer(error), NOW, armed=True)) is Unknown
    for error in ({"code": 4}, {"code": 190}, {"code": 100}):
        assert type(refusal_of("Meta", answer(error), NOW, armed=True)) is not Unknown


def test_the_wait_is_the_longest_that_a_use_case_names_in_minutes() -> None:
    uses = {"1": [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 5}, {"type": "instagram"}],
            "2": [{"type": "threads", "total_time": 40, "estimated_time_to_regain_access": 12}]}
    app = '{"call_count": 28, "total_time": 61}'
    limited = answer({"code": 80001}, x_business_use_case_usage=json.dumps(uses), x_app_usage=app)
    outcome = refusal_of("Meta", limited, NOW)
    assert isinstance(outcome, Retry)
    assert outcome.after == regained_in(limited) == 720
    assert quotas_of(limited, NOW) == (
        Quota("app", "usage", 100, 39), Quota("account", "usage.pages", 100, 0, NOW + timedelta(minutes=5)),
        Quota("account", "usage.threads", 100, 60, NOW + timedelta(minutes=12)),
    )


LISTED = {"id": "5", "timestamp": "2026-11-21T12:00:00+0000", "text": "Hello", "caption": "Hello", "permalink": "https://a.example",
          "replied_to": {"id": "1"}, "quota_usage": 1, "config": {"quota_total": 9}, "instagram_business_account": {"id": "17"}}
GOOD = {
    "id": "5", "username": "gull", "user_id": "17", "access_token": "token-1", "expires_in": 60, "status": "FINISHED",
    "status_code": "FINISHED", "permalink": "https://a.example", "data": [LISTED],
    "paging": {"cursors": {"after": "x"}, "next": "y"},
}
ERROR = {"code": 190, "error_subcode": 33, "message": "No", "error_user_title": "No", "is_transient": False}
ODD: st.SearchStrategy[Any] = st.sampled_from([
    None, True, -1, 2.5, 10**30, float("inf"), float("nan"), "", "x", [], {}, [None], [[]], [{}], {"id": None}, {"after": 1},
    {"cursors": []}, {"data": 1},
    "PUBLISHED", "IN_PROGRESS", "2026-11-21T12:00:00",
])


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """What is documented, with something else in some places."""
    body: dict[str, Any] = {**GOOD, "status": draw(STATES), "status_code": draw(STATES)}
    if draw(st.integers(0, 9)) == 0:
        body["error"] = {**ERROR, **draw(st.dictionaries(st.sampled_from(sorted(ERROR)), ODD, max_size=2))}
    if draw(st.booleans()):
        body["data"] = [{**LISTED, **draw(st.dictionaries(st.sampled_from(sorted(LISTED)), ODD, max_size=2))}]
    body |= draw(st.dictionaries(st.sampled_from(sorted([*GOOD, "error"])), ODD, max_size=1))
    return body if draw(st.integers(0, 19)) else draw(ODD)


STATES = st.sampled_from(["FINISHED", "PUBLISHED", "ERROR", "EXPIRED", "IN_PROGRESS"])
USE = st.dictionaries(st.sampled_from(["call_count", "1", "estimated_time_to_regain_access"]), ODD)
USES = USE | st.fixed_dictionaries({"1": st.lists(USE, max_size=2)})
HEADERS = st.fixed_dictionaries({}, optional={
    name: USES.map(json.dumps) | st.text(max_size=3) for name in ("x-app-usage", "x-page-usage", "x-business-use-case-usage")
})


class Odd:
    """A network that answers anything at all."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw

    def request(self, *args: Any, **how: Any) -> Answer:
        status = self.draw.draw(st.sampled_from([200] * 12 + [400, 401, 429, 500]))
        return Answer(status, self.draw.draw(HEADERS), json.dumps(self.draw.draw(bodies())).encode())


@pytest.mark.parametrize("login", ["instagram", "facebook"])
@pytest.mark.parametrize("platform", ["threads", "instagram"])
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
@given(draw=st.data())
def test_whatever_meta_answers_comes_out_as_an_outcome(platform: str, login: str, draw: st.DataObject) -> None:
    publisher: Publisher = registry.publisher(platform)
    secrets = {"accessToken": "token-1", "clientSecret": "secret-1"}
    account = Account("prof_1", platform, "http://a.example", "17", {"login": login}, secrets, "http://a.example")
    http: Any = Odd(draw)
    segments = (Segment("Hello", (Media("https://a.example/b.jpg"),)), Segment("More"))
    made = {"id": "3", "of": "x", "at": NOW.isoformat()}
    delivery = Delivery("post_1", "key", account, segments, {}, http, lambda: NOW, armed_at=NOW, media=Pinned())
    delivery.save = delivery.checkpoint.update
    later = Delivery("post_1", "key", account, segments, {}, http, lambda: NOW, armed_at=NOW, published=(Remote("1"),))
    later.save = later.checkpoint.update
    armed = Delivery("post_1", "key", account, segments, {}, http, lambda: NOW, {"containers": {"0.0": made}}, armed_at=NOW)
    armed.save, armed.uncertain = armed.checkpoint.update, True
    for step in (
        lambda: publisher.verify(account, http), lambda: publisher.refresh(account, http),
        lambda: publisher.accounts(account, http),
        lambda: publisher.prepare(delivery), lambda: publisher.publish(delivery, 0), lambda: publisher.resolve(delivery, 0),
        lambda: publisher.resolve(armed, 0), lambda: publisher.publish(armed, 0),
        lambda: publisher.publish(later, 1), lambda: publisher.resolve(later, 1), lambda: publisher.delete(delivery, "1"),
        lambda: publisher.quotas(http.request(), NOW),
    ):
        try:
            step()
        except Outcome as outcome:
            assert "token-1" not in repr(outcome)
