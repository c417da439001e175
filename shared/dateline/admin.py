"""`python -m dateline.admin`: what no HTTP route does, with the operator's own AWS credentials.

Makes, lists and erases workspaces, mints or revokes a key for a workspace that lost its own, and shows a post as it is stored.
It finds the tables in the outputs of the CloudFormation stack, or in the functions' environment variables where those are set.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .api.auth import SCOPES
from .aws.apps import AppsUnavailable
from .aws.media import MediaUnavailable
from .domain.ids import new_id
from .domain.instants import rfc3339
from .domain.post import body_of
from .domain.view import post_view
from .store.tables import StoreUnavailable
from .store.workspaces import ApiKey, digest
from .wiring import Deps

TABLES = ("posts", "bookings", "profiles", "workspaces", "events", "idempotency")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; prints JSON. 1 when what it is about does not exist."""
    options = _parser().parse_args(arguments)
    if not os.environ.get("DATELINE_POSTS_TABLE"):
        _read_stack(options.stack, options.region)
    deps = Deps()
    try:
        answer = options.run(deps, options)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)  # noqa: T201 - a command speaks on its terminal
        return 1
    except (StoreUnavailable, MediaUnavailable) as error:
        print(f"AWS did not do it ({error}). Run the command again.", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(answer, indent=2, ensure_ascii=False))  # noqa: T201 - a command speaks on its terminal
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dateline.admin", description=__doc__)
    parser.add_argument("--stack", default="dateline", help="the CloudFormation stack (default: dateline)")
    parser.add_argument("--region", default=None, help="its region (default: your AWS configuration)")
    commands = parser.add_subparsers(required=True, metavar="command")
    make = commands.add_parser("create-workspace", help="a workspace, and a first live and test key with all scopes")
    make.add_argument("--name", required=True)
    make.add_argument("--timezone", help="IANA zone for times that are sent without one (default: none, they are refused)")
    make.set_defaults(run=create_workspace)
    key = commands.add_parser("create-key", help="a key for a workspace; its secret is printed once")
    key.add_argument("workspace")
    key.add_argument("--mode", choices=("live", "test"), default="live")
    key.add_argument("--name", default="key")
    key.add_argument("--scopes", nargs="+", choices=SCOPES, default=list(SCOPES))
    key.set_defaults(run=create_key)
    revoke = commands.add_parser("revoke-key", help="refuse a key from within a minute on")
    revoke.add_argument("workspace")
    revoke.add_argument("key")
    revoke.set_defaults(run=revoke_key)
    plan = commands.add_parser("set-plan", help="give a workspace a plan; without --plan it is unlimited")
    plan.add_argument("workspace")
    plan.add_argument("--plan", help='JSON, such as \'{"name": "Starter", "pendingTargets": {"limit": 3}, "horizonDays": 7}\'')
    plan.set_defaults(run=set_plan)
    listed = commands.add_parser("list-workspaces", help="all workspaces with their names (reads the whole table)")
    listed.set_defaults(run=list_workspaces)
    erased = commands.add_parser("erase-workspace", help="remove everything of a workspace for good; without --yes only count it")
    erased.add_argument("workspace")
    erased.add_argument("--yes", action="store_true", help="really remove it: this cannot be taken back")
    erased.set_defaults(run=erase_workspace)
    app = commands.add_parser("set-app", help="store the app registered with a network; reads its id and secret from the "
                              "environment (APP_CLIENT_ID, APP_CLIENT_SECRET), or as JSON or line by line from standard input")
    app.add_argument("platform")
    app.set_defaults(run=set_app)
    show = commands.add_parser("show", help="a post as the API shows it, and as it is stored")
    show.add_argument("post")
    show.set_defaults(run=show_post)
    return parser


def _read_stack(stack: str, region: str | None) -> None:
    """Put the stack's outputs where the functions have them. LookupError is left to boto3's own message."""
    import boto3

    session = boto3.Session(region_name=region)
    found = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found}
    for table in TABLES:
        os.environ[f"DATELINE_{table.upper()}_TABLE"] = outputs[f"{table.capitalize()}TableName"]
    os.environ["DATELINE_MEDIA_BUCKET"] = outputs["MediaBucketName"]
    os.environ["DATELINE_KEY_ID"] = outputs["KeyId"]
    os.environ["DATELINE_SCHEDULE_GROUP"] = outputs["ScheduleGroupName"]
    os.environ["DATELINE_APPS_PREFIX"] = outputs["AppCredentialsPrefix"]
    if session.region_name:
        os.environ["AWS_REGION"] = session.region_name


def _mint(deps: Deps, workspace_id: str, mode: str, name: str, scopes: Sequence[str]) -> dict[str, Any]:
    now = deps.clock.now()
    secret = f"dl_{mode}_{secrets.token_urlsafe(24)}"
    key = ApiKey(new_id("key", now), workspace_id, mode, name, tuple(scopes), rfc3339(now), secret[-4:], digest(secret))
    deps.workspaces.save_key(key)
    return {"id": key.id, "mode": mode, "scopes": list(scopes), "secret": secret}


