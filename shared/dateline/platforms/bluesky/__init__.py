"""Bluesky: posts and whole threads, written under record keys of our own choosing.

The keys and the creation time are saved with the claim, so writing again can only write the same record: `putRecord` for a
single post, one `applyWrites` for a thread, with reply references computed here. It must never call `createRecord`, whose
repeat is answered with a 500 that looks like an accident, nor open a session for every post (300 a day are allowed).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..base import (
    Account,
    AccountInfo,
    Answer,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Outcome,
    Publisher,
    Quota,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Standard,
    TokenRefused,
    Unknown,
)
from ..calls import harmless, irreversible, said_by
from .media import files_of, upload
from .records import COLLECTION, GATES, cid_of, embed_of, later, parts_of, post_record, record_keys, timestamp, uri_of, url_of
from .rules import REPLY_RULES
from .rules import RULES as RULES
from .text import facets, handles
from .xrpc import access, pds_of, procedure, quotas_of, refusal_of, session, xrpc

MOST_LOOKUPS = 30
"""Mentions looked up per delivery; more stay plain text. A bound on the calls one post can cause."""


class Bluesky(Standard):
    """`Publisher` for one account on one personal data server (PDS). `account.account_id` is its DID."""

    rules = RULES
    default_server = "https://bsky.social"
    own_server = True
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("identifier", True, "The account's handle (alice.bsky.social) or DID."),
        CredentialField("appPassword", False, "An app password, made in Bluesky's settings; never the real password."),
        CredentialField("accessJwt", False, "Access token of a session; with refreshJwt it can stand in for the app password."),
        CredentialField("refreshJwt", False, "Refresh token of the same session."),
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True when there are media to upload or mentions to look up."""
        return any(segment.media or handles(segment.text) for segment in delivery.segments)

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """Record keys, once and for all tries; the creation time, anew only as long as no call may have used the last."""
        saved = delivery.checkpoint
        now = delivery.now()
        if len(saved.get("rkeys") or ()) != len(delivery.segments):
            return {"rkeys": record_keys(delivery.key, now, len(delivery.segments)), "createdAt": timestamp(now)}
        if delivery.uncertain or delivery.armed_at is not None:
            return {}
        return {"createdAt": timestamp(now)}

    def prepare(self, delivery: Delivery) -> None:
        """Look up mentions (best effort) and upload media; both are saved, so the record is the same on every try."""
        self._look_up_mentions(delivery)
        upload(delivery)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Write the post, or the whole thread at once. Returns every segment's `Remote`, its CID in `extra`."""
        did, account = delivery.account.account_id, delivery.account
        posts = self._posts(delivery)
        headers = access(account)
        gate = self._gate(delivery)
        if len(posts) == 1 and gate is None:
            (rkey, record), method = posts[0], "com.atproto.repo.putRecord"
            body: dict[str, Any] = {"repo": did, "collection": COLLECTION, "rkey": rkey, "record": record}
        else:
            method = "com.atproto.repo.applyWrites"
            create = "com.atproto.repo.applyWrites#create"
            writes = [{"$type": create, "collection": COLLECTION, "rkey": key, "value": value} for key, value in posts]
            if gate is not None:
                writes.append({"$type": create, "collection": GATES, "rkey": posts[0][0], "value": gate})
            body = {"repo": did, "writes": writes}
        answer = irreversible(lambda: delivery.http.request("POST", xrpc(account, method), headers=headers, json=body))
        said = said_by(answer)
        if not 200 <= answer.status < 300:
            if said.get("error") == "BlobNotFound":
                delivery.save(blobs={})
                raise Retry("media_expired", "Bluesky no longer has the uploaded media; they are uploaded again.")
            raise refusal_of(answer, delivery.now())
        results = said.get("results") if "writes" in body else [said]
        expected = len(body.get("writes") or posts)
        if not isinstance(results, list) or len(results) != expected or not all(_is_written(r) for r in results):
            raise Unknown("answer_unclear", "The answer to the publishing call did not say what was written.")
        return tuple(
            Remote(uri_of(did, rkey), url_of(did, rkey), {"cid": str(result["cid"])})
            for (rkey, _), result in zip(posts, results[: len(posts)], strict=True)
        )

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Read the first record key. There: all is there, a thread being one commit. Not there: safe to write again.

        Nothing doubles even where a slow server is still writing: the second `putRecord` has the same key and content and
        changes nothing; the second `applyWrites` of a thread meets a taken key, writes nothing and answers 500 (tested).
        It may be refused, though, with the first coming up after all: so delivery asks again after the settling time.
        """
        did, rkeys = delivery.account.account_id, delivery.checkpoint["rkeys"]
        params = {"repo": did, "collection": COLLECTION, "rkey": rkeys[0]}
        url = xrpc(delivery.account, "com.atproto.repo.getRecord")
        # No token: reading is public, so a session that died in the meantime does not stand in the way.
        answer = harmless(lambda: delivery.http.request("GET", url, params=params))
        said = said_by(answer)
        if answer.status == 200 and said.get("uri"):
            cids = [str(said.get("cid") or "")]
            if len(rkeys) > 1:
                cids += [cid_of(record) for _, record in self._posts(delivery)[1:]]
            return Found(tuple(Remote(uri_of(did, k), url_of(did, k), {"cid": c}) for k, c in zip(rkeys, cids, strict=True)))
        if said.get("error") == "RecordNotFound":
            return SafeToRepeat()
        refusal = refusal_of(answer, delivery.now())
        if isinstance(refusal, Retry | TokenRefused):
            raise refusal
        raise Retry("look_failed", f"Bluesky did not say whether the post is there: {refusal.detail}")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Delete the record of an at:// URI, and with a thread's first the record that says who may reply; the server answers 200
        for one that is gone already."""
        parts = parts_of(remote_id)
        if parts is None:
            raise Failed("not_a_post", f"{remote_id!r} is not the address of a Bluesky post.")
        account = delivery.account
        gated = "replyControl" in delivery.options and parts[1] in (delivery.checkpoint.get("rkeys") or ())[:1]
        for collection in (COLLECTION, GATES)[: 1 + gated]:
            body = {"repo": parts[0], "collection": collection, "rkey": parts[1]}
            procedure(delivery.http, account, "com.atproto.repo.deleteRecord", body, access(account), delivery.now())

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Who the session belongs to. Without an access token yet: `TokenRefused`, the caller refreshes."""
        headers = access(account)
        answer = harmless(lambda: http.request("GET", xrpc(account, "com.atproto.server.getSession"), headers=headers))
        said = said_by(answer)
        if answer.status != 200 or not said.get("did"):
            raise refusal_of(answer, None)
        if said.get("active") is False:
            raise TokenRefused("account_inactive", f"The account is {said.get('status') or 'not active'}.")
        host = pds_of(said)
        return AccountInfo(str(said["did"]), str(said.get("handle") or said["did"]), {"pds": host} if host else {})

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """The server's points, as its headers tell them."""
        return quotas_of(answer)

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """A new session: by the refresh token, which rotates, or failing that by the app password."""
        refused: Outcome | None = None
        if account.credentials.get("refreshJwt"):
            headers = {"Authorization": f"Bearer {account.credentials['refreshJwt']}"}
            try:
                return session(account, procedure(http, account, "com.atproto.server.refreshSession", None, headers, None))
            except (TokenRefused, Failed) as error:
                refused = error
        if account.credentials.get("appPassword"):
            body = {"identifier": account.credentials["identifier"], "password": account.credentials["appPassword"]}
            try:
                return session(account, procedure(http, account, "com.atproto.server.createSession", body, {}, None))
            except Failed as error:
                refused = error
        if refused is None:
            raise TokenRefused("no_credentials", "There is neither an app password nor a refresh token for this account.")
        raise TokenRefused("session_refused", f"Bluesky gave no new session: {refused.detail}")

    def _look_up_mentions(self, delivery: Delivery) -> None:
        known: dict[str, str] = dict(delivery.checkpoint.get("dids") or {})
        wanted = dict.fromkeys(handle for segment in delivery.segments for handle in handles(segment.text))
        missing = [handle for handle in wanted if handle not in known][: max(0, MOST_LOOKUPS - len(known))]
        reachable = True
        for handle in missing:
            # One that is not answered stands for all: thirty time-outs would outlast the worker.
            did = _did_of(delivery, handle) if reachable else ""
            reachable = did is not None and reachable
            known[handle] = did or ""
        if missing:
            delivery.save(dids=known)

    def _posts(self, delivery: Delivery) -> list[tuple[str, dict[str, Any]]]:
        """(record key, record) of each segment, the same on every try; replies refer to the CIDs they will have."""
        saved, did = delivery.checkpoint, delivery.account.account_id
        dids = saved.get("dids") or {}
        langs, labels = delivery.options.get("langs") or (), delivery.options.get("labels") or ()
        posts: list[tuple[str, dict[str, Any]]] = []
        refs: list[dict[str, str]] = []
        for place, segment in enumerate(delivery.segments):
            options = delivery.options if place == 0 else {}
            embed = embed_of(files_of(delivery, segment.media), options.get("linkCard"), options.get("quote"))
            reply = {"root": refs[0], "parent": refs[-1]} if refs else None
            created_at = later(saved["createdAt"], place)
            tags = options.get("tags") or ()
            record = post_record(segment.text, created_at, facets(segment.text, dids), embed, langs, reply, labels, tags)
            rkey = saved["rkeys"][place]
            posts.append((rkey, record))
            if len(delivery.segments) > 1:
                refs.append({"uri": uri_of(did, rkey), "cid": cid_of(record)})
        return posts

    def _gate(self, delivery: Delivery) -> dict[str, Any] | None:
        """The record beside the first post that says who may reply; None when everyone may."""
        allowed, saved = delivery.options.get("replyControl"), delivery.checkpoint
        if allowed is None:
            return None
        rules = [{"$type": REPLY_RULES[name]} for name in allowed]
        post = uri_of(delivery.account.account_id, saved["rkeys"][0])
        return {"$type": GATES, "post": post, "allow": rules, "createdAt": saved["createdAt"]}


def _is_written(result: Any) -> bool:
    return isinstance(result, dict) and bool(result.get("uri")) and bool(result.get("cid"))


def _did_of(delivery: Delivery, handle: str) -> str | None:
    """The DID of `handle`, "" where there is none, None without an answer: the mention then stays plain text."""
    url = xrpc(delivery.account, "com.atproto.identity.resolveHandle")
    try:
        answer = harmless(lambda: delivery.http.request("GET", url, params={"handle": handle}))
    except Retry:
        return None
    return str(said_by(answer).get("did") or "") if answer.status == 200 else ""


PUBLISHER: Publisher = Bluesky()
