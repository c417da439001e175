"""The credentials of the operator's own apps with the networks, from Secrets Manager: one secret per network.

A secret `<prefix>/<platform>` holds `{"clientId": …, "clientSecret": …}`, and `"scopes"`, separated by blanks, for an app that
the network has not given all of them. What was read is remembered for some minutes, and that
there is none for less. Secrets Manager rather than SSM: its client is made in 7 ms, SSM's in 66 (docs/decisions.md).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .secrets import SecretsUnavailable

REMEMBERED = 300.0
"""Seconds for which an app's credentials stay in memory."""

ABSENT = 30.0
"""Seconds for which it is believed that there are none: who has just stored them is waiting."""


class AppsUnavailable(SecretsUnavailable):
    """Secrets Manager did not answer or refused. Whether there is an app is not known."""


class Apps:
    """The operator's apps. `client` makes the Secrets Manager client when it is first needed; `fields` tells which credentials an
    app has with a network, none where there is no such app."""

    def __init__(self, client: Callable[[], Any], prefix: str, key_id: str, fields: Callable[[str], tuple[str, ...]]) -> None:
        self._fields = fields
        self._make, self._made, self.prefix, self._key_id = client, None, prefix.strip("/"), key_id
        self._known: dict[str, tuple[float, dict[str, str]]] = {}

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made

    def name(self, platform: str) -> str:
        """The secret's name."""
        return f"{self.prefix}/{platform}"

    def of(self, platform: str) -> dict[str, str]:
        """The app's credentials by name (`clientId`, `clientSecret`), `{}` where the operator has stored none.

        Raises `AppsUnavailable`, also for a secret that is no JSON object of texts.
        """
        known = self._known.get(platform)
        if known is not None and known[0] > time.monotonic():
            return dict(known[1])
        app: dict[str, str] = {}
        try:
            app = _read(self._client.get_secret_value(SecretId=self.name(platform))["SecretString"])
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ResourceNotFoundException":
                raise AppsUnavailable(type(error).__name__) from None
        except (BotoCoreError, KeyError, ValueError) as error:
            raise AppsUnavailable(type(error).__name__) from None
        self._known[platform] = (time.monotonic() + (REMEMBERED if app else ABSENT), app)
        return dict(app)

    def with_app(self, platform: str, credentials: Mapping[str, str]) -> dict[str, str]:
        """A profile's credentials, with the operator's app under them where the network needs one and the profile has none of
        its own. Never the two mixed: another app's secret would not fit its id. Raises `AppsUnavailable`."""
        fields = self._fields(platform)
        if not fields or credentials.get("clientId"):
            return dict(credentials)
        app = self.of(platform)
        return {**{field: app[field] for field in fields if field in app}, **credentials}

    def put(self, platform: str, app: Mapping[str, str]) -> str:
        """Store an app, in place of the one there was; the secret's name. For an operator: no function has the right.

        Raises `AppsUnavailable`.
        """
        text = json.dumps(dict(app), separators=(",", ":"))
        try:
            try:
                self._client.create_secret(Name=self.name(platform), SecretString=text, KmsKeyId=self._key_id)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ResourceExistsException":
                    raise
                self._client.put_secret_value(SecretId=self.name(platform), SecretString=text)
        except (BotoCoreError, ClientError) as error:
            raise AppsUnavailable(type(error).__name__) from None
        self._known.pop(platform, None)
        return self.name(platform)


def _read(text: str) -> dict[str, str]:
    app = json.loads(text)
    if not isinstance(app, dict) or not all(isinstance(value, str) for value in app.values()):
        raise ValueError("not an object of texts")
    return app
