"""The media bucket: pinned copies and uploads, written in pieces, read in ranges, signed for those who fetch or send themselves.

An object's key says what it is (`usecases.pinning` names them). Beside each pin stands a note of JSON, written last: where there
is a note the copy is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

SIGNED_SECONDS = 3 * 3600
"""How long a signed address is good, at most: it dies earlier with the credentials that signed it (docs/media.md)."""

MISSING = ("NoSuchKey", "404", "NotFound")


class MediaUnavailable(Exception):
    """S3 did not answer, or refused. Nothing is known to be written or read."""


class Upload(NamedTuple):
    """How a client sends a file itself: the request to make, and until when."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_in: int


class MediaStore:
    """One bucket. `signer` is the client that signs addresses: another one only on the local stack, where it has its own host."""

    def __init__(self, client: Any, bucket: str, signer: Any = None) -> None:
        self._client, self._bucket, self._signer = client, bucket, signer or client

    def _call(self, operation: str, key: str, **parameters: Any) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, Key=key, **parameters)
        except (BotoCoreError, ClientError) as error:
            raise MediaUnavailable(type(error).__name__) from error

    def note(self, key: str) -> dict[str, Any] | None:
        """A small JSON object, None where there is none. Raises `MediaUnavailable`."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            found: dict[str, Any] = json.loads(answer["Body"].read())
            return found
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in MISSING:
                return None
            raise MediaUnavailable(type(error).__name__) from error
        except (BotoCoreError, ValueError) as error:
            raise MediaUnavailable(type(error).__name__) from error

    def save_note(self, key: str, note: Mapping[str, Any]) -> None:
        """Write a small JSON object. Raises `MediaUnavailable`."""
        self.put(key, json.dumps(note, separators=(",", ":")).encode(), "application/json")

    def put(self, key: str, data: bytes, mime: str) -> None:
        """Write an object that fits into memory. Raises `MediaUnavailable`."""
        self._call("put_object", key, Body=data, ContentType=mime)

    def size(self, key: str) -> int | None:
        """Its bytes, None where there is no such object. Raises `MediaUnavailable`."""
        try:
            return int(self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in MISSING:
                return None
            raise MediaUnavailable(type(error).__name__) from error
        except BotoCoreError as error:
            raise MediaUnavailable(type(error).__name__) from error

    def read(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer at its end. Raises `MediaUnavailable`."""
        if length <= 0:
            return b""
        answer = self._call("get_object", key, Range=f"bytes={start}-{start + length - 1}")
        try:
            data: bytes = answer["Body"].read()
        except (BotoCoreError, OSError) as error:
            raise MediaUnavailable(type(error).__name__) from error
        return data

    def begin(self, key: str, mime: str) -> str:
        """Begin an object that is written in pieces; the upload's id. Raises `MediaUnavailable`."""
        return str(self._call("create_multipart_upload", key, ContentType=mime)["UploadId"])

    def piece(self, key: str, upload: str, number: int, data: bytes) -> str:
        """Write piece `number` (from 1; all but the last of at least 5 MB); its tag. Raises `MediaUnavailable`."""
        return str(self._call("upload_part", key, UploadId=upload, PartNumber=number, Body=data)["ETag"])

    def complete(self, key: str, upload: str, tags: list[str]) -> None:
        """Make the pieces one object. Raises `MediaUnavailable`."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        self._call("complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts})

    def abort(self, key: str, upload: str) -> None:
        """Throw the pieces away; the bucket's lifecycle does so anyway after two days. Raises `MediaUnavailable`."""
        self._call("abort_multipart_upload", key, UploadId=upload)

    def copy(self, source: str, key: str, mime: str) -> None:
        """Copy an object within the bucket (S3 does it itself, up to 5 GB). Raises `MediaUnavailable`."""
        place = quote(f"{self._bucket}/{source}")
        self._call("copy_object", key, CopySource=place, ContentType=mime, MetadataDirective="REPLACE")

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Raises `MediaUnavailable`."""
        self._call("delete_object", key)

    def keys_of(self, workspace_id: str) -> Iterator[list[str]]:
        """All that is kept of a workspace, in pages: for an operator (no function may list so). Raises `MediaUnavailable`."""
        try:
            pages = self._client.get_paginator("list_objects_v2")
            for kind in ("pins", "uploads"):
                months = [
                    found["Prefix"] for page in pages.paginate(Bucket=self._bucket, Prefix=f"{kind}/", Delimiter="/")
                    for found in page.get("CommonPrefixes", ())
                ]
                for month in months:
                    for page in pages.paginate(Bucket=self._bucket, Prefix=f"{month}{workspace_id}/"):
                        if keys := [found["Key"] for found in page.get("Contents", ())]:
                            yield keys
        except (BotoCoreError, ClientError) as error:
            raise MediaUnavailable(type(error).__name__) from error

    def remove(self, keys: Sequence[str]) -> None:
        """Remove up to 1,000 objects. Raises `MediaUnavailable` unless all are gone."""
        try:
            wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            failed = self._client.delete_objects(Bucket=self._bucket, Delete=wanted).get("Errors")
        except (BotoCoreError, ClientError) as error:
            raise MediaUnavailable(type(error).__name__) from error
        if failed:
            raise MediaUnavailable(f"{len(failed)} objects could not be removed")

    def signed(self, key: str, mime: str) -> str:
        """An address from which anybody can fetch the object for a while. Signing asks nobody."""
        wanted = {"Bucket": self._bucket, "Key": key, "ResponseContentType": mime}
        return str(self._signer.generate_presigned_url("get_object", Params=wanted, ExpiresIn=SIGNED_SECONDS))

    def signed_upload(self, key: str, mime: str, size: int, seconds: int) -> Upload:
        """An address to which anybody can send this object for a while, once, of exactly this type and size: what is there is
        not written over, since posts may be scheduled with it."""
        wanted = {"Bucket": self._bucket, "Key": key, "ContentType": mime, "ContentLength": size, "IfNoneMatch": "*"}
        url = str(self._signer.generate_presigned_url("put_object", Params=wanted, ExpiresIn=seconds))
        headers = {"Content-Type": mime, "Content-Length": str(size), "If-None-Match": "*"}
        return Upload("PUT", url, headers, seconds)
