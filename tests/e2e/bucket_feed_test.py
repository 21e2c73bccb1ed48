# SPDX-License-Identifier: Apache-2.0
"""Backups of a bucket by the events that a queue heard of, against moto, which sends S3's notifications into its own SQS. A
point made so is compared with one made by a listing at the same moment. What moto does not tell (delete markers, and
versions removed while others stay) the tests send as S3 would."""

import json
import os
import urllib.parse

import pytest
import s3_servers
from holdfast import DONE, FAILED, SKIPS

KILLED = 137  # By HOLDFAST_FAULT.
EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
ODD_KEYS = ["with blank + plus", "percent%41&<>\"'", "umlaut-\u00e4\u20ac\U0001f600", "a//b/", "a", "a/b", "=?#[]@!$&'()*,;"]


class Bucket:
    """A bucket with versions that tells a queue of its changes."""

    def __init__(self, endpoint):
        boto3, _ = s3_servers.import_boto3()
        settings = {"endpoint_url": endpoint, "region_name": "us-east-1", "aws_access_key_id": s3_servers.ACCESS_KEY,
                    "aws_secret_access_key": s3_servers.SECRET_KEY}
        self.s3, self.sqs = boto3.client("s3", **settings), boto3.client("sqs", **settings)
        self.endpoint, self.name = endpoint, "photos"
        self.s3.create_bucket(Bucket=self.name)
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.queue = self.sqs.create_queue(QueueName="changes")["QueueUrl"]
        self.arn = "arn:aws:sqs:us-east-1:123456789012:changes"
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": self.arn, "Events": EVENTS}]})
        for number in range(40):
            self.put(f"key{number:03}", f"first state of {number}")

    @property
    def url(self):
        return f"s3://{self.name}?endpoint={self.endpoint}"

    def put(self, key, text):
        return self.s3.put_object(Bucket=self.name, Key=key, Body=text.encode())["VersionId"]

    def tell(self, key, event):
        """Sends what S3 would."""
        record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": event,
                  "s3": {"bucket": {"name": self.name}, "object": {"key": urllib.parse.quote_plus(key)}}}
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps({"Records": [record]}))

    def mark_deleted(self, key):
        self.s3.delete_object(Bucket=self.name, Key=key)
        self.tell(key, "ObjectRemoved:DeleteMarkerCreated")

    def remove_version(self, key, version):
        self.s3.delete_object(Bucket=self.name, Key=key, VersionId=version)
        self.tell(key, "ObjectRemoved:Delete")

    def message_count(self):
        """Those that somebody holds too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def drop(self, part):
        """Takes the messages with that in them away; there are few."""
        for message in self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
            receipt = {"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]}
            if part in message["Body"]:
                self.sqs.delete_message(**receipt)
            else:
                self.sqs.change_message_visibility(VisibilityTimeout=0, **receipt)


@pytest.fixture(name="bucket")
def fixture_bucket():
    server = s3_servers.start_moto()
    yield Bucket(server.endpoint)
    server.stop()


@pytest.fixture(name="user")
def fixture_user(binary, place):
    return s3_servers.make_user(binary, place)


def back_up(user, bucket, *options, queue=None):
    done = user.run("backup", "--json", "--changes", queue or bucket.queue, *options, bucket.url, expect=(DONE, SKIPS))
    return done.lines()[-1]


def by_listing(user, bucket):
    return user.run("backup", "--json", "--force", bucket.url, expect=(DONE, SKIPS)).lines()[-1]


def expect_same(user, point, other):
    told = user.run("diff", "--json", point["recovery_point_id"], other["recovery_point_id"]).lines()
    assert [line for line in told if line["type"] != "summary"] == [], told


def test_a_point_by_events_is_what_a_listing_makes(user, bucket):
    first = back_up(user, bucket)
    assert first["changes"]["by"] == "listing" and first["new"] >= 41, first
    assert "no point to build upon" in first["changes"]["reason"]
    assert bucket.message_count() == 1  # The marker.
    for key in ODD_KEYS:
        bucket.put(key, f"odd: {key}")
    bucket.put("key001", "second state")
    bucket.put("key001", "third state")
    bucket.mark_deleted("key002")
    version = bucket.put("key003", "soon gone")
    bucket.remove_version("key003", version)
    bucket.s3.copy_object(Bucket=bucket.name, Key="copied", CopySource={"Bucket": bucket.name, "Key": "key004"})
    bucket.tell("never there", "ObjectRemoved:Delete")
    plan = user.run("backup", "--json", "--dry-run", "--changes", bucket.arn, bucket.url,
                    env={"AWS_ENDPOINT_URL_SQS": bucket.endpoint}, expect=(DONE, SKIPS)).lines()[-1]
    assert plan["changes"]["events"] == len(ODD_KEYS) + 7, plan
    second = back_up(user, bucket)
    assert second["changes"]["by"] == "events", second
    assert second["changes"]["events"] == len(ODD_KEYS) + 7
    assert second["changes"]["keys_asked"] == len(ODD_KEYS) + 5
    assert second["new"] == len(ODD_KEYS) + 4, second
    assert bucket.message_count() == 1
    expect_same(user, second, by_listing(user, bucket))
    user.run("verify", "--data")


def test_what_was_dropped_is_found_when_all_is_listed_again(user, bucket):
    back_up(user, bucket)
    bucket.put("key010", "of this nobody hears")
    bucket.drop("key010")
    second = back_up(user, bucket)
    assert (second["changes"]["by"], second["new"]) == ("events", 0), second
    third = back_up(user, bucket, "--reconcile-every", "0")
    assert (third["changes"]["by"], third["changes"]["reason"], third["new"]) == ("listing", "it was due", 1), third
    # A queue that was emptied behind our back is noticed at once.
    bucket.put("key011", "nor of this")
    bucket.sqs.purge_queue(QueueUrl=bucket.queue)
    fourth = back_up(user, bucket)
    assert (fourth["changes"]["by"], fourth["new"]) == ("listing", 1), fourth
    assert "marker" in fourth["changes"]["reason"]


def test_a_killed_run_takes_no_event_along(user, bucket):
    back_up(user, bucket)
    count_file = f"{user.place}/count"
    bucket.put("key020", "counted")
    user.run("backup", "--changes", bucket.queue, bucket.url, env={"HOLDFAST_FAULT": f"count:{count_file}"},
             expect=(DONE, SKIPS))
    with open(count_file, encoding="ascii") as file:
        count = int(file.read())
    numbers = (count // 2, count - 1)
    for number in numbers:
        bucket.put("key020", f"before the death at {number}")
        messages, points = bucket.message_count(), len(user.points())
        killed = user.start("backup", "--changes", bucket.queue, bucket.url, env={"HOLDFAST_FAULT": f"kill:{number}"})
        killed.communicate(timeout=300)
        assert killed.returncode in (KILLED, DONE, SKIPS), number
        if len(user.points()) == points:
            assert bucket.message_count() >= messages, number
        done = back_up(user, bucket)
        assert user.run("cat", f"{done['recovery_point_id']}:key020").text == f"before the death at {number}"
        if number == numbers[-1]:
            break  # The server purges once a minute.
        # What the dead run would hold for an hour.
        bucket.sqs.purge_queue(QueueUrl=bucket.queue)
        back_up(user, bucket)


def test_wrong_queues_are_told(user, bucket, plain):
    told = user.run("backup", "--changes", f"{bucket.endpoint}/123456789012/none", bucket.url, expect=FAILED)
    assert "QueueDoesNotExist" in told.errors or "NonExistentQueue" in told.errors, told.errors
    for queue in ("changes", f"{bucket.endpoint}/123456789012/q.fifo"):
        assert "queue" in user.run("backup", "--changes", queue, bucket.url, expect=FAILED).errors
    assert "bucket" in user.run("backup", "--changes", bucket.queue, plain, expect=FAILED).errors
    user.run("backup", "--reconcile-every", "1h", bucket.url, expect=FAILED)
