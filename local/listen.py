"""`make listen`: subscribe to the running local stack's topic, as any AWS client would, and print what is announced."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from typing import Any


def main() -> int:
    """Print one line per event until Ctrl-C, or until the stack ends. 1 if no stack is running."""
    import boto3
    from botocore.exceptions import BotoCoreError

    base = f"http://127.0.0.1:{os.environ.get('PORT', '8787')}"
    try:
        with urllib.request.urlopen(f"{base}/local/info", timeout=5) as answer:  # noqa: S310 - our own address
            info = json.load(answer)
    except OSError:
        print(f"Nothing answers at {base}; start it with make run in another terminal.", file=sys.stderr)
        return 1
    how: Any = {
        "endpoint_url": info["awsEndpoint"], "region_name": info["region"],
        "aws_access_key_id": "local", "aws_secret_access_key": "local",
    }
    sqs, sns = boto3.client("sqs", **how), boto3.client("sns", **how)
    url = sqs.create_queue(QueueName=f"listen-{os.getpid()}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=info["topicArn"], Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    print(f"Listening to {info['topicArn']} (Ctrl-C ends it)", flush=True)
    try:
        while True:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            for message in messages:
                event = json.loads(message["Body"])
                target = event["data"].get("target") or {}
                print(f"{event['createdAt']}  {event['type']:<22} {event['id']}  {target.get('profileId', '')}", flush=True)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if not messages:
                time.sleep(0.2)
    except BotoCoreError:
        print("The local stack has ended.", flush=True)
        return 0
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
