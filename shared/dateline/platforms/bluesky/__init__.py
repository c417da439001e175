"""Bluesky: posts and whole threads, written under record keys of our own choosing.

The keys and the creation time are saved with the claim, so writing again can only write the same record: `putRecord` for a
single post, one `applyWrites` for a thread, with reply references computed here. It must never call `createRecord`, whose
repeat is answered with a 500 that looks like an accident, nor open a session for every post (300 a day are allowed).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ...domain.content import Media
from ...domain.rules import DailyCap, MediaLimit, Rules, TextLimit, graphemes
from ..base import (
    Account,
    AccountInfo,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Outcome,
    Publisher,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Standard,
    TokenRefused,
    Unknown,
)
from ..calls import harmless, irreversible, said_by
from .records import COLLECTION, cid_of, later, parts_of, post_record, record_keys, timestamp, uri_of, url_of
from .text import facets, handles, utf8_bytes
from .xrpc import access, procedure, refusal_of, session, xrpc

BLOB_FRESH = timedelta(hours=1)
"""How long an uploaded picture that no record uses yet is relied upon; after that it is uploaded again (same bytes, same
reference). A server may clear away what stays unused."""

MOST_LOOKUPS = 30
"""Mentions looked up per delivery; more stay plain text. A bound on the calls one post can cause."""


LABELS = ("sexual", "nudity", "porn", "graphic-media")
"""The content warnings among the label values that the network knows: what authors put on their own posts."""

RULES = Rules(
    platform="bluesky",
    name="Bluesky",
    text=(
        TextLimit(300, "graphemes", graphemes, "what a reader sees as one character counts one, an emoji of many parts too"),
        TextLimit(3000, "bytes", utf8_bytes, "bytes in UTF-8", rule="text.too_many_bytes"),
    ),
    media={"image": MediaLimit(4, 2_000_000, ("image/jpeg", "image/png", "image/webp", "image/gif"))},
    most_media=4,
    thread_segments=25,
    thread_atomic=True,
    first_comment=True,
    daily_cap=DailyCap(11_666, 24, "35,000 points a day and account, 3 for each new post (bluesky-social/atproto)", "dailyPosts"),
    options={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "langs": {
                "type": "array",
                "items": {
                    "type": "string",
                    "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
                    "description": "A language tag such as en or pt-BR.",
                },
                "maxItems": 3,
                "description": "Languages of the text as BCP 47 tags, for example [\"en\"].",
            },
            "labels": {
                "type": "array",
                "items": {"type": "string", "enum": list(LABELS)},
                "maxItems": len(LABELS),
                "description": "Content warnings, on every segment of a thread.",
            },
            "tags": {
                "type": "array",
                "items": {
                    "type": "string", "pattern": "^[^#]", "maxLength": 64, "description": "A hashtag without its #.",
                },
                "maxItems": 8,
                "description": "Hashtags beside those in the text, on the first segment. Readers do not see them.",
            },
        },
    },
    exactly_once=(
        "The record's key is chosen before the call: a lost answer is settled by reading that key, and writing again writes"
        " the same record."
    ),
    source="Lexicons and server source of bluesky-social/atproto d6296a1 (2026-08-20); behaviour tested on a PDS 0.5.35.",
)


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
        """True when there are pictures to upload or mentions to look up."""
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
        """Look up mentions (best effort) and upload pictures; both are saved, so the record is the same on every try."""
        self._look_up_mentions(delivery)
        for segment in delivery.segments:
            for item in segment.media:
                self._upload(delivery, item)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Write the post, or the whole thread at once. Returns every segment's `Remote`, its CID in `extra`."""
        did, account = delivery.account.account_id, delivery.account
        posts = self._posts(delivery)
        headers = access(account)
        if len(posts) == 1:
            (rkey, record), method = posts[0], "com.atproto.repo.putRecord"
            body: dict[str, Any] = {"repo": did, "collection": COLLECTION, "rkey": rkey, "record": record}
        else:
            method = "com.atproto.repo.applyWrites"
            create = "com.atproto.repo.applyWrites#create"
            writes = [{"$type": create, "collection": COLLECTION, "rkey": key, "value": value} for key, value in posts]
            body = {"repo": did, "writes": writes}
        answer = irreversible(lambda: delivery.http.request("POST", xrpc(account, method), headers=headers, json=body))
        said = said_by(answer)
        if not 200 <= answer.status < 300:
            if said.get("error") == "BlobNotFound":
                delivery.save(blobs={})
                raise Retry("media_expired", "Bluesky no longer has the uploaded pictures; they are uploaded again.")
            raise refusal_of(answer, delivery.now())
        results = [said] if len(posts) == 1 else said.get("results")
        if not isinstance(results, list) or len(results) != len(posts) or not all(_is_written(r) for r in results):
            raise Unknown("answer_unclear", "The answer to the publishing call did not say what was written.")
        return tuple(
            Remote(uri_of(did, rkey), url_of(did, rkey), {"cid": str(result["cid"])})
            for (rkey, _), result in zip(posts, results, strict=True)
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
        """Delete the record of an at:// URI; the server answers 200 for one that is gone already."""
        parts = parts_of(remote_id)
        if parts is None:
            raise Failed("not_a_post", f"{remote_id!r} is not the address of a Bluesky post.")
        account, body = delivery.account, {"repo": parts[0], "collection": COLLECTION, "rkey": parts[1]}
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
        return AccountInfo(str(said["did"]), str(said.get("handle") or said["did"]))

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

    def _upload(self, delivery: Delivery, item: Media) -> None:
        blobs: dict[str, Any] = dict(delivery.checkpoint.get("blobs") or {})
        now, name = delivery.now(), _blob_name(item.url)
        if name in blobs and now - datetime.fromisoformat(blobs[name]["at"]) < BLOB_FRESH:
            return
        limit = RULES.media["image"]
        content, mime = delivery.http.fetch_media(item, limit.bytes)
        if mime not in limit.formats:
            raise Failed("media_unsupported", f"Bluesky takes {', '.join(limit.formats)}; this file is {mime}.")
        headers = {**access(delivery.account), "Content-Type": mime}
        url = xrpc(delivery.account, "com.atproto.repo.uploadBlob")
        answer = harmless(lambda: delivery.http.request("POST", url, headers=headers, data=content))
        if answer.status != 200:
            raise refusal_of(answer, now)
        blob = said_by(answer).get("blob")
        if not isinstance(blob, dict):
            raise Retry("upload_unclear", "The answer to the upload held no reference to the picture.")
        blobs[name] = {"blob": blob, "at": now.isoformat()}
        delivery.save(blobs=blobs)

    def _posts(self, delivery: Delivery) -> list[tuple[str, dict[str, Any]]]:
        """(record key, record) of each segment, the same on every try; replies refer to the CIDs they will have."""
        saved, did = delivery.checkpoint, delivery.account.account_id
        blobs, dids = saved.get("blobs") or {}, saved.get("dids") or {}
        langs, labels = delivery.options.get("langs") or (), delivery.options.get("labels") or ()
        posts: list[tuple[str, dict[str, Any]]] = []
        refs: list[dict[str, str]] = []
        for place, segment in enumerate(delivery.segments):
            missing = [item for item in segment.media if _blob_name(item.url) not in blobs]
            if missing:
                raise Retry("media_missing", "The pictures of this post are not uploaded yet.")
            images = [{"alt": item.alt_text, "image": blobs[_blob_name(item.url)]["blob"]} for item in segment.media]
            reply = {"root": refs[0], "parent": refs[-1]} if refs else None
            created_at = later(saved["createdAt"], place)
            tags = delivery.options.get("tags") or () if place == 0 else ()
            record = post_record(segment.text, created_at, facets(segment.text, dids), images, langs, reply, labels, tags)
            rkey = saved["rkeys"][place]
            posts.append((rkey, record))
            if len(delivery.segments) > 1:
                refs.append({"uri": uri_of(did, rkey), "cid": cid_of(record)})
        return posts


def _is_written(result: Any) -> bool:
    return isinstance(result, dict) and bool(result.get("uri")) and bool(result.get("cid"))


def _blob_name(url: str) -> str:
    """A short name for a picture in the checkpoint, so that another URL never takes its place."""
    from hashlib import sha256

    return sha256(url.encode()).hexdigest()[:16]


def _did_of(delivery: Delivery, handle: str) -> str | None:
    """The DID of `handle`, "" where there is none, None without an answer: the mention then stays plain text."""
    url = xrpc(delivery.account, "com.atproto.identity.resolveHandle")
    try:
        answer = harmless(lambda: delivery.http.request("GET", url, params={"handle": handle}))
    except Retry:
        return None
    return str(said_by(answer).get("did") or "") if answer.status == 200 else ""


PUBLISHER: Publisher = Bluesky()
