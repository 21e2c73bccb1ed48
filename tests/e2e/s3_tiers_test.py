# SPDX-License-Identifier: Apache-2.0
"""Object locks on a server that enforces them, storage classes and thawing on one that knows them, and checksums."""

import json
import os
import shutil
import subprocess

import pytest
import s3_servers
from holdfast import DONE, FAILED, REFUSED
from s3_vault_test import BucketUser

LOCKED_BUCKET = "locked"


def s3(server, script, *arguments):
    """What `script` prints, run with a boto3 client named `s3`."""
    head = ("import boto3, json, sys; from botocore.config import Config; "
            "s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', "
            "config=Config(s3={'addressing_style': 'path'}))\n")
    done = subprocess.run([s3_servers.tools_python(), "-c", head + script, server.endpoint, *arguments],
                          env=s3_servers.aws_environment(), check=True, timeout=120, capture_output=True)
    return done.stdout.decode()


def heads(server, bucket, prefix):
    """Headers of all objects beneath a prefix, by key."""
    script = ("import itertools\n"
              "out = {}\n"
              "for page in s3.get_paginator('list_objects_v2').paginate(Bucket=sys.argv[2], Prefix=sys.argv[3]):\n"
              "    for one in page.get('Contents', []):\n"
              "        head = s3.head_object(Bucket=sys.argv[2], Key=one['Key'])\n"
              "        out[one['Key']] = {'mode': head.get('ObjectLockMode'), 'class': head.get('StorageClass'),\n"
              "                           'until': str(head.get('ObjectLockRetainUntilDate'))}\n"
              "print(json.dumps(out))")
    return json.loads(s3(server, script, bucket, prefix))


@pytest.fixture(name="gateway", scope="module", params=["versitygw", pytest.param("rgw", marks=pytest.mark.long)])
def fixture_gateway(request):
    server = s3_servers.STARTS[request.param]()
    s3(server, f"s3.create_bucket(Bucket='{LOCKED_BUCKET}', ObjectLockEnabledForBucket=True)")
    yield server
    server.stop()


@pytest.fixture(name="moto", scope="module")
def fixture_moto():
    server = s3_servers.start_moto()
    yield server
    server.stop()


def user_of(binary, place, server, bucket=s3_servers.BUCKET):
    url = s3_servers.store_url(server.endpoint, os.path.basename(place)).replace(s3_servers.BUCKET, bucket, 1)
    return BucketUser(binary, place, url)


def test_what_is_locked_cannot_be_removed_by_anybody(binary, place, plain, gateway):
    user = user_of(binary, place, gateway, LOCKED_BUCKET)
    user.create("--object-lock", "compliance:2")
    first = user.backup(plain)
    assert "compliance, 2 days" in user.run("vault", "info").text
    prefix = os.path.basename(place) + "/"
    found = heads(gateway, LOCKED_BUCKET, prefix)
    locked = {key[len(prefix):].split("/")[0] for key, head in found.items() if head["mode"] == "COMPLIANCE"}
    free = {key[len(prefix):].split("/")[0] for key, head in found.items() if head["mode"] is None}
    assert locked == {"data", "keys", "log", "meta", "store", "HOLDFAST-STORE"}, found
    assert free <= {"index", "state"}, found
    # The owner of the account himself fails.
    pack = next(key for key in found if "/data/" in key)
    refusal = s3(gateway, "from botocore.exceptions import ClientError\n"
                          "head = s3.head_object(Bucket=sys.argv[2], Key=sys.argv[3])\n"
                          "try:\n"
                          "    s3.delete_object(Bucket=sys.argv[2], Key=sys.argv[3], VersionId=head['VersionId'])\n"
                          "    print('deleted')\n"
                          "except ClientError as error:\n"
                          "    print(error.response['Error']['Code'])", LOCKED_BUCKET, pack)
    assert refusal.strip() == "AccessDenied", refusal
    # Forgotten points go from the list; what they held stays until its time has come.
    user.run("forget", first["recovery_point_id"])
    collected = json.loads(user.run("collect", "--keep-deleted", "0", "--json").out.splitlines()[-1])
    assert collected["packs_purged"] == 0 and collected["packs_locked"] > 0, collected
    assert pack in heads(gateway, LOCKED_BUCKET, prefix)
    second = user.backup(plain)
    user.run("verify", "--data")
    user.restore(second["recovery_point_id"], os.path.join(place, "back"))


def test_a_lock_needs_a_bucket_that_has_locks(binary, place, gateway):
    user = user_of(binary, place, gateway)
    refused = user.create("--object-lock", "governance:1", expect=FAILED)
    assert "no object lock" in refused.errors
    assert "MODE:DAYS" in user.create("--object-lock", "forever", expect=FAILED).errors
    folder = BucketUser(binary, place, os.path.join(place, "vault"))
    assert "only buckets" in folder.create("--object-lock", "governance:1", expect=FAILED).errors


