"""LinkedIn: its publisher over the versioned REST API, for members and organizations. Rules, text and uploads stand beside it.

LinkedIn has no idempotency key, but refuses a duplicate and names the post that is out already. An organization's posts can be
listed; a member's cannot, for that permission (`r_member_social`) is closed to nearly every app.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ._linkedin_accounts import SCOPES, SIGN_IN, choices, refreshed, whose
from ._linkedin_calls import call, codes_of, good, headers, in_path, is_passing, reason_of, refused
from ._linkedin_posts import PAGE, body_of, is_comment, is_post, listing, time_of, urn_of
from ._linkedin_rules import RULES as RULES
from ._linkedin_uploads import missing, upload_all
from .base import (
    Absent,
    Account,
    AccountInfo,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Outcome,
    Remote,
    Resolution,
    Retry,
    Standard,
    Undecidable,
    Unknown,
)
from .calls import irreversible, said_by
from .connect import Choice, OAuth2

CLOCK_SKEW = timedelta(seconds=60)
PAGES = 5
PARENT_WAIT = 5.0
"""A post may not take comments in the very second it appears."""
_URN = re.compile(r"urn:li:(?:share|ugcPost):(\d+)")
_COMMENT = re.compile(r"urn:li:comment:\((urn:li:\w+:[^,()]+),([^,()]+)\)")


class LinkedInPublisher(Standard):
    """Text, links, images, videos, documents and polls; a first comment. `account.account_id` is the author's URN. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "OAuth 2.0 token with w_member_social (and openid, profile) for a member, or"
                        " w_organization_social for an organization; it lasts 60 days."),
        CredentialField("refreshToken", False, "For apps that LinkedIn gives one."),
        CredentialField("clientId", False, "The app's client id; needed to refresh."),
        CredentialField("clientSecret", False, "The app's client secret; needed to refresh."),
        CredentialField("organizationId", False, "The organization to post for, by number or URN; without it the member posts."),
    )
    default_server = "https://api.linkedin.com"
    connect: OAuth2 | None = OAuth2(
        authorize=(SIGN_IN, "/oauth/v2/authorization"), token=(SIGN_IN, "/oauth/v2/accessToken"),
        scopes=SCOPES, pkce=False,
    )
    refresh_ahead = 7 * 86_400.0

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while a medium is not uploaded and ready."""
        return missing(delivery)

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """When the first try began that may have had an effect: what LinkedIn lists, or calls a duplicate, is ours only if it
        is no older."""
        known = delivery.uncertain and delivery.checkpoint.get("since")
        return {} if known else {"since": delivery.now().isoformat()}

    def prepare(self, delivery: Delivery) -> None:
        """Upload the media and wait until LinkedIn has worked on them."""
        upload_all(delivery, _is_member(delivery.account))

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST /rest/posts`, once; the first comment by `POST /rest/socialActions/{post}/comments`."""
        if segment > 0:
            return (self._comment(delivery, segment),)
        account = delivery.account
        body = body_of(delivery)
        url = f"{account.server}/rest/posts"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=headers(account), json=body))
        if answer.status in (200, 201):
            urn = answer.headers.get("x-restli-id") or str(said_by(answer).get("id") or "")
            if not urn:
                raise Unknown("answer_unreadable", "LinkedIn said it took the post and named no id.")
            return (_remote(urn),)
        if answer.status == 408:
            raise Unknown("answer_lost", "LinkedIn answered 408 to the publishing call.")
        reason = reason_of(answer)
        if answer.status == 422 and ("DUPLICATE_POST" in codes_of(answer) or "is a duplicate of" in reason):
            named = _URN.search(reason)
            return (self._already_out(delivery, named.group() if named else None),)
        raise refused(answer, delivery.now())

    def _comment(self, delivery: Delivery, segment: int) -> Remote:
        account, post = delivery.account, delivery.published[0].id
        body = {"actor": account.account_id, "object": post, "message": {"text": delivery.segments[segment].text}}
        url = f"{account.server}/rest/socialActions/{in_path(post)}/comments"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=headers(account), json=body))
        if answer.status in (200, 201):
            said = said_by(answer)
            number = str(said.get("id") or answer.headers.get("x-restli-id") or "")
            urn = str(said.get("commentUrn") or said.get("$URN") or (f"urn:li:comment:({post},{number})" if number else ""))
            if not urn:
                raise Unknown("answer_unreadable", "LinkedIn said it took the comment and named no id.")
            return _remote(post, urn)
        if answer.status == 408:
            raise Unknown("answer_lost", "LinkedIn answered 408 to the comment.")
        if answer.status == 404:
            raise Retry("parent_not_visible", "LinkedIn does not show the post yet, so it takes no comment on it.", PARENT_WAIT)
        raise refused(answer, delivery.now())

    def _already_out(self, delivery: Delivery, urn: str | None) -> Remote:
        """What a duplicate refusal means. It is our own earlier call only if one was uncertain, no other post of ours owns what
        LinkedIn names, that is no older than our first try, and it can be read: LinkedIn also names posts long deleted."""
        if not delivery.uncertain:
            which = f" ({urn})" if urn else ""
            detail = f"LinkedIn refuses what the account has posted already{which}. Change the text, or post it later."
            raise Failed("duplicate_content", detail)
        if urn is None or urn in delivery.taken or _is_older(urn, delivery):
            raise Unknown("duplicate_not_found", "LinkedIn calls the post a duplicate, of none that could be ours.")
        try:
            answer = call(delivery.account, delivery.http, "GET", f"/rest/posts/{in_path(urn)}")
        except Outcome as error:
            raise Unknown("duplicate_not_found", f"LinkedIn names {urn}, and looking at it failed ({error.code}).") from None
        if answer.status == 200:
            return _remote(urn)
        delivery.save(duplicateOf=urn)
        raise Unknown("duplicate_not_found", f"LinkedIn calls the post a duplicate of {urn}, which cannot be read.")

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look through the author's posts (or the post's comments) since the call: same media, link or poll, and same words.

        An organization's are listed. For a member LinkedIn refuses the list to all apps but those it has let in itself: then it
        is undecidable. To send it again and trust in the duplicate rule would be no answer: the rule is in no documentation,
        nobody knows how long it remembers, whether it sees two uploads of one picture as the same, or when it comes to hold after
        the call that was lost; and it names posts that are deleted. A repeat it let pass would be a second post that all see.
        """
        first = delivery.checkpoint.get("since")
        since = (datetime.fromisoformat(first) if first else delivery.armed_at or delivery.now()) - CLOCK_SKEW
        owned = delivery.taken | {remote.id for remote in delivery.published}
        ours = is_post if segment == 0 else is_comment
        found: list[tuple[datetime, str]] = []
        for page in range(PAGES):
            answer = call(delivery.account, delivery.http, "GET", listing(delivery, segment, page))
            if answer.status == 403 and not is_passing(answer):
                return Undecidable(_look_for(delivery))
            listed = [entry for entry in good(answer, delivery.now()).get("elements") or () if isinstance(entry, Mapping)]
            recent = [entry for entry in listed if time_of(entry) >= since]
            found += [
                (time_of(entry), urn_of(entry)) for entry in recent
                if urn_of(entry) not in owned and ours(entry, delivery, segment)
            ]
            # Posts come newest first, comments in an order of LinkedIn's own.
            if len(listed) < PAGE or (segment == 0 and len(recent) < len(listed)):
                if not found:
                    return Absent()
                urn = min(found)[1]
                return Found((_remote(delivery.published[0].id, urn) if segment else _remote(urn),))
        return Undecidable(f"There are more than {PAGES * PAGE} since; LinkedIn has to be looked through by hand.")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Take the post, or the comment, down; what is gone already is no error."""
        comment = _COMMENT.fullmatch(remote_id)
        path, more = f"/rest/posts/{in_path(remote_id)}", {}
        if comment is not None:
            path = f"/rest/socialActions/{in_path(comment[1])}/comments/{comment[2]}"
            more = {"actor": delivery.account.account_id}
        answer = call(delivery.account, delivery.http, "DELETE", path, params=more)
        if answer.status not in (404, 410):
            good(answer, delivery.now())

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Whose token it is: the member, or the organization that the account or its credentials name."""
        return whose(account, http)

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The member, and the organizations the member may post for."""
        return choices(account, http)

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """`POST /oauth/v2/accessToken`; None without a refresh token, which LinkedIn gives to few apps."""
        return refreshed(account, http)


def _is_member(account: Account) -> bool:
    return not account.account_id.startswith("urn:li:organization:")


def _look_for(delivery: Delivery) -> str:
    named = delivery.checkpoint.get("duplicateOf")
    said = f" LinkedIn called it a duplicate of {named}: look whether that is there." if named else ""
    return f"LinkedIn does not let this account's posts be listed; look at the profile.{said}"


def _is_older(urn: str, delivery: Delivery) -> bool:
    """Whether a post was there before our first try, by its URN, whose number begins with its time in milliseconds."""
    match, since = _URN.fullmatch(urn), delivery.checkpoint.get("since")
    if match is None or not since:
        return False
    try:
        made = datetime.fromtimestamp((int(match[1]) >> 22) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return False
    plausible = datetime(2012, 1, 1, tzinfo=UTC) < made
    return plausible and made < datetime.fromisoformat(since) - CLOCK_SKEW


def _remote(post: str, comment: str | None = None) -> Remote:
    url = f"https://www.linkedin.com/feed/update/{post}/"
    if comment is None:
        return Remote(post, url)
    return Remote(comment, f"{url}?commentUrn={in_path(comment)}")


PUBLISHER = LinkedInPublisher()
