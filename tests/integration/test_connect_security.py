"""Who may finish a consent: only whoever was given its state, once, in time, with the code that was meant for it. And nothing of
what is secret on the way is ever shown, logged, announced or stored as it is."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextvars import Context
from typing import Any
from urllib.parse import urlencode

import pytest

from dateline import runtime, wiring
from dateline.api.connect import may_redirect
from dateline.domain.errors import Problem
from dateline.platforms.base import Answer as NetworkAnswer
from dateline.platforms.base import AnswerLost, NotSent
from dateline.usecases import connecting
from local.seed import TEST_KEY
from local.stack import Answer, Phase
from tests.api_checks import nothing_written, refused, stored
from tests.consenting import Consenting, go, joined, query_of
from tests.harness import Dateline
from tests.integration.scene import interrupted
from tests.integration.test_connect import PAGES, begin, come_back, profiles_of, read
from tests.unit.test_secrets_never_logged import Everything

APP = "https://app.example.com"


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline(parameters={"ConnectRedirects": f"{APP}, http://localhost:3000"}) as running:
        yield running


@pytest.fixture
def network(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> Consenting:
    return joined(dateline, monkeypatch)


def callback(dateline: Dateline, **query: str) -> Answer:
    """What somebody's browser is answered who opens the callback with this."""
    return dateline.api("GET", f"/v1/connect/callback?{urlencode(query)}", key=None)


def told(answer: Answer, code: str, reason: str, pointer: str) -> None:
    """It is refused with that code, and for that reason."""
    assert refused(answer, code, pointer)["errors"][0]["code"] == reason


