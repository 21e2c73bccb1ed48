# SPDX-License-Identifier: Apache-2.0
"""Makes buckets that hold what S3 knows and records what is in one, by boto3 alone: it shares no code with Holdfast. Runs
under the Python of `scripts/deps test` that has boto3: `bucket_tool.py make|walk|... ENDPOINT BUCKET [...]`, JSON on
standard output."""

import datetime
import email.utils
import hashlib
import json
import random
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PART_SIZE = 5 << 20
RETAIN_UNTIL = datetime.datetime(2040, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "ExpiresString",
           "WebsiteRedirectLocation", "Metadata", "StorageClass")
DOCUMENTS = {"policy": "Policy", "cors": "CORSRules", "tagging": "TagSet", "lifecycle_configuration": "Rules",
             "encryption": "ServerSideEncryptionConfiguration", "website": "IndexDocument",
             "public_access_block": "PublicAccessBlockConfiguration", "versioning": "Status"}
# Names that file systems, URLs and XML have trouble with. Servers on top of a file system refuse some of them.
PLAIN_KEYS = ["a", "a.b", "folder/b", "folder/sub/c", "with blank + plus", "umlaut-\u00e4\u20ac\U0001f600", "percent%41&<>\"'",
              "end.of.key", "tilde~star*", "k" * 200]
ODD_KEYS = ["a/below", "/leading", "double//slash", "ends/", "../up", "./here", ".", "x/../y", "two\u00a0 blanks", "plus+plus",
            " ", "k" * 1024, "?query=1", "#fragment"]


def client(endpoint):
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))


def maybe(call, **arguments):
    """The answer, or None where the server has none or knows no such thing."""
    try:
        return call(**arguments)
    except ClientError:
        return None


