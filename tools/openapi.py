"""Writes the OpenAPI file from the table of routes and the shapes: `python -m tools.openapi`; `--check` fails if it is stale.

What is said here about a route is only what the table and the shapes do not say: its parameters' meaning, and which refusals it
knows. The examples are answers of the running system, kept in tools/openapi_examples.json by `python -m tests.record_examples`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from dateline.api import shapes
from dateline.api.answer_shapes import ANSWERS, PostStatus
from dateline.api.routes import ROUTES, Route
from dateline.domain.errors import STATUS, TITLES
from dateline.platforms.registry import names

OUT = Path(__file__).resolve().parent.parent / "shared" / "dateline" / "api" / "openapi.json"
EXAMPLES = Path(__file__).resolve().parent / "openapi_examples.json"

Json = dict[str, Any]

ABOUT = """Dateline schedules and publishes posts on social networks.

**Authentication.** `Authorization: Bearer <key>` or `x-api-key: <key>`. A key belongs to one workspace, is live or test, and
carries scopes; `admin` includes all others. A test key sees test posts and profiles only, and reaches the built-in sandbox, never
a network.

**Times** are RFC 3339 in UTC with `Z` in answers. `scheduledFor` with an IANA `timezone` is wall-clock time there.

**Repeats.** Every POST and PATCH takes `Idempotency-Key`: the same request with the same key is done once and answered alike.

**Lists** answer `{"data": […], "nextCursor": …}`. Send `nextCursor` as `cursor`, with the same filters, until it is null.

