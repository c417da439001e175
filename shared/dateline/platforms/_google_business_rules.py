"""What Google Business Profile takes, as data: the limits, the options, and how they become a LocalPost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..domain.content import Draft, Segment
from ..domain.rules import DailyCap, MediaLimit, NativeWindow, Rules, TextLimit, Violation
from ._google import zulu

IMAGE_FORMATS = ("image/jpeg", "image/png")
IMAGE_BYTES = (10 * 1024, 5 * 1024 * 1024)
IMAGE_PIXELS = (250, 100_000)
SUMMARY = 1_500

EVENT = ("eventTitle", "start", "end")
"""An event has these, and so has an offer: Google asks for both."""
OFFER: Mapping[str, str] = {
    "couponCode": "couponCode", "redeemOnlineUrl": "redeemOnlineUrl", "termsConditions": "termsConditions",
}
"""Option -> member of `offer`."""
ACTIONS = ("book", "order", "shop", "learn_more", "sign_up", "call")
URL = "^https?://[^\\s]+$"
TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?$"


def topic_of(options: Mapping[str, Any]) -> str:
    """standard, event or offer."""
    return str(options.get("topicType") or "standard")


def post_of(segment: Segment, options: Mapping[str, Any], photo: str | None, scheduled: datetime | None = None) -> dict[str, Any]:
    """The LocalPost of a post. `photo` is an address that Google fetches, `scheduled` when it is to appear."""
    topic = topic_of(options)
    post: dict[str, Any] = {"topicType": topic.upper()}
    if segment.text:
        post["summary"] = segment.text
    if options.get("languageCode"):
        post["languageCode"] = options["languageCode"]
    if photo is not None:
        post["media"] = [{"mediaFormat": "PHOTO", "sourceUrl": photo}]
    action = options.get("callToAction")
    if action and topic != "offer":
        # A call dials the location's own number: Google wants no address with it.
        url = {"url": action["url"]} if "url" in action and action["type"] != "call" else {}
        post["callToAction"] = {"actionType": action["type"].upper(), **url}
    if topic != "standard":
        schedule = {**_moment("start", options["start"]), **_moment("end", options["end"])}
        post["event"] = {"title": options["eventTitle"], "schedule": schedule}
    if topic == "offer":
        post["offer"] = {member: options[name] for name, member in OFFER.items() if name in options}
    if scheduled is not None:
        post["scheduledTime"] = zulu(scheduled)
    return post


def _moment(side: str, value: str) -> dict[str, Any]:
    """A date, perhaps with an hour of the day, as a TimeInterval has it: on the location's own clock."""
    day, _, hour = value.partition("T")
    year, month, date = (int(part) for part in day.split("-"))
    found: dict[str, Any] = {f"{side}Date": {"year": year, "month": month, "day": date}}
    if hour:
        hours, minutes = hour.split(":")
        found[f"{side}Time"] = {"hours": int(hours), "minutes": int(minutes), "seconds": 0, "nanos": 0}
    return found


