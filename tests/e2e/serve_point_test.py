# SPDX-License-Identifier: Apache-2.0
"""A recovery point of files as an S3 server, used by unmodified boto3 and aws-cli."""

import datetime
import itertools
import os
import random
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import s3_serving
import tree_maker
from conftest import make_place
from holdfast import FAILED, USAGE, Holdfast

ClientError = s3_serving.botocore.exceptions.ClientError
# Names that the tree and S3 order differently, and names that must be encoded.
ODD_NAMES = ["a/b", "a/b!", "a!/x", "a!!/x", "a!!!", "a-b/c", "a-", "a.txt", "a0", "ab/c", "a b/c d", "a+b", "a%2Fb", "&<>'\"",
             "ä/ö", "z/deep/er/and/deep/est", "q?x=1#y", "tab\tname", "one/two/three", "one/two-three", "one-two", "Z", "~"]


def make_odd_tree(root):
    for name in ODD_NAMES:
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    rng = random.Random(3)
    for _ in range(300):
        parts = ["".join(rng.choice("ab!-.0/") for _ in range(rng.randrange(1, 5))).strip("/.") or "x" for _ in range(3)]
        path = Path(root) / "many" / "/".join(parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        except OSError:
            continue  # A file stands where a folder would be, or the other way round.
    (Path(root) / "large.bin").write_bytes(random.Random(4).randbytes(3_000_000))
    (Path(root) / "empty").write_bytes(b"")
    (Path(root) / "link").symlink_to("empty")
    os.mkdir(Path(root) / "nothing-in-it")
    os.utime(Path(root) / "large.bin", ns=(0, 1_600_000_000_123_456_789))
    with open(Path(root) / "sparse", "wb") as out:
        out.truncate(2_000_000)


class Library:
    def __init__(self, binary):
        self.place = make_place()
        self.root = os.path.join(self.place, "tree")
        os.mkdir(self.root)
        make_odd_tree(self.root)
        self.user = Holdfast(binary, self.place, os.path.join(self.place, "vault"))
        self.user.create()
        self.user.backup(self.root)
        self.files = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    self.files[path[1:]] = Path(path).read_bytes()
        self.keys = sorted(self.files, key=lambda key: key.encode())
        self.prefix = self.root[1:] + "/"


@pytest.fixture(name="shelf", scope="module")
def fixture_shelf(binary):
    shelf = Library(binary)
    yield shelf
    tree_maker.remove(shelf.place)


@pytest.fixture(name="server", scope="module")
def fixture_server(shelf):
    server = s3_serving.Serving(shelf.user, "serve-point", "latest")
    yield server
    code, errors = server.stop()
    assert code == 0, errors


def model(keys, prefix="", delimiter="", after=""):
    """What a listing must hold, in order: keys and groups."""
    found = []
    for key in keys:
        if not key.startswith(prefix):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key[:end + len(delimiter)] if end >= 0 else key
        if name.encode() <= after.encode() or (not end >= 0 and key.encode() <= after.encode()):
            continue
        if name not in found:
            found.append(name)
    return found


def listed(pages):
    found = []
    for page in pages:
        names = [item["Key"] for item in page.get("Contents", [])]
        names += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
        found += sorted(names, key=lambda name: name.encode())
    return found


def list_all(client, bucket, size=1000, version=2, **arguments):
    paginator = client.get_paginator("list_objects_v2" if version == 2 else "list_objects")
    return listed(paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size}, **arguments))


def test_listings_have_every_key_in_order(shelf, server):
    client = server.client()
    for version in (1, 2):
        assert list_all(client, "files", version=version) == shelf.keys
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["files"]
    client.head_bucket(Bucket="files")
    assert client.get_bucket_location(Bucket="files")["LocationConstraint"] is None
    versions = client.list_object_versions(Bucket="files")
    assert [item["Key"] for item in versions["Versions"]] == shelf.keys[:1000]
    assert {item["VersionId"] for item in versions["Versions"]} == {"null"}


def test_pages_of_any_size_and_beginning_fit_together(shelf, server):
    client = server.client()
    for size, version in itertools.product((1, 2, 7, 100), (1, 2)):
        assert list_all(client, "files", size, version, Prefix=shelf.prefix + "a") == \
            model(shelf.keys, shelf.prefix + "a"), (size, version)
    for key in shelf.keys[::11]:
        for after in (key, key[:-1], key + "!", key + "/", key + "0"):
            got = listed([client.list_objects_v2(Bucket="files", StartAfter=after, MaxKeys=5)])
            assert got == model(shelf.keys, after=after)[:5], after