def test_without_a_state_or_with_one_of_nobodys_the_callback_does_nothing(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    back = query_of(go(dateline, begun["authorizeUrl"]))
    guess = begun["connectionId"] + "." + "A" * 43
    with nothing_written(dateline):
        refused(callback(dateline), "invalid_request", "/state")
        refused(callback(dateline, code=back["code"]), "invalid_request", "/state")
        for state in (guess, begun["connectionId"], begun["connectionId"] + ".", "." + "A" * 43, "A" * 5000, "conn_é.x", "../x.y",
                      back["state"] + "A", back["state"][:-1], "conn_01MRH370M0C2B20BA5HE79CAR1.x"):
            told(callback(dateline, code=back["code"], state=state), "invalid_request", "state_unknown", "/state")
    assert network.token_requests == [] and read(dateline, begun)["status"] == "waiting"
    twice = dateline.api("GET", f"/v1/connect/callback?state={back['state']}&state=x&code=1", key=None)
    refused(twice, "invalid_request", "/state")


def test_a_state_is_good_once(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    back = go(dateline, begun["authorizeUrl"])
    assert dateline.api("GET", back, key=None).status == 200
    calls = len(network.token_requests)
    with nothing_written(dateline):
        told(dateline.api("GET", back, key=None), "illegal_transition", "state_used", "/state")
        other = {**query_of(back), "code": "another"}
        told(callback(dateline, **other), "illegal_transition", "state_used", "/state")
    assert len(network.token_requests) == calls and len(profiles_of(dateline)) == 1


def test_of_two_that_come_back_at_once_one_exchanges_the_code(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    back = go(dateline, begun["authorizeUrl"])
    answers: list[Answer] = []

    def second(service: str, operation: str, phase: Phase) -> None:
        if (service, phase) == ("consenting", "before") and not answers:
            answers.append(Context().run(lambda: dateline.api("GET", back, key=None)))

    interrupted(dateline, second, lambda: answers.append(dateline.api("GET", back, key=None)))
    told(answers[0], "illegal_transition", "state_used", "/state")
    assert answers[1].status == 200 and len(network.token_requests) == 1


def test_a_state_lapses_after_ten_minutes(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    back = go(dateline, begun["authorizeUrl"])
    dateline.clock.advance(600)
    with nothing_written(dateline):
        told(dateline.api("GET", back, key=None), "invalid_request", "state_expired", "/state")
    assert read(dateline, begun)["status"] == "expired" and network.token_requests == []


def test_a_code_is_bound_to_the_consent_it_was_given_for(dateline: Dateline, network: Consenting) -> None:
    """Somebody who slips their own code into another's consent is stopped by PKCE at the network."""
    mine, theirs = begin(dateline), begin(dateline)
    code = query_of(go(dateline, mine["authorizeUrl"] + "&as=mallory"))["code"]
    state = query_of(theirs["authorizeUrl"])["state"]
    told(callback(dateline, code=code, state=state), "invalid_request", "code_refused", "/code")
    assert read(dateline, theirs)["status"] == "failed" and profiles_of(dateline) == []


def test_a_code_that_was_used_elsewhere_gives_nothing(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    back = go(dateline, begun["authorizeUrl"])
    network.grants.codes.clear()
    answer = dateline.api("GET", back, key=None)
    told(answer, "invalid_request", "code_refused", "/code")
    assert b"nobody may repeat" not in answer.body and b"invalid_grant" in answer.body


@pytest.mark.parametrize("said", ["access_denied", "server_error", "<script>alert(1)</script>", "x" * 5000])
def test_who_says_no_ends_the_consent(dateline: Dateline, network: Consenting, said: str) -> None:
    begun = begin(dateline)
    state = query_of(begun["authorizeUrl"])["state"]
    answer = callback(dateline, error=said, state=state, error_description="trust me")
    told(answer, "invalid_request", "access_denied" if said == "access_denied" else "not_authorized", "/error")
    assert b"script" not in answer.body and b"trust me" not in answer.body and len(answer.body) < 2000
    found = read(dateline, begun)
    assert found["status"] == "failed" and found["error"]["code"] in ("access_denied", "not_authorized")
    told(callback(dateline, code="late", state=state), "illegal_transition", "state_used", "/state")
    assert network.token_requests == []


def test_an_answer_without_a_code_does_not_use_the_state_up(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    back = query_of(go(dateline, begun["authorizeUrl"]))
    with nothing_written(dateline):
        told(callback(dateline, state=back["state"]), "invalid_request", "code_missing", "/code")
        told(callback(dateline, state=back["state"], code="x" * 5000), "invalid_request", "code_missing", "/code")
    assert callback(dateline, **back).status == 200


@pytest.mark.parametrize(
    ("fault", "reason"), [("lost", "answer_lost"), ("unsent", "network_unreachable"), ("500", "server_error")]
)
def test_a_code_is_never_exchanged_twice_whatever_becomes_of_the_answer(
    dateline: Dateline, network: Consenting, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
) -> None:
    begun = begin(dateline)
    back = go(dateline, begun["authorizeUrl"])
    request, asked = dateline.http.request, []

    def failing(method: str, url: str, **how: Any) -> NetworkAnswer:
        asked.append(url)
        if fault == "unsent":
            raise NotSent("the connection was refused")
        got = request(method, url, **how)
        if fault == "lost":
            raise AnswerLost("the connection broke")
        return NetworkAnswer(500, {}, got.body)

    monkeypatch.setattr(dateline.http, "request", failing)
    answer = dateline.api("GET", back, key=None)
    told(answer, "try_again", reason, "/code")
    assert "Begin again" in answer.json()["detail"]
    told(dateline.api("GET", back, key=None), "illegal_transition", "state_used", "/state")
    assert len(asked) == 1 and profiles_of(dateline) == [] and read(dateline, begun)["error"]["code"] == reason


def test_another_workspace_or_side_sees_and_chooses_nothing(dateline: Dateline, network: Consenting) -> None:
    network.pages = PAGES
    stranger = dateline.second_workspace()
    begun = begin(dateline)
    come_back(dateline, begun)
    path = f"/v1/connections/{begun['connectionId']}"
    with nothing_written(dateline):
        for key in (stranger, TEST_KEY):
            refused(dateline.api("GET", path, key=key), "not_found")
            refused(dateline.api("POST", path, {"accountIds": ["page-1"]}, key=key), "not_found")
    theirs = dateline.api("POST", "/v1/connect/consenting", {}, key=stranger).json()
    assert come_back(dateline, theirs, "ann").status == 200
    refused(dateline.api("GET", f"/v1/connections/{theirs['connectionId']}"), "not_found")
    assert profiles_of(dateline) == [], "a profile is the workspace's whose consent it was"
    ours = {"profileId": "prof_mastodon"}
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/connect/consenting", ours, key=stranger), "not_found", "/profileId")


# Where the browser goes

def test_the_browser_goes_back_to_the_clients_page_with_nothing_secret(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline, redirectUrl=f"{APP}/done?tab=2")
    answer = come_back(dateline, begun)
    location = answer.headers["location"]
    assert (answer.status, answer.body) == (302, b"") and location.startswith(f"{APP}/done?tab=2&")
    assert answer.headers["referrer-policy"] == "no-referrer"
    profile = read(dateline, begun)["profiles"][0]
    assert query_of(location) == {
        "tab": "2", "connectionId": begun["connectionId"], "status": "connected", "profileId": profile["id"]
    }
    again = callback(dateline, code="x", state=query_of(begun["authorizeUrl"])["state"])
    assert query_of(again.headers["location"])["error"] == "state_used"


def test_a_no_goes_back_to_the_clients_page_as_well(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline, redirectUrl="http://localhost:3000/x")
    answer = dateline.api("GET", go(dateline, begun["authorizeUrl"] + "&deny=1"), key=None)
    assert answer.headers["location"].startswith("http://localhost:3000/x?")
    said = query_of(answer.headers["location"])
    assert said == {"connectionId": begun["connectionId"], "status": "failed", "error": "access_denied"}
    network.pages = PAGES
    begun = begin(dateline, redirectUrl=f"{APP}/")
    said = query_of(come_back(dateline, begun).headers["location"])
    assert said == {"connectionId": begun["connectionId"], "status": "choosing"}


ELSEWHERE = (
    "https://evil.example", "https://app.example.com.evil.example", "https://app.example.com@evil.example",
    "https://evil.example\\@app.example.com", "https://app.example.com\\.evil.example", "//app.example.com",
    "http://app.example.com", "https://app.example.com:8443", "https://APP.example.com.", "javascript:alert(1)",
    "https://app.example.com\r\nSet-Cookie:x", "https://app.example.com/#x",
    "https://app.example.com%2eevil.example", "https:app.example.com",
    "https://user:pass@app.example.com/", "http://localhost:3001/", "https://localhost:3000/", "https://[app.example.com",
    "data:text/html,x", "", "https://аpp.example.com",
)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_spelling_of_another_address_is_a_place_to_be_sent_to(dateline: Dateline, network: Consenting, url: str) -> None:
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/connect/consenting", {"redirectUrl": url}), "invalid_request", "/redirectUrl")
    assert not may_redirect(url, [APP, "http://localhost:3000"])


def test_http_is_for_this_machine_only_even_where_the_operator_says_otherwise() -> None:
    assert may_redirect("http://127.0.0.1:3000/x", ["http://127.0.0.1:3000"])
    assert not may_redirect("http://app.example.com/x", ["http://app.example.com"])
    assert not may_redirect("https://app.example.com/x", []) and not may_redirect("https://app.example.com/x", ["*"])


def test_an_origin_that_is_allowed_no_more_is_gone_to_no_more(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline, redirectUrl=f"{APP}/done")
    wiring.deps().settings.connect_redirects = []
    answer = come_back(dateline, begun)
    assert answer.status == 200 and "location" not in answer.headers


# Secrets

@pytest.fixture
def logged() -> Iterator[Everything]:
    """Our own logger and the root's at DEBUG."""
    handler = Everything()
    handlers = runtime.logger()
    loggers: list[Any] = [logging.getLogger(), logging.getLogger("dateline"), handlers]
    levels = [loggers[0].level, loggers[1].level, handlers.log_level]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    yield handler
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_no_secret_of_a_consent_is_ever_shown_logged_announced_or_stored_as_it_is(
    dateline: Dateline, network: Consenting, logged: Everything, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Answer] = []
    secret = {"consenting-client-secret", "page-token-1", "page-token-2"}

    def come(back: str) -> None:
        shown.append(dateline.api("GET", back, key=None))

    for end in ("connected", "denied", "code_refused", "unforeseen", "unreachable"):
        network.pages = [] if end == "connected" else PAGES
        begun = begin(dateline)
        sent = begun["authorizeUrl"] + ("&deny=1" if end == "denied" else "")
        back = go(dateline, sent)
        secret |= {query_of(back)["state"].partition(".")[2], query_of(back).get("code", "no code")}
        if end == "code_refused":
            network.grants.codes.clear()

        def unforeseen(service: str, operation: str, phase: Phase) -> None:
            if service == "consenting" and phase == "after":
                raise RuntimeError("nobody thought of this")

        dateline.http.unreachable = end == "unreachable"
        if end == "unforeseen":
            interrupted(dateline, unforeseen, lambda back=back: come(back))  # type: ignore[misc]
        else:
            come(back)
        dateline.http.unreachable = False
        assert read(dateline, begun)["status"] == ("connected" if end == "connected" else "failed"), end
        shown += [dateline.api("GET", f"/v1/connections/{begun['connectionId']}"), dateline.api("GET", back, key=None)]
    network.pages = PAGES
    begun = begin(dateline)
    shown.append(come_back(dateline, begun))
    chosen = dateline.api("POST", f"/v1/connections/{begun['connectionId']}", {"accountIds": ["page-1", "page-2", "acct-ann"]})
    assert chosen.status == 200, chosen.body
    shown += [chosen, dateline.api("GET", "/v1/profiles"), dateline.api("GET", "/v1/events?after=0")]
    dateline.stack.settle(timers=False)
    shown.append(dateline.api("GET", "/v1/events?after=0"))
    secret |= {grant.access for grant in network.grants.grants} | {grant.refresh for grant in network.grants.grants}
    secret |= {request["code_verifier"] for request in network.token_requests}
    captured = capsys.readouterr()
    written = [*logged.lines, captured.out, captured.err, repr(stored(dateline))]
    everything = "\n".join([*(answer.body.decode() for answer in shown), *written])
    assert "nobody thought of this" in everything, "the logs were read"
    assert len(secret) > 15 and [one for one in secret if one in everything] == []
    assert "Plaintext" not in "\n".join(logged.lines)


def test_an_exception_of_the_flow_names_no_secret(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    connection = dateline.deps.connections.get(begun["connectionId"])
    assert connection is not None
    state = query_of(begun["authorizeUrl"])["state"]
    secret, code = state.partition(".")[2], "-".join(("what", "was", "given"))
    with pytest.raises(Problem) as raised:
        connecting.finish(dateline.deps, state + "x", code, "")
    text = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(connection)
    assert secret not in text, text
    assert code not in text and "verifier" not in text, text