**Refusals** are problem details (RFC 9457) with a stable `code`. Nothing is written when a 4xx is answered. API Gateway's own
answers (413 above 6 MB, 429 above the stack's throttle, 503) are not problem details: `{"message": …}`."""

TAGS = (
    ("posts", "Posts: create, edit, publish, follow"), ("profiles", "Profiles: connected accounts"),
    ("platforms", "Platforms: the catalogue of networks"), ("queues", "Queues: weekly posting slots"), ("keys", "Keys"),
    ("media", "Media: uploads, and copies of files behind a URL"),
    ("workspace", "Workspace and event feed"),
    ("service", "Service: no key needed"),
)

MOMENT: Json = {"type": "string", "format": "date-time"}

PARAMETERS: dict[str, Json] = {
    "limit": {"description": "Rows of a page", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}},
    "cursor": {"description": "`nextCursor` of the page before, as it is", "schema": {"type": "string", "maxLength": 512}},
    "status": {
        "description": "Repeatable, or several separated by commas",
        "explode": True,
        "style": "form",
        "schema": {"type": "array", "items": {"type": "string", "enum": list(PostStatus.__args__)}},  # type: ignore[attr-defined]
    },
    "platform": {
        "description": "Only what has a target (or an account) on this network",
        "schema": {"type": "string", "enum": list(names())},
    },
    "profileId": {"description": "Only posts with a target on this profile", "schema": {"type": "string"}},
    "label": {"description": "Only posts with this label", "schema": {"type": "string"}},
    "from": {
        "description": "Publish time from this instant on (with `Z` or an offset); drafts by their creation",
        "schema": MOMENT,
    },
    "to": {"description": "Publish time before this instant; it is not part of the span itself", "schema": MOMENT},
    "order": {
        "description": "By publish time, drafts by their creation",
        "schema": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
    },
    "after": {
        "description": "Position of the last event that was seen (`lastPosition`, `nextCursor`), 0 for the beginning",
        "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    },
    "at": {"description": "The time to ask about (with `Z` or an offset); now if it is not given", "schema": MOMENT},
    "dryRun": {
        "description": "Say what would become of each row, and write nothing",
        "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    },
    "onError": {
        "description": "`abort`: nothing is written if any row is bad; `skip`: bad rows are left out",
        "schema": {"type": "string", "enum": ["abort", "skip"], "default": "abort"},
    },
    "staggerMinutes": {
        "description": "Minutes between rows that name the same time for the same profile",
        "schema": {"type": "integer", "minimum": 0, "maximum": 1440, "default": 0},
    },
    "code": {"description": "What the network gives for a yes, good for one exchange", "schema": {"type": "string"}},
    "state": {"description": "What the network was given, as it is", "schema": {"type": "string"}},
    "error": {"description": "What the network says in place of a code", "schema": {"type": "string"}},
    "cancelPending": {
        "description": "Cancel the posts that still wait on this account",
        "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    },
}
"""Every query parameter of the table of routes."""

MEANINGS: dict[tuple[str, str], str] = {
    ("GET /v1/queues/{queue_id}/slots", "from"): "Slots from this instant on (with `Z` or an offset); from now on if not given",
}
"""What a parameter means where it means something else than in `PARAMETERS`."""

IN_PATH = {
    "post_id": ("postId", "`post_…`"), "profile_id": ("profileId", "`prof_…`"), "key_id": ("keyId", "`key_…`"),
    "name": ("name", "The network's name"), "bulk_id": ("bulkId", "`bulk_…`"),
    "media_id": ("mediaId", "`media_…`"), "queue_id": ("queueId", "`queue_…`"), "reservation_id": ("reservationId", "`resv_…`"),
    "platform": ("platform", "The network's name"), "connection_id": ("connectionId", "`conn_…`"),
}

TIMES = (
    "invalid_time",
    "timezone_required",
    "timezone_conflict",
    "unknown_timezone",
    "nonexistent_local_time",
    "scheduled_time_in_past",
    "beyond_horizon",
    "beyond_platform_horizon",
)
ADMISSION = ("limit_exceeded", "platform_not_allowed", "too_close", "platform_daily_limit", "duplicate_content")
ALL_OF_A_POST = (*TIMES, "content_invalid", "not_found", *ADMISSION)

REFUSALS: dict[str, tuple[str, ...]] = {
    "POST /v1/posts": ALL_OF_A_POST,
    "PATCH /v1/posts/{post_id}": (*ALL_OF_A_POST, "illegal_transition", "revision_conflict"),
    "DELETE /v1/posts/{post_id}": ("illegal_transition", "revision_conflict"),
    "POST /v1/posts/bulk": (*ALL_OF_A_POST, "idempotency_in_progress"),
    "DELETE /v1/bulk/{bulk_id}": ("illegal_transition",),
    "POST /v1/posts/{post_id}/publish": ("content_invalid", "illegal_transition", "revision_conflict", *ADMISSION),
    "POST /v1/posts/{post_id}/approve": ("illegal_transition", "revision_conflict", *ADMISSION),
    "POST /v1/posts/{post_id}/reject": ("illegal_transition", "revision_conflict"),
    "POST /v1/posts/{post_id}/retry": ("illegal_transition", "revision_conflict"),
    "POST /v1/posts/{post_id}/unpublish": ("illegal_transition", "revision_conflict"),
    "POST /v1/posts/{post_id}/stop": ("illegal_transition", "revision_conflict"),
    "POST /v1/posts/{post_id}/targets/{profile_id}/resolve": ("illegal_transition", "revision_conflict"),
    "POST /v1/profiles": ("idempotency_in_progress",),
    "PATCH /v1/profiles/{profile_id}": ("idempotency_in_progress",),
    "DELETE /v1/profiles/{profile_id}": ("illegal_transition",),
    "POST /v1/connect/{platform}": ("illegal_transition", "idempotency_in_progress"),
    "GET /v1/connect/callback": ("invalid_request", "illegal_transition", "try_again"),
    "POST /v1/connections/{connection_id}": ("illegal_transition", "idempotency_in_progress"),
    "POST /v1/queues": ("unknown_timezone", "timezone_required", "not_found", "idempotency_in_progress"),
    "PATCH /v1/queues/{queue_id}": ("unknown_timezone", "timezone_required", "idempotency_in_progress"),
    "POST /v1/queues/{queue_id}/reservations": ("beyond_horizon", "idempotency_in_progress"),
    "POST /v1/media": ("idempotency_in_progress",),
    "PATCH /v1/workspace": ("unknown_timezone", "idempotency_in_progress"),
    "POST /v1/keys": ("idempotency_in_progress",),
}
"""What a route refuses beyond what follows from its kind (`refusals_of`)."""

FURTHER_SCOPES = {
    "POST /v1/posts": "With `scheduledFor` or `publishNow` the key needs `posts:publish` as well.",
    "PATCH /v1/posts/{post_id}": "Editing a draft into a draft needs no more; everything else needs `posts:publish` as well.",
    "POST /v1/posts/bulk": "With rows that have a time, a queue or `publishNow` the key needs `posts:publish` as well.",
    "DELETE /v1/posts/{post_id}": "Cancelling what is no draft needs `posts:publish` as well.",
    "POST /v1/keys": "Any such key may mint keys; it grants only scopes that it has itself.",
}

PREFERS = {
    "POST /v1/posts": "`wait=25` with `publishNow`: answer when the outcome is known, or after so many seconds (25 at most).",
    "POST /v1/posts/{post_id}/publish": "`respond-async`: do not wait; `wait=5`: wait so many seconds (at most 25, the default).",
}

HEADERS: dict[str, Json] = {
    "x-request-id": {"description": "Names this request in the logs", "schema": {"type": "string"}},
    "ETag": {"description": "The post's revision, for `If-Match`", "schema": {"type": "string", "examples": ['"1"']}},
    "Location": {"description": "Path of what was created", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` when an earlier request with this key did it", "schema": {"type": "string", "const": "true"}
    },
    "Retry-After": {"description": "Seconds to wait before the same request is sent again", "schema": {"type": "string"}},
    "x-next-cursor": {"description": "Send it as `cursor` for the rest; absent at the end", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}},
}


class Schema(GenerateJsonSchema):
    """pydantic's, without the titles it makes of names."""

    def generate_definitions(self, inputs: Any) -> Any:
        """All schemas without titles."""
        found, definitions = super().generate_definitions(inputs)
        return found, _untitled(definitions)


def _untitled(value: Any) -> Any:
    """Drop titles, and defaults that say no more than "not given"."""
    if isinstance(value, list):
        return [_untitled(one) for one in value]
    if not isinstance(value, dict):
        return value
    empty = value.get("default", 0) in (None, [], {}, "")
    kept = {k: v for k, v in value.items() if not (k == "title" and isinstance(v, str)) and not (k == "default" and empty)}
    return {k: _untitled(v) for k, v in kept.items()}


def schemas() -> Json:
    """Every body and answer by name."""
    bodies = {route.body: getattr(shapes, route.body) for route in ROUTES if route.body}
    wanted: list[tuple[type[BaseModel], Any]] = [(shape, "validation") for shape in bodies.values()]
    wanted += [(shape, "serialization") for shape in ANSWERS.values()]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}", schema_generator=Schema)
    definitions: Json = found["$defs"]
    return definitions


def key_of(route: Route) -> str:
    """How a route is called in the tables here."""
    return f"{route.method} {route.path}"


def refusals_of(route: Route) -> tuple[str, ...]:
    """Every code a route may answer with, in the order of their statuses."""
    if route.public:
        return tuple(code for code in STATUS if code in REFUSALS.get(key_of(route), ()))
    codes = {"unauthorized", "invalid_request", "internal_error", "try_again", *REFUSALS.get(key_of(route), ())}
    if route.scope or key_of(route) in FURTHER_SCOPES:
        codes.add("forbidden")
    if "{" in route.path:
        codes.add("not_found")
    if route.body:
        codes |= {"too_large", "unsupported_media_type"}
    if route.idempotent:
        codes.add("idempotency_conflict")
    return tuple(code for code in STATUS if code in codes)


def _problems(route: Route, examples: Json) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in refusals_of(route):
        by_status.setdefault(STATUS[code], []).append(code)
    found: Json = {}
    for status, codes in by_status.items():
        content: Json = {"schema": {"$ref": "#/components/schemas/Problem"}}
        shown = {code: {"$ref": f"#/components/examples/{code}"} for code in codes if code in examples["problems"]}
        if shown:
            content["examples"] = shown
        headers = {"x-request-id", *({503: ("Retry-After",), 401: ("WWW-Authenticate",)}.get(status, ()))}
        found[str(status)] = {
            "description": "; ".join(f"`{code}`: {TITLES[code][:1].lower()}{TITLES[code][1:]}" for code in codes),
            "headers": _headers(headers), "content": {"application/problem+json": content},
        }
    return found


def _headers(wanted: set[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(wanted)}


def _answers(route: Route, examples: Json) -> Json:
    headers = {"x-request-id"}
    if route.answer == "Post":
        headers.add("ETag")
    if route.status == 201:
        headers |= {"Location"} if route.answer in ("Post", "Profile", "Queue", "Bulk", "Connection") else set()
    if route.idempotent:
        headers.add("Idempotency-Replayed")
    answers: Json = {}
    for status in (route.status, *route.also):
        said = SAID_OF.get((key_of(route), status), SAID.get(status, "The answer"))
        answer: Json = {"description": said, "headers": _headers(headers)}
        if route.path == "/v1/posts/bulk" and status == 200:
            answer["headers"] = _headers(headers - {"Location", "Idempotency-Replayed"})  # nothing was made
        if route.path == "/docs":
            answer["content"] = {"text/html": {"schema": {"type": "string"}}}
        elif route.path.endswith(".csv"):
            answer["headers"] |= _headers({"x-next-cursor"})
            answer["content"] = {"text/csv": {"schema": {"type": "string"}}}
        elif route.path == "/openapi.json":
            answer["content"] = {"application/json": {"schema": {"type": "object"}}}
        elif status == 302:
            answer["headers"] = _headers({"Location", "x-request-id"})
        elif route.answer:
            content: Json = {"schema": {"$ref": f"#/components/schemas/{route.answer}"}}
            recorded = examples["answers"].get(key_of(route), {})
            if recorded.get("status") == status:
                content["example"] = recorded["answer"]
            answer["content"] = {"application/json": content}
        answers[str(status)] = answer
    return answers


SAID = {
    201: "Created",
    202: "Under way; what is true now",
    204: "Done",
    302: "Back to the client's own address (`redirectUrl`), with `connectionId`, `status`, and `profileId` or `error`",
    503: "Something is overdue, or the store does not answer",
}

SAID_OF = {
    ("POST /v1/posts/bulk", 200): "What would become of the rows: a dry run, or no row was good (`onError=skip`)",
    ("POST /v1/posts/bulk", 201): "Every good row is a post",
    ("POST /v1/posts/bulk", 202): "What is reserved is written without you; `GET /v1/bulk/{bulkId}` tells how far it is",
    ("DELETE /v1/bulk/{bulk_id}", 202): "What is left is undone without you; `GET /v1/bulk/{bulkId}` tells how far it is",
}
"""What a status means where it means more than in `SAID`."""

SHEET = """text,profile_ids,scheduled_for,timezone,labels
"We are live, at last.",prof_x;prof_bluesky,2027-06-15T09:00:00,America/New_York,launch
A draft without a time,,,,
"""


def _tag(route: Route) -> str:
    part = route.path.removeprefix("/v1/").split("/")[0]
    if route.public:
        return "service"
    if part == "bulk":
        return "posts"
    if part in ("connect", "connections"):
        return "profiles"
    return part if part in dict(TAGS) else "workspace"


def operation(route: Route, examples: Json) -> Json:
    """One operation of the file."""
    key = key_of(route)
    parameters: list[Json] = []
    for name in re.findall(r"{(\w+)}", route.path):
        public, meaning = IN_PATH[name]
        parameters.append({"name": public, "in": "path", "required": True, "description": meaning, "schema": {"type": "string"}})
    for name in route.query:
        own: Json = {"description": MEANINGS[key, name]} if (key, name) in MEANINGS else {}
        parameters.append({"name": name, "in": "query", "required": False, **PARAMETERS[name], **own})
    if route.idempotent:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if route.answer == "Post" and route.method != "GET" and "{post_id}" in route.path:
        parameters.append({"$ref": "#/components/parameters/IfMatch"})
    if key in PREFERS:
        schema: Json = {"type": "string"}
        parameters.append({"name": "Prefer", "in": "header", "required": False, "description": PREFERS[key], "schema": schema})
    said = [f"Scope `{route.scope}`." if route.scope else "No key needed." if route.public else "Any key."]
    said += [FURTHER_SCOPES[key]] if key in FURTHER_SCOPES else []
    found: Json = {
        "operationId": _operation_id(route), "tags": [_tag(route)], "summary": route.summary, "description": " ".join(said),
        "parameters": parameters, "responses": {**_answers(route, examples), **_problems(route, examples)},
        "security": [] if route.public else [{"bearer": []}, {"header": []}],
    }
    if route.scope:
        found["x-scope"] = route.scope
    if route.body:
        content: Json = {"schema": {"$ref": f"#/components/schemas/{route.body}"}}
        if recorded := examples["answers"].get(key, {}).get("request"):
            content["example"] = recorded
        required = bool(getattr(shapes, route.body).model_json_schema().get("required")) or route.method == "PATCH"
        found["requestBody"] = {"required": required, "content": {"application/json": content}}
        if route.body == "BulkIn":
            said_of_it = "A header row, then a line for each post; the columns are in docs/bulk.md"
            sheet: Json = {"schema": {"type": "string", "description": said_of_it}, "example": SHEET}
            found["requestBody"] = {"required": True, "content": {"text/csv": sheet, "application/json": content}}
    return found


def _operation_id(route: Route) -> str:
    """From the handler: `posts.list_posts` -> `postsListPosts`."""
    module = route.handle.__module__.rpartition(".")[2]
    words: list[str] = f"{module}_{route.handle.__name__}".split("_")
    return words[0] + "".join(word.capitalize() for word in words[1:])


def document() -> Json:
    """The whole file."""
    examples: Json = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    paths: Json = {}
    for route in ROUTES:
        path = re.sub(r"{(\w+)}", lambda match: "{" + IN_PATH[match[1]][0] + "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = operation(route, examples)
    key = {"type": "string", "minLength": 1, "maxLength": 255}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dateline", "version": "1", "description": ABOUT},
        "servers": [{"url": "/", "description": "Where this file was read"}],
        "tags": [{"name": name, "description": said} for name, said in TAGS],
        "security": [{"bearer": []}, {"header": []}],
        "x-errors": {code: {"status": status, "title": TITLES[code]} for code, status in STATUS.items()},
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <key>`"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The key alone"},
            },
            "headers": HEADERS,
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key", "in": "header", "required": False, "schema": key,
                    "description": "Makes a repeat safe: the same key and request are done once. Kept for 24 hours, with a "
                    "post until 24 hours after its publish time, with an import for 90 days.",
                },
                "IfMatch": {
                    "name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"},
                    "description": "The ETag the post was read with; 409 `revision_conflict` if it has changed since.",
                },
            },
            "examples": {
                code: {"summary": TITLES[code], "value": problem} for code, problem in examples["problems"].items()
            },
        },
    }


def text() -> str:
    """The file's content: sorted, so that the same input always gives the same bytes."""
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file; `--check`: 1 if it is not what would be written."""
    wanted = text()
    if "--check" in arguments:
        if OUT.is_file() and OUT.read_text(encoding="utf-8") == wanted:
            return 0
        print(f"{OUT.name} is stale: run make openapi.", file=sys.stderr)
        return 1
    OUT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