@pytest.mark.parametrize("delimiter", ["/", "-", "a", "b!", "/a"])
def test_delimiters_group(shelf, server, delimiter):
    client = server.client()
    for prefix in ("", shelf.prefix, shelf.prefix + "a", shelf.prefix + "many/", shelf.prefix + "many/a", "no-such"):
        wanted = model(shelf.keys, prefix, delimiter)
        for size, version in ((1000, 1), (1000, 2), (1, 2), (3, 1), (3, 2)):
            got = list_all(client, "files", size, version, Prefix=prefix, Delimiter=delimiter)
            assert got == wanted, (prefix, size, version)


def test_objects_are_the_files(shelf, server):
    client = server.client()
    for key in shelf.keys[::3] + [shelf.prefix + "sparse"]:
        got = client.get_object(Bucket="files", Key=key)
        assert got["Body"].read() == shelf.files[key], key
        assert client.head_object(Bucket="files", Key=key)["ContentLength"] == len(shelf.files[key])
    large = client.head_object(Bucket="files", Key=shelf.prefix + "large.bin")
    assert large["LastModified"] == datetime.datetime.fromtimestamp(1_600_000_000, datetime.timezone.utc)
    assert large["Metadata"]["mtime"] == "1600000000.123456789"
    assert not large["ETag"].strip('"').isalnum(), "clients would take it for an MD5"
    assert client.get_object_tagging(Bucket="files", Key=shelf.prefix + "empty")["TagSet"] == []
    with pytest.raises(ClientError) as failure:
        client.get_object(Bucket="files", Key=shelf.prefix + "link")
    assert failure.value.response["Error"]["Code"] == "NoSuchKey"