def _read(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found: list[Violation] = []
    options, topic = draft.options, topic_of(draft.options)

    def add(rule: str, field: str, detail: str) -> None:
        found.append(Violation(f"google_business.{rule}", 0, f"options/{field}", detail))

    if topic in ("event", "offer"):
        for name in (one for one in EVENT if not options.get(one)):
            detail = f"An {topic} on Google Business Profile needs {', '.join(EVENT)}; {name} is missing."
            add(f"{topic}.incomplete", name, detail)
    start, end = (_read(options.get(name)) for name in ("start", "end"))
    for name, moment in (("start", start), ("end", end)):
        if options.get(name) and moment is None:
            add("date.invalid", name, f"{options[name]} is no date that there is.")
    if start is not None and end is not None and start > end:
        add("date.order", "end", f"It ends ({options['end']}) before it starts ({options['start']}).")
    action = options.get("callToAction")
    if isinstance(action, Mapping) and action.get("type") in ACTIONS[:-1] and "url" not in action:
        add("call_to_action.url", "callToAction", f"A button {action['type']} needs the url that it leads to.")
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found: list[Violation] = []
    options, topic = draft.options, topic_of(draft.options)

    def add(rule: str, field: str, detail: str) -> None:
        found.append(Violation(f"google_business.{rule}.ignored", 0, f"options/{field}", detail))

    for name in EVENT:
        if topic == "standard" and name in options:
            add("event", name, f"{name} belongs to an event or an offer; this is a standard post, and it is left out.")
    for name in OFFER:
        if topic != "offer" and name in options:
            add("offer", name, f"{name} belongs to an offer; this is none, and it is left out.")
    for place, item in enumerate(draft.segments[0].media):
        if item.alt_text:
            detail = "Google takes no alternative text with a photo; it is left out."
            found.append(Violation("google_business.alt_text.ignored", 0, f"media/{place}", detail))
    action = options.get("callToAction")
    if not isinstance(action, Mapping):
        return found
    if topic == "offer":
        add("call_to_action", "callToAction", "An offer has a button of its own; this one is left out.")
    elif action.get("type") == "call" and "url" in action:
        add("call_to_action", "callToAction/url", "A button call dials the location's own number; the url is left out.")
    return found


RULES = Rules(
    platform="google_business",
    name="Google Business Profile",
    text=(TextLimit(SUMMARY, "characters", lambda text, settings: len(text), "each character counts one"),),
    media={
        "image": MediaLimit(
            1, IMAGE_BYTES[1], IMAGE_FORMATS, least_bytes=IMAGE_BYTES[0], width=IMAGE_PIXELS, height=IMAGE_PIXELS
        ),
    },
    most_media=1,
    exactly_once="Google takes no key and refuses no duplicates: after a lost answer the location's posts are searched for one"
    " with the same words since then. It ends unconfirmed where the location has more than 500.",
    source="developers.google.com/my-business, localPosts v4 (undated; members, states); text and photo limits by third parties"
    " (Ayrshare, Zernio 2026): 1,500 characters, JPEG or PNG of 10 KB to 5 MB, at least 250 x 250 pixels",
    daily_cap=DailyCap(
        10 * 60 * 24, 24, "developers.google.com/my-business/content/limits: 10 edits a minute and profile; all of a project"
        " share 300 requests a minute", "dailyPosts",
    ),
    native_scheduling="scheduledTime; its window is not documented",
    # The window is not documented: a month is well within what others schedule.
    native=NativeWindow(least=15 * 60, most=30 * 86_400),
    options={
        "type": "object",
        "properties": {
            "topicType": {
                "type": "string", "enum": ["standard", "event", "offer"],
                "description": "The kind of post. An event and an offer need eventTitle, start and end. Default: standard.",
            },
            "eventTitle": {"type": "string", "minLength": 1, "description": "Title of the event or offer."},
            "start": {
                "type": "string", "pattern": TIME,
                "description": "When it begins, on the location's own clock: 2026-12-01 or 2026-12-01T09:00.",
            },
            "end": {"type": "string", "pattern": TIME, "description": "When it ends, like start."},
            "couponCode": {"type": "string", "minLength": 1, "description": "Coupon code of an offer."},
            "redeemOnlineUrl": {"type": "string", "pattern": URL, "description": "Where an offer is redeemed online."},
            "termsConditions": {"type": "string", "minLength": 1, "description": "Terms and conditions of an offer."},
            "callToAction": {
                "type": "object",
                "description": "A button below the post; an offer has one of its own. Default: none.",
                "properties": {
                    "type": {"type": "string", "enum": list(ACTIONS), "description": "What the button says."},
                    "url": {"type": "string", "pattern": URL, "description": "Where it leads; every type but call needs it."},
                },
                "required": ["type"], "additionalProperties": False,
            },
            "languageCode": {
                "type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
                "description": "Language of the post (BCP 47). Default: not said.",
            },
            "nativeSchedule": {
                "type": "boolean",
                "description": "Google itself publishes the post at its time, 15 minutes to 30 days ahead. Default: false.",
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
