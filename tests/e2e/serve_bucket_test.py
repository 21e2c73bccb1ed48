# SPDX-License-Identifier: Apache-2.0
"""A bucket backed up and served again: the walker that looks at real buckets sees the same through serve-point."""

import json
import subprocess
from pathlib import Path

import pytest
import s3_serving
import s3_servers
from bucket_test import differences, fixture_server, fixture_user  # noqa: F401  fixtures

# What serve-point does not speak of: locks and access are the business of a restored bucket.
LEFT_OUT = ("lock", "hold", "grants")


def walk(server, name):
    script = str(Path(__file__).with_name("bucket_tool.py"))
    environment = {**s3_servers.aws_environment(), "AWS_ACCESS_KEY_ID": server.key, "AWS_SECRET_ACCESS_KEY": server.secret}
    done = subprocess.run([s3_servers.tools_python(), script, "walk", server.url, name], env=environment,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)["keys"]


def without(keys):
    """Some servers name the class STANDARD; AWS, and we, do not."""
    return {key: [{field: value for field, value in version.items()
                   if field not in LEFT_OUT and (field, value) != ("StorageClass", "STANDARD")} for version in versions]
            for key, versions in keys.items()}


def test_every_version_is_served_as_the_bucket_had_it(server, user):
    bucket = server.filled()
    before = bucket.walk()["keys"]
    point = user.backup(bucket.url())
    bucket.tool("empty")
    serving = s3_serving.Serving(user, "serve-point", point["recovery_point_id"])
    assert serving.bucket == bucket.name
    found = differences(without(before), without(walk(serving, bucket.name)))
    code, errors = serving.stop()
    assert code == 0, errors
    assert not found, "\n".join(found)


def test_a_point_of_a_bucket_is_read_only_and_versioned(server, user):
    bucket = server.filled()
    user.backup(bucket.url())
    serving = s3_serving.Serving(user, "serve-point", "latest", "--bucket", "another-name")
    client = serving.client()
    assert client.get_bucket_versioning(Bucket="another-name")["Status"] == "Enabled"
    with pytest.raises(s3_serving.botocore.exceptions.ClientError) as failure:
        client.delete_object(Bucket="another-name", Key="a")
    assert failure.value.response["Error"]["Code"] == "AccessDenied"
    serving.stop()