def test_contents_in_an_archive_are_thawed_by_a_plan(binary, place, plain, moto):
    user = user_of(binary, place, moto)
    assert "only data" in user.create("--storage-class", "meta=GLACIER", expect=FAILED).errors
    user.create("--storage-class", "data=deep_archive")
    user.backup(plain)
    prefix = os.path.basename(place) + "/"
    found = heads(moto, s3_servers.BUCKET, prefix)
    for key, head in found.items():
        expected = "DEEP_ARCHIVE" if key.startswith(prefix + "data/") else None
        assert head["class"] == expected, (key, head)
    packs = [key for key in found if key.startswith(prefix + "data/")]

    # Names and attributes need no thawing, and an unchanged backup needs none either.
    assert "one.txt" in user.run("ls", "latest:" + plain).text
    user.backup(plain)
    back = os.path.join(place, "back")
    told = user.run("restore", "latest", "--to", back, "--dry-run", "--json").lines()
    plan = next(line for line in told if line["type"] == "thaw_plan")
    assert plan["packs_frozen"] == len(packs) and plan["usd"] > 0 and plan["minutes"] == 12 * 60, plan
    refused = user.run("restore", "latest", "--to", back, expect=REFUSED)
    assert "thaw" in refused.errors
    assert not os.path.exists(back) or not os.listdir(back)

    assert user.run("thaw", "latest", "--speed", "expedited", expect=REFUSED).errors
    assert "would cost" in user.run("thaw", "latest", "--max-cost", "0", expect=REFUSED).errors
    table = os.path.join(place, "prices.json")
    with open(table, "w", encoding="utf-8") as out:
        json.dump({"source": "ours", "date": "2030-01", "usd_per_gb_month": 0, "prices": [
            {"class": "DEEP_ARCHIVE", "speed": "bulk", "usd_per_gb": 0, "usd_per_1000_requests": 0, "hours": 1}]}, out)
    dry = user.run("thaw", "latest", "--speed", "bulk", "--prices", table, "--dry-run", "--json").lines()
    assert dry[-1]["minutes"] == 60 and dry[-1]["usd"] == 0, dry
    asked = user.run("thaw", "latest", "--speed", "bulk", "--json").lines()[-1]
    assert asked["packs_asked_for"] == len(packs), asked
    # moto thaws at once.
    state = user.run("thaw", "latest", "--json").lines()[-1]
    assert state["packs_frozen"] == 0 and state["packs_thawed"] == len(packs), state
    user.restore("latest", back)
    assert os.path.getsize(os.path.join(back + plain, "two.bin")) == 300_000


def test_what_a_lifecycle_rule_archived_is_noticed(binary, place, plain, moto):
    user = user_of(binary, place, moto)
    user.create()
    user.backup(plain)
    prefix = os.path.basename(place) + "/data/"
    s3(moto, "for one in s3.list_objects_v2(Bucket=sys.argv[2], Prefix=sys.argv[3])['Contents']:\n"
             "    s3.copy_object(Bucket=sys.argv[2], Key=one['Key'], CopySource={'Bucket': sys.argv[2], 'Key': one['Key']},\n"
             "                   StorageClass='GLACIER', MetadataDirective='COPY')", s3_servers.BUCKET, prefix)
    refused = user.run("restore", "latest", "--to", os.path.join(place, "back"), expect=REFUSED)
    assert "archived" in refused.errors
    user.run("thaw", "latest")
    user.restore("latest", os.path.join(place, "back"))


@pytest.mark.parametrize("gateway", ["versitygw"], indirect=True)  # Ceph's does not know them yet.
def test_checksums_are_sent_where_that_is_asked_for(binary, place, plain, gateway):
    user = user_of(binary, place, gateway)
    user.environment["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_supported"
    user.environment["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_supported"
    user.create()
    user.backup(plain)
    shutil.rmtree(user.environment["XDG_CACHE_HOME"])
    user.run("verify", "--data", expect=DONE)
    sums = s3(gateway, "for one in s3.list_objects_v2(Bucket=sys.argv[2], Prefix=sys.argv[3])['Contents']:\n"
                       "    head = s3.head_object(Bucket=sys.argv[2], Key=one['Key'], ChecksumMode='ENABLED')\n"
                       "    print(one['Key'], head.get('ChecksumCRC64NVME'))",
              s3_servers.BUCKET, os.path.basename(place) + "/")
    assert sums.strip() and "None" not in sums, sums