def test_ranges_and_conditions_are_kept(shelf, server):
    client = server.client()
    key = shelf.prefix + "large.bin"
    whole = shelf.files[key]
    for text, wanted in (("bytes=0-0", whole[:1]), ("bytes=5-99", whole[5:100]), ("bytes=2999990-", whole[-10:]),
                         ("bytes=-7", whole[-7:]), ("bytes=-9999999", whole), ("bytes=200000-2800000", whole[200000:2800001]),
                         ("bytes=2999999-99999999", whole[-1:])):
        got = client.get_object(Bucket="files", Key=key, Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206 and got["Body"].read() == wanted, text
    for text in ("bytes=3000000-", "bytes=-0"):
        with pytest.raises(ClientError) as failure:
            client.get_object(Bucket="files", Key=key, Range=text)
        assert failure.value.response["Error"]["Code"] == "InvalidRange"
    for text in ("bytes=5-4", "lines=1-2", "bytes=0-1,3-4", "bytes=a-b", "bytes=--1"):
        got = client.get_object(Bucket="files", Key=key, Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and got["Body"].read() == whole, text
    head = client.head_object(Bucket="files", Key=key)
    later = head["LastModified"] + datetime.timedelta(days=1)
    earlier = head["LastModified"] - datetime.timedelta(days=1)
    client.get_object(Bucket="files", Key=key, IfMatch=head["ETag"])
    client.get_object(Bucket="files", Key=key, IfModifiedSince=earlier)
    client.get_object(Bucket="files", Key=key, IfNoneMatch='"other"')
    for code, condition in (("304", {"IfNoneMatch": head["ETag"]}), ("304", {"IfModifiedSince": later}),
                            ("PreconditionFailed", {"IfMatch": '"other"'}),
                            ("PreconditionFailed", {"IfUnmodifiedSince": earlier})):
        with pytest.raises(ClientError) as failure:
            client.get_object(Bucket="files", Key=key, **condition)
        assert failure.value.response["Error"]["Code"] == code


def test_presigned_urls_work_until_they_expire(shelf, server):
    key = shelf.prefix + "a b/c d"
    url = server.client().generate_presigned_url("get_object", {"Bucket": "files", "Key": key, "ResponseContentType": "x/y"})
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == shelf.files[key]
        assert answer.headers["Content-Type"] == "x/y"
    for spoilt in (url.replace("c%20d", "c%20e"), url.replace("x%2Fy", "x%2Fz"), url[:-1] + ("0" if url[-1] != "0" else "1"),
                   url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601")):
        assert spoilt != url
        with pytest.raises(urllib.error.HTTPError) as failure:
            urllib.request.urlopen(spoilt, timeout=60)
        assert failure.value.code == 403


def test_who_does_not_know_the_secret_is_turned_away(shelf, server):
    for code, client in (("SignatureDoesNotMatch", server.client(secret=server.secret[:-1] + "_")),
                         ("InvalidAccessKeyId", server.client(key="HOLDFASTNOBODY"))):
        for call in (lambda c: c.list_objects_v2(Bucket="files"), lambda c: c.list_buckets(),
                     lambda c: c.get_object(Bucket="files", Key=shelf.keys[0]),
                     lambda c: c.list_objects_v2(Bucket="no-such-bucket")):
            with pytest.raises(ClientError) as failure:
                call(client)
            assert failure.value.response["Error"]["Code"] == code
            assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    status, _, _ = server.raw(b"GET /files HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 403


def test_clocks_that_differ_are_told(server):
    now = datetime.datetime.now(datetime.timezone.utc)
    for minutes, wanted in ((-14, 200), (14, 200), (-16, "RequestTimeTooSkewed"), (16, "RequestTimeTooSkewed")):
        answer = server.raw(server.signed("GET", "/", when=now + datetime.timedelta(minutes=minutes)))
        assert s3_serving.error_code(answer) == wanted, minutes


def test_nothing_can_be_written(shelf, server):
    client = server.client()
    for call in (lambda: client.put_object(Bucket="files", Key="new", Body=b"x" * 100_000),
                 lambda: client.delete_object(Bucket="files", Key=shelf.keys[0]),
                 lambda: client.create_multipart_upload(Bucket="files", Key="new"),
                 lambda: client.copy_object(Bucket="files", Key="new", CopySource={"Bucket": "files", "Key": shelf.keys[0]}),
                 lambda: client.delete_bucket(Bucket="files"),
                 lambda: client.put_bucket_versioning(Bucket="files", VersioningConfiguration={"Status": "Enabled"})):
        with pytest.raises(ClientError) as failure:
            call()
        assert failure.value.response["Error"]["Code"] == "AccessDenied"
    assert list_all(client, "files") == shelf.keys


def test_aws_cli_lists_and_copies(shelf, server, place):
    assert server.aws("s3", "ls").decode().split()[-1] == "files"
    shown = server.aws("s3", "ls", f"s3://files/{shelf.prefix}").decode()
    assert "PRE a/" in shown and "large.bin" in shown
    server.aws("s3", "cp", "--quiet", f"s3://files/{shelf.prefix}large.bin", f"{place}/large")
    assert Path(place, "large").read_bytes() == shelf.files[shelf.prefix + "large.bin"]
    out = os.path.join(place, "out")
    server.aws("s3", "sync", "--quiet", f"s3://files/{shelf.prefix}", out)
    for key in shelf.keys:
        assert Path(out, key.removeprefix(shelf.prefix)).read_bytes() == shelf.files[key], key
    assert server.aws("s3", "sync", f"s3://files/{shelf.prefix}", out) == b"", "a second sync found something to do"


def test_a_command_finds_the_server_in_its_environment(shelf, place):
    script = Path(place) / "see.py"
    script.write_text("import os\nprint(sorted(name for name in os.environ if name.startswith('AWS_')))\n")
    outcome = shelf.user.run("serve-point", "latest", "--bucket", "old-times", "--run", f"python3 {script}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"):
        assert name in outcome.text
    shelf.user.run("serve-point", "latest", "--run", "exit 3", expect=FAILED)


def test_keys_can_be_given_and_mistakes_are_told(shelf):
    keys = {"HOLDFAST_S3_ACCESS_KEY_ID": "me", "HOLDFAST_S3_SECRET_ACCESS_KEY": "a secret of my own"}
    server = s3_serving.Serving(shelf.user, "serve-point", "latest", env=keys)
    try:
        assert (server.key, server.secret) == ("me", "a secret of my own")
        assert server.is_alive()
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = str(other.getsockname()[1])
            shelf.user.run("serve-point", "latest", "--port", taken, expect=(FAILED, 11))
    finally:
        server.stop()
    shelf.user.run("serve-point", "latest", "--run", "true", env={"HOLDFAST_S3_ACCESS_KEY_ID": "me"}, expect=(FAILED, USAGE))
    shelf.user.run("serve-point", "latest", "--bucket", "No_Bucket", "--run", "true", expect=(FAILED, USAGE))
    shelf.user.run("serve-point", "latest", "--listen", "nowhere", "--run", "true", expect=(FAILED, USAGE))
    shelf.user.run("serve-point", "no-such-point", "--run", "true", expect=(FAILED, USAGE))


def test_what_is_damaged_is_never_served_as_whole(binary, place):
    user = Holdfast(binary, place, os.path.join(place, "vault"))
    user.create("--parity", "0")  # Parity would mend it.
    (Path(place) / "tree").mkdir()
    (Path(place) / "tree/file").write_bytes(random.Random(9).randbytes(4_000_000))
    user.backup(f"{place}/tree")
    server = s3_serving.Serving(user, "serve-point", "latest")
    key = f"{place}/tree/file"[1:]
    packs = sorted((os.path.getsize(f"{user.vault}/{name}"), name) for name in user.objects())
    size, name = packs[-1]
    with open(f"{user.vault}/{name}", "r+b") as pack:
        pack.seek(size // 2)
        pack.write(b"\0" * 4096)
    with pytest.raises(s3_serving.botocore.exceptions.BotoCoreError):
        server.client().get_object(Bucket="files", Key=key)["Body"].read()
    _, errors = server.stop()
    assert "tree/file" in errors, errors