class Maker:
    def __init__(self, endpoint, bucket, seed):
        self.s3, self.bucket, self.random = client(endpoint), bucket, random.Random(seed)

    def content(self, size_max=3000):
        return self.random.randbytes(self.random.randrange(size_max))

    def put(self, key, body, **more):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def rich(self, locked):
        """Arguments with every header there is."""
        more = {"CacheControl": "no-cache, max-age=3", "ContentDisposition": "attachment; filename=\"a b\"",
                "ContentLanguage": "de-AT", "ContentEncoding": "x-none", "ContentType": "text/x-odd; charset=utf-8",
                "Expires": datetime.datetime(2031, 5, 6, tzinfo=datetime.timezone.utc), "WebsiteRedirectLocation": "/there",
                "Metadata": {"color": "blue", "unicode": "=?UTF-8?B?w6Tigqzwn5iA?=", "long": "x" * 900},
                "Tagging": "k=v&with%20blank=a%2Bb%20c&empty="}
        if locked:
            more.update(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=RETAIN_UNTIL, ObjectLockLegalHoldStatus="ON")
        return more

    def multipart(self, key, sizes):
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key=key, Metadata={"in": "parts"}, ContentType="a/b",
                                                 Tagging="parts=yes")
        parts = []
        for number, size in enumerate(sizes, 1):
            done = self.s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload["UploadId"], PartNumber=number,
                                       Body=self.random.randbytes(size))
            parts.append({"PartNumber": number, "ETag": done["ETag"]})
        self.s3.complete_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload["UploadId"],
                                          MultipartUpload={"Parts": parts})

    def make(self, odd, lock, versions=True):
        if versions:
            self.s3.create_bucket(Bucket=self.bucket, ObjectLockEnabledForBucket=lock)
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        else:
            self.s3.create_bucket(Bucket=self.bucket)
        if odd:
            # For moto, which has no answer (HTTP 500) where the ACL of an object in parts is asked for. Ceph knows none.
            maybe(self.s3.put_bucket_ownership_controls, Bucket=self.bucket, OwnershipControls={"Rules": [
                {"ObjectOwnership": "BucketOwnerEnforced"}]})
        for key in PLAIN_KEYS + (ODD_KEYS if odd else []):
            self.put(key, self.content())
        self.put("empty", b"")
        self.put("rich", self.content(), **self.rich(lock))
        self.put("large", self.random.randbytes(9 << 20))
        self.multipart("parts/three", [PART_SIZE, PART_SIZE, 1234])
        self.multipart("parts/one", [777])
        self.multipart("parts/uneven", [PART_SIZE, PART_SIZE + 4321, PART_SIZE + 1, 99])
        self.put("checked", self.content(), ChecksumAlgorithm="SHA256")
        if not versions:
            return
        for _ in range(4):
            self.put("history", self.content(), Metadata={"round": str(self.random.random())})
        self.s3.delete_object(Bucket=self.bucket, Key="history")
        self.put("history", self.content())
        self.put("deleted", self.content())
        self.s3.delete_object(Bucket=self.bucket, Key="deleted")
        self.s3.delete_object(Bucket=self.bucket, Key="deleted")
        self.put("a", b"second state of a")

    def make_few(self):
        """Something of each kind that is asked for in another way, and no more of it."""
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.configure()
        self.put("empty", b"")
        self.put("rich", self.content(), **self.rich(False))
        self.multipart("parts", [PART_SIZE, 99])
        self.put("history", self.content())
        self.put("history", self.content())
        self.s3.delete_object(Bucket=self.bucket, Key="history")

    def configure(self):
        """Documents that both servers take."""
        self.s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": [{"Key": "team", "Value": "backup"}]})
        self.s3.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": [
            {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.org"]}]})
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{self.bucket}/public/*"}]}
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))

    def now(self):
        """The server's time, in whole seconds."""
        date = self.s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"]
        return email.utils.parsedate_to_datetime(date).timestamp()

    def wait(self):
        """Until the server's next second begins: the shortest time in which versions can be told apart."""
        begun = self.now()
        while self.now() == begun:
            pass

    def change(self):
        """What a day brings."""
        self.put("a", b"third state of a")
        self.put("new", self.content(), **self.rich(False))
        self.s3.delete_object(Bucket=self.bucket, Key="folder/b")
        self.put("deleted", b"back again")

    def empty(self):
        """Everything goes: a disaster."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        for page in pages:
            for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
                maybe(self.s3.put_object_legal_hold, Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"],
                      LegalHold={"Status": "OFF"})
                self.s3.delete_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"],
                                      BypassGovernanceRetention=True)


class Walker:
    def __init__(self, endpoint, bucket):
        self.s3, self.bucket = client(endpoint), bucket

    def keys(self):
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        return sorted({one["Key"] for page in pages for one in page.get("Versions", []) + page.get("DeleteMarkers", [])})

    def versions(self, key):
        """(version, is marker), the newest first: one at a time, which puts them in order whatever the server; the first
        two together, since versitygw repeats the newest."""
        marker, count = {}, 2
        while True:
            page = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key, MaxKeys=count, **marker)
            found = [(one, False) for one in page.get("Versions", [])] + [(one, True) for one in page.get("DeleteMarkers", [])]
            found = [(one, is_marker) for one, is_marker in found if one["Key"] == key]
            yield from sorted(found, key=lambda item: not item[0]["IsLatest"])
            if not page["IsTruncated"] or not found:
                return
            marker, count = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}, 1

    def parts(self, name, etag):
        if "-" not in etag:
            return []
        count = int(etag.strip('"').rsplit("-", 1)[1])
        sizes = []
        for number in range(1, count + 1):
            head = maybe(self.s3.head_object, PartNumber=number, **name)
            sizes.append(head["ContentLength"] if head else None)
        return sizes

    def version(self, one):
        name = {"Bucket": self.bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        got = self.s3.get_object(ChecksumMode="ENABLED", **name)
        body = got["Body"].read()
        found = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "etag": got["ETag"]}
        found.update({name: got[name] for name in HEADERS if name in got})
        tags = maybe(self.s3.get_object_tagging, **name) or self.s3.get_object_tagging(Bucket=self.bucket, Key=one["Key"])
        found["tags"] = sorted((tag["Key"], tag["Value"]) for tag in tags.get("TagSet", []))  # Ceph loses those of uploads in parts.
        found["parts"] = self.parts(name, got["ETag"])
        if "ObjectLockMode" in got:
            found["lock"] = [got["ObjectLockMode"], str(got["ObjectLockRetainUntilDate"])]
        elif (retention := maybe(self.s3.get_object_retention, **name)) and "Mode" in retention["Retention"]:
            found["lock"] = [retention["Retention"]["Mode"], str(retention["Retention"]["RetainUntilDate"])]
        hold = maybe(self.s3.get_object_legal_hold, **name)
        found["hold"] = bool(hold) and hold["LegalHold"].get("Status") == "ON"
        acl = maybe(self.s3.get_object_acl, **name)
        found["grants"] = sorted((grant["Grantee"].get("ID", grant["Grantee"].get("URI", "")), grant["Permission"])
                                 for grant in acl["Grants"]) if acl else []
        return found

    def walk(self):
        return {key: [{"marker": True} if is_marker else self.version(one) for one, is_marker in self.versions(key)][::-1]
                for key in self.keys()}

    def configuration(self):
        found = {}
        for name, member in DOCUMENTS.items():
            getter = getattr(self.s3, f"get_{name}" if name == "public_access_block" else f"get_bucket_{name}")
            answer = maybe(getter, Bucket=self.bucket)
            if answer and member in answer:
                found[name] = answer[member]
        lock = maybe(self.s3.get_object_lock_configuration, Bucket=self.bucket)
        found["lock"] = bool(lock)
        return found


def main():
    what, endpoint, bucket, *rest = sys.argv[1:]
    if what == "walk":
        walker = Walker(endpoint, bucket)
        print(json.dumps({"keys": walker.walk(), "configuration": walker.configuration()}, default=str))
        return
    maker = Maker(endpoint, bucket, rest[0] if rest else 0)
    if what == "make":
        maker.make(odd="odd" in rest, lock="lock" in rest, versions="plain" not in rest)
    elif what == "put":
        maker.put(rest[0], rest[1].encode())
    elif what == "archive":
        maker.put(rest[0], b"cold", StorageClass="DEEP_ARCHIVE")
    elif what == "delete":
        maker.s3.delete_object(Bucket=bucket, Key=rest[0])
    elif what == "fill":
        for number in range(int(rest[1])):
            maker.put(f"{rest[0]}{number:06d}", b"x" * (number % 100))
    elif what == "wait":
        maker.wait()
    elif what == "now":
        print(int(maker.now()))
    elif what == "markers":
        print(json.dumps([is_marker for _, is_marker in Walker(endpoint, bucket).versions(rest[0])]))
    elif what == "oldest":
        print([one for one, _ in Walker(endpoint, bucket).versions(rest[0])][-1]["VersionId"])
    elif what == "buckets":
        print("\n".join(one["Name"] for one in maker.s3.list_buckets()["Buckets"]))
    else:
        getattr(maker, what)()


if __name__ == "__main__":
    main()