def create_workspace(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """A new tenant."""
    from .domain.zones import zone

    workspace_id = new_id("wks", deps.clock.now())
    settings: dict[str, Any] = {"name": options.name}
    if options.timezone:
        zone(options.timezone)
        settings["timezone"] = options.timezone
    deps.workspaces.save_settings(workspace_id, settings)
    keys = [_mint(deps, workspace_id, mode, f"first {mode} key", SCOPES) for mode in ("live", "test")]
    return {"workspaceId": workspace_id, "name": options.name, "keys": keys}


def create_key(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """A key for a tenant. LookupError for a workspace that does not exist."""
    if not deps.workspaces.settings(options.workspace):
        raise LookupError(f"There is no workspace {options.workspace!r}.")
    return _mint(deps, options.workspace, options.mode, options.name, options.scopes)


def revoke_key(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """Revoke by id. LookupError for a key that does not exist."""
    key = deps.workspaces.key_by_id(options.workspace, options.key)
    if key is None:
        raise LookupError(f"The workspace {options.workspace!r} has no key {options.key!r}.")
    revoked = key._replace(revoked_at=key.revoked_at or rfc3339(deps.clock.now()))
    deps.workspaces.save_key(revoked)
    return {"id": key.id, "revokedAt": revoked.revoked_at}


def set_plan(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """Set or lift a plan; within a minute it holds everywhere. LookupError for a workspace or a plan that is none."""
    from .domain.errors import Problem
    from .domain.limits import read_plan

    settings = deps.workspaces.settings(options.workspace)
    if not settings:
        raise LookupError(f"There is no workspace {options.workspace!r}.")
    try:
        plan = json.loads(options.plan) if options.plan else None
        if plan is not None:
            read_plan(plan)
    except (ValueError, Problem) as error:
        raise LookupError(f"This is not a plan: {error}") from None
    deps.workspaces.save_settings(options.workspace, {**settings, "plan": plan})
    return {"workspaceId": options.workspace, "plan": plan}


def list_workspaces(deps: Deps, _options: argparse.Namespace) -> dict[str, Any]:
    """Every tenant."""
    found = deps.workspaces.every()
    return {"workspaces": [{"id": id, "name": settings.get("name")} for id, settings in sorted(found.items())]}


def erase_workspace(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """Remove a tenant, or count what there is of it. LookupError for what is no workspace's id."""
    from .usecases.erase import erase

    if not re.fullmatch(r"wks_\w+", options.workspace):
        raise LookupError(f"{options.workspace!r} is no workspace's id: they begin with wks_.")
    counts = erase(deps, options.workspace, really=options.yes)
    if not options.yes:
        return {"workspaceId": options.workspace, "erased": False, "found": counts, "next": "Add --yes to remove all of this."}
    again = "Run it again in five minutes, until it finds nothing: keys are remembered for a minute, deliveries may be under way."
    return {"workspaceId": options.workspace, "erased": True, "removed": counts, "next": again}


def set_app(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """Store the app of a network. Never from the command line's arguments: other users of the machine can read those, and the
    shell remembers them. LookupError for a network without such an app, or for an app that is not whole."""
    from .platforms import registry

    flows = {name: flow for name in registry.names() if (flow := registry.publisher(name).connect) is not None}
    flow = flows.get(options.platform)
    if flow is None or flow.register:
        known = ", ".join(sorted(name for name, flow in flows.items() if not flow.register)) or "none"
        raise LookupError(f"{options.platform!r} is not a network that an app is stored for; those are: {known}.")
    app = _app_from(os.environ, (*flow.app_fields, "scopes"))
    missing = [field for field in flow.app_fields if not app.get(field)]
    if missing and missing != ["clientSecret"]:
        raise LookupError(f"The app is not whole: {', '.join(missing)} is missing.")
    try:
        name = deps.apps.put(options.platform, app)
    except AppsUnavailable as error:
        raise LookupError(f"Secrets Manager did not take it ({error}). Run the command again.") from None
    warning = "there is no clientSecret: right for a public client only" if missing else None
    return {"platform": options.platform, "secret": name, "fields": sorted(app), **({"warning": warning} if warning else {})}


def _app_from(environment: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    """The app's fields: from APP_CLIENT_ID and its like, else from standard input as one JSON object or a line each."""
    named = {field: environment.get("APP_" + re.sub(r"([A-Z])", r"_\1", field).upper(), "") for field in fields}
    if named[fields[0]]:
        return {field: value for field, value in named.items() if value}
    if sys.stdin.isatty():
        import getpass

        asked = {field: getpass.getpass(f"{field}: ") for field in fields if field != "scopes"}
        return {field: value.strip() for field, value in asked.items() if value.strip()}
    text = sys.stdin.read().strip()
    try:
        read = json.loads(text) if text.startswith("{") else dict(zip(fields, text.splitlines(), strict=False))
        return {field: str(read[field]).strip() for field in fields if read.get(field)}
    except (ValueError, AttributeError):
        raise LookupError("What was read is neither a JSON object nor a line for each field.") from None


def show_post(deps: Deps, options: argparse.Namespace) -> dict[str, Any]:
    """The item behind a post, readable. LookupError for a post that does not exist."""
    post = deps.posts.get(options.post)
    if post is None:
        raise LookupError(f"There is no post {options.post!r}.")
    columns = {name: getattr(post, name) for name in ("stage", "version", "write", "since", "sequence", "revision")}
    due = rfc3339(post.due_at) if post.due_at else None
    return {"post": post_view(post), "stored": {**columns, "due_at": due, **body_of(post)}}


if __name__ == "__main__":
    sys.exit(main())
