"""The AWS services beside DynamoDB: schedule entries, the deliveries queue, the topic, the secrets key."""
