"""Network credentials, encrypted with KMS under the context of their workspace and profile.

What is opened is remembered for a few minutes in memory, keyed by the ciphertext: a busy profile costs one KMS call, and a
refreshed token is a new ciphertext. Nothing here ever logs or returns a secret in an exception.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

logging.getLogger("botocore").setLevel(logging.INFO)
# At DEBUG it writes the bodies of its calls, among them what KMS seals and opens.

REMEMBERED = 300.0
"""Seconds an opened secret stays in memory."""

MOST_REMEMBERED = 500


class SecretsUnavailable(Exception):
    """KMS did not answer or refused. The secret is not known."""


class Secrets:
    """Seals and opens credentials."""

    def __init__(self, client: Any, key_id: str) -> None:
        self._client, self._key_id = client, key_id
        self._opened: dict[bytes, tuple[float, dict[str, str]]] = {}

    def seal(self, workspace_id: str, profile_id: str, credentials: dict[str, str]) -> bytes:
        """Ciphertext of the credentials (KMS takes 4,096 bytes). Raises `SecretsUnavailable`."""
        plain = json.dumps(credentials, separators=(",", ":")).encode()
        context = {"workspace": workspace_id, "profile": profile_id}
        try:
            blob: bytes = self._client.encrypt(KeyId=self._key_id, Plaintext=plain, EncryptionContext=context)["CiphertextBlob"]
        except (BotoCoreError, ClientError) as error:
            raise SecretsUnavailable(type(error).__name__) from None
        return blob

    def open(self, workspace_id: str, profile_id: str, blob: bytes | None) -> dict[str, str]:
        """The credentials again; `{}` where none are stored. Raises `SecretsUnavailable`."""
        if not blob:
            return {}
        known = self._opened.get(blob)
        if known and known[0] > time.monotonic():
            return dict(known[1])
        context = {"workspace": workspace_id, "profile": profile_id}
        try:
            plain = self._client.decrypt(CiphertextBlob=blob, KeyId=self._key_id, EncryptionContext=context)["Plaintext"]
        except (BotoCoreError, ClientError) as error:
            raise SecretsUnavailable(type(error).__name__) from None
        opened: dict[str, str] = json.loads(plain)
        if len(self._opened) >= MOST_REMEMBERED:
            self._opened.clear()
        self._opened[blob] = (time.monotonic() + REMEMBERED, opened)
        return dict(opened)
