# SPDX-License-Identifier: Apache-2.0
"""Backups of a bucket by reports of S3 Inventory, against moto. No server at hand makes such reports: the test writes them
itself, from boto3's own listing, as AWS documents them. A point made so is compared with one made by a listing."""

import csv
import gzip
import hashlib
import io
import json
import time
import urllib.parse

import pytest
import s3_servers
from holdfast import DONE, FAILED, SKIPS

ODD_KEYS = ["with blank + plus", "percent%41&<>\"'", "umlaut-\u00e4\u20ac\U0001f600", "a//b/", "a", "a/b", "=?#[]@!$&'()*,;"]
FIELDS = ["Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass",
          "IsMultipartUploaded", "EncryptionStatus"]
FOLDER = "inventory/photos/daily/"


class Bucket:
    """A bucket with versions, and another in which reports of it arrive."""

    def __init__(self, endpoint):
        boto3, _ = s3_servers.import_boto3()
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                               aws_access_key_id=s3_servers.ACCESS_KEY, aws_secret_access_key=s3_servers.SECRET_KEY)
        self.endpoint, self.name = endpoint, "photos"
        for name in (self.name, "reports"):
            self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        for number in range(40):
            self.put(f"key{number:03}", f"first state of {number}")

    @property
    def url(self):
        return f"s3://{self.name}?endpoint={self.endpoint}"

    @property
    def inventory(self):
        return f"s3://reports/{FOLDER}?endpoint={self.endpoint}"

    def put(self, key, text):
        return self.s3.put_object(Bucket=self.name, Key=key, Body=text.encode())["VersionId"]

    def rows(self):
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.name):
            for kind in ("Versions", "DeleteMarkers"):
                for one in page.get(kind, []):
                    is_marker = kind == "DeleteMarkers"
                    size, etag, storage = ("", "", "") if is_marker else (one["Size"], one["ETag"].strip('"'), one["StorageClass"])
                    modified = one["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
                    version = "" if one["VersionId"] == "null" else one["VersionId"]
                    yield [self.name, urllib.parse.quote_plus(one["Key"], safe="/"), version, str(one["IsLatest"]).lower(),
                           str(is_marker).lower(), size, modified, etag, storage, "false", "SSE-S3"]

    def report(self, date, created, fields=tuple(FIELDS), damage=None):
        """Three files in which the rows stand in no order; the manifest and, last, its checksum."""
        rows = list(self.rows())
        files = []
        for number in range(3):
            text = io.StringIO()
            csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(reversed(rows[number::3]))
            packed = gzip.compress(text.getvalue().encode())
            key = f"{FOLDER}data/{date}-{number}.csv.gz"
            files.append({"key": key, "size": len(packed), "MD5checksum": hashlib.md5(packed).hexdigest()})
            if number == damage:
                packed = packed[:-8] + bytes(8)
            self.s3.put_object(Bucket="reports", Key=key, Body=packed)
        manifest = json.dumps({"sourceBucket": self.name, "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
                               "creationTimestamp": str(int(created * 1000)), "fileFormat": "CSV",
                               "fileSchema": ", ".join(fields), "files": files}, indent=2).encode()
        self.s3.put_object(Bucket="reports", Key=f"{FOLDER}{date}/manifest.json", Body=manifest)
        checksum = hashlib.md5(manifest).hexdigest().encode()
        self.s3.put_object(Bucket="reports", Key=f"{FOLDER}{date}/manifest.checksum", Body=checksum)


@pytest.fixture(name="bucket")
def fixture_bucket():
    server = s3_servers.start_moto()
    yield Bucket(server.endpoint)
    server.stop()


@pytest.fixture(name="user")
def fixture_user(binary, place):
    return s3_servers.make_user(binary, place)


def back_up(user, bucket, *options):
    done = user.run("backup", "--json", "--inventory", bucket.inventory, *options, bucket.url, expect=(DONE, SKIPS))
    return done.lines()[-1]


def expect_same_as_listing(user, bucket, point):
    listed = user.run("backup", "--json", "--force", "--host", "other", bucket.url, expect=(DONE, SKIPS)).lines()[-1]
    told = user.run("diff", "--json", point["recovery_point_id"], listed["recovery_point_id"]).lines()
    assert [line for line in told if line["type"] != "summary"] == [], told


def test_a_point_by_a_report_is_what_a_listing_makes(user, bucket):
    now = time.time()
    first = back_up(user, bucket)
    assert first["changes"]["by"] == "listing" and "no point to build upon" in first["changes"]["reason"], first
    for key in ODD_KEYS:
        bucket.put(key, f"odd: {key}")
    bucket.put("key001", "second state")
    bucket.s3.delete_object(Bucket="photos", Key="key002")
    version = bucket.put("key003", "soon gone")
    bucket.s3.delete_object(Bucket="photos", Key="key003", VersionId=version)
    gone = bucket.put("told, then gone", "x")
    bucket.report("2026-11-26T01-00Z", now + 60)
    bucket.s3.delete_object(Bucket="photos", Key="told, then gone", VersionId=gone)
    second = back_up(user, bucket)
    assert second["changes"]["by"] == "inventory" and second["changes"]["inventory_is_new"], second
    assert second["changes"]["keys_asked"] == len(ODD_KEYS) + 3, second
    assert second["skipped"] == first["skipped"]
    expect_same_as_listing(user, bucket, second)

    bucket.put("key004", "after the report")
    again = back_up(user, bucket)
    assert again["changes"]["by"] == "inventory" and not again["changes"]["inventory_is_new"], again
    assert again["new"] == 0 and again["changes"]["keys_asked"] == 0
    bucket.report("2026-11-27T01-00Z", now + 120, damage=1)
    damaged = user.run("backup", "--inventory", bucket.inventory, bucket.url, expect=(DONE, SKIPS))
    assert "everything was listed: report 2026-11-27T01-00Z, file" in damaged.text, damaged.text
    assert "data/2026-11-27T01-00Z-1.csv.gz" in damaged.errors
    bucket.report("2026-11-28T01-00Z", now + 180, fields=["OtherTag" if name == "ETag" else name for name in FIELDS])
    refused = user.run("backup", "--inventory", bucket.inventory, bucket.url, expect=FAILED)
    assert "no field 'ETag'" in refused.errors and "Add 'ETag'" in refused.errors
    both = user.run("backup", "--inventory", bucket.inventory, "--changes", "arn:aws:sqs:r:1:q", bucket.url, expect=FAILED)
    assert "do not go together" in both.errors
