"""One-shot EventBridge Scheduler entries: pokes that say "look at this post now".

An entry is never the truth: sweep dispatches what no entry did. So a failure here is reported to the caller, who may carry on.
The name holds the post id and a counter of time changes: an old entry's automatic deletion can never remove a new one.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


class EntryFailed(Exception):
    """The entry could not be written or removed. The post is safe: sweep looks after it."""


class Schedules:
    """Entries of one schedule group that invoke the publish function."""

    def __init__(self, client: Any, *, group: str, function_arn: str, role_arn: str, dlq_arn: str, lead: float) -> None:
        self._client, self._group, self._lead = client, group, lead
        self._function_arn, self._role_arn, self._dlq_arn = function_arn, role_arn, dlq_arn

    def put(self, post_id: str, partition: str, counter: int, at: datetime, *, replace: bool = False) -> None:
        """Let publish be invoked for the post `lead` seconds before `at`.

        `replace` moves the entry of this counter (the whole entry is sent: UpdateSchedule replaces everything); if it is
        gone, it is created. Raises `EntryFailed`.
        """
        entry = self._entry(post_id, partition, counter, at)
        try:
            try:
                (self._client.update_schedule if replace else self._client.create_schedule)(**entry)
            except self._client.exceptions.ResourceNotFoundException:
                if not replace:
                    raise
                self._client.create_schedule(**entry)
            except self._client.exceptions.ConflictException:
                if replace:
                    raise
                self._client.update_schedule(**entry)
        except (BotoCoreError, ClientError) as error:
            raise EntryFailed(type(error).__name__) from error

    def delete(self, post_id: str, counter: int) -> None:
        """Remove an entry; one that has fired is gone already. Raises `EntryFailed`."""
        try:
            self._client.delete_schedule(GroupName=self._group, Name=f"{post_id}.{counter}")
        except self._client.exceptions.ResourceNotFoundException:
            return
        except (BotoCoreError, ClientError) as error:
            raise EntryFailed(type(error).__name__) from error

    def _entry(self, post_id: str, partition: str, counter: int, at: datetime) -> dict[str, Any]:
        fires = at - timedelta(seconds=self._lead)
        if fires.microsecond:
            # at() has whole seconds: the next one, since an entry that fires early would find nothing due.
            fires = fires.replace(microsecond=0) + timedelta(seconds=1)
        return {
            "GroupName": self._group,
            "Name": f"{post_id}.{counter}",
            "ScheduleExpression": f"at({fires:%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self._function_arn,
                "RoleArn": self._role_arn,
                "Input": json.dumps({"postId": post_id, "partition": partition}),
                "DeadLetterConfig": {"Arn": self._dlq_arn},
                "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20},
            },
        }
