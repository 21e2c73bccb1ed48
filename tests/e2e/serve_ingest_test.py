# SPDX-License-Identifier: Apache-2.0
"""Uploads that become recovery points: unmodified boto3, aws-cli and restic write into the vault and read back; what was
acknowledged is there after a kill; what was removed stays in earlier points."""

import base64
import concurrent.futures
import hashlib
import os
import random
import shutil
import signal
import subprocess
import zlib
from pathlib import Path

import pytest
import s3_serving
from holdfast import DAMAGED, FAILED, Holdfast, wait_until

ClientError = s3_serving.botocore.exceptions.ClientError
BUCKET = "backups"


@pytest.fixture(name="server")
def fixture_server(user):
    server = s3_serving.Serving(user, "serve", "--s3-ingest")
    yield server
    server.stop()


@pytest.fixture(name="plain_server")
def fixture_plain_server(user):
    server = s3_serving.Serving(user, "serve", "--s3-ingest", "--plain-http")
    yield server
    server.stop()


def code_of(call):
    with pytest.raises(ClientError) as failure:
        call()
    return failure.value.response["Error"]["Code"]


def keys_of(client):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_objects_are_put_read_replaced_and_removed(server, user):
    assert server.url.startswith("https://"), "the default is encrypted"
    client = server.client()
    assert keys_of(client) == []
    bodies = {"a/empty": b"", "a/small": b"small", "odd &<>'\" ü+%2F": b"x" * 70_000,
              "large": random.Random(1).randbytes(9_000_000)}
    for key, body in bodies.items():
        put = client.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="x/y", Tagging="t=1",
                                Metadata={"who": "me", "nothing": ""})
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        got = client.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == body and got["ETag"] == put["ETag"]
        assert (got["ContentType"], got["Metadata"], got["TagCount"]) == \
            ("x/y", {"who": "me", "nothing": ""}, 1)
    assert keys_of(client) == sorted(bodies, key=str.encode)
    assert client.get_object_tagging(Bucket=BUCKET, Key="a/small")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert client.get_object(Bucket=BUCKET, Key="large", Range="bytes=5000000-5000009")["Body"].read() == \
        bodies["large"][5_000_000:5_000_010]

    client.put_object(Bucket=BUCKET, Key="a/small", Body=b"newer")
    assert client.get_object(Bucket=BUCKET, Key="a/small")["Body"].read() == b"newer"
    assert code_of(lambda: client.put_object(Bucket=BUCKET, Key="large", Body=b"x", IfNoneMatch="*")) == "PreconditionFailed"
    client.put_object(Bucket=BUCKET, Key="first", Body=b"x", IfNoneMatch="*")
    client.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "large"})
    assert client.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == bodies["large"]
    before = user.points()[-1]
    client.delete_object(Bucket=BUCKET, Key="large")
    client.delete_object(Bucket=BUCKET, Key="never was")
    client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "copy"}, {"Key": "first"}]})
    assert keys_of(client) == sorted(set(bodies) - {"large"}, key=str.encode)
    assert code_of(lambda: client.get_object(Bucket=BUCKET, Key="large")) == "NoSuchKey"

    # What was removed stays in the points made before.
    past = s3_serving.Serving(user, "serve-point", before["id"])
    assert past.bucket == BUCKET
    assert past.client().get_object(Bucket=BUCKET, Key="large")["Body"].read() == bodies["large"]
    assert past.client().get_object(Bucket=BUCKET, Key="copy", PartNumber=1)["Body"].read() == bodies["large"]
    past.stop()
    user.run("verify", "--data")


def test_conditions_are_kept_or_refused(plain_server):
    client = plain_server.client()
    key = {"Bucket": BUCKET, "Key": "k"}
    etag = client.put_object(Body=b"first", **key)["ETag"]
    client.put_object(Bucket=BUCKET, Key="source", Body=b"source")
    copy = {"CopySource": {"Bucket": BUCKET, "Key": "source"}, **key}
    made = client.create_multipart_upload(**key)
    upload = {"UploadId": made["UploadId"], **key}
    parts = {"Parts": [{"PartNumber": 1, "ETag": client.upload_part(PartNumber=1, Body=b"part", **upload)["ETag"]}]}
    delete = [{"Key": "source"}, {"Key": "k", "ETag": etag}]
    refused = {"PreconditionFailed": [lambda: client.copy_object(IfNoneMatch="*", **copy),
                                      lambda: client.complete_multipart_upload(IfNoneMatch="*", MultipartUpload=parts, **upload)],
               "NotImplemented": [lambda: client.put_object(Body=b"x", IfMatch=etag, **key),
                                  lambda: client.copy_object(CopySourceIfMatch='"other"', **copy),
                                  lambda: client.complete_multipart_upload(IfMatch=etag, MultipartUpload=parts, **upload),
                                  lambda: client.delete_object(IfMatch='"other"', **key),
                                  lambda: client.delete_objects(Bucket=BUCKET, Delete={"Objects": delete})],
               "InvalidArgument": [lambda: client.copy_object(**{**copy, "CopySource": {
                   "Bucket": BUCKET, "Key": "source", "VersionId": "other"}})]}
    for wanted, calls in refused.items():
        for number, call in enumerate(calls):
            assert code_of(call) == wanted, (wanted, number)
    assert client.get_object(**key)["Body"].read() == b"first"
    assert keys_of(client) == ["k", "source"]


def test_large_uploads_come_in_parts(plain_server, user, place):
    server = plain_server
    client = server.client()
    data = random.Random(2).randbytes(30_000_000)
    path = Path(place) / "data"
    path.write_bytes(data)
    client.upload_file(str(path), BUCKET, "by-boto3")
    server.aws("s3", "cp", "--quiet", str(path), f"s3://{BUCKET}/by-aws-cli")
    server.aws("s3", "cp", "--quiet", "-", f"s3://{BUCKET}/by-pipe", stdin=data)
    parts = [data[at:at + (8 << 20)] for at in range(0, len(data), 8 << 20)]
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    for key in ("by-boto3", "by-aws-cli", "by-pipe"):
        got = client.get_object(Bucket=BUCKET, Key=key)
        assert got["Body"].read() == data and got["ETag"] == f'"{digest}-{len(parts)}"', key
        second = client.get_object(Bucket=BUCKET, Key=key, PartNumber=2)
        assert second["PartsCount"] == len(parts) and second["Body"].read() == parts[1]
    server.aws("s3", "cp", "--quiet", f"s3://{BUCKET}/by-aws-cli", f"{place}/back")
    assert Path(place, "back").read_bytes() == data
    # The same bytes three times over are stored once.
    size = sum(os.path.getsize(f"{user.vault}/{name}") for name in user.objects())
    assert size < 1.2 * len(data), size


def test_parts_come_in_any_order_and_only_those_named_count(plain_server):
    client = plain_server.client()
    made = client.create_multipart_upload(Bucket=BUCKET, Key="k", ContentType="a/b", Metadata={"m": "1"})
    upload = {"Bucket": BUCKET, "Key": "k", "UploadId": made["UploadId"]}
    bodies = {3: b"end", 1: b"1" * (5 << 20), 2: b"2" * (5 << 20), 7: b"left out"}
    etags = {number: client.upload_part(PartNumber=number, Body=body, **upload)["ETag"] for number, body in bodies.items()}
    etags[2] = client.upload_part(PartNumber=2, Body=b"3" * (6 << 20), **upload)["ETag"]
    assert [part["PartNumber"] for part in client.list_parts(**upload)["Parts"]] == [1, 2, 3, 7]
    assert [item["Key"] for item in client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]] == ["k"]
    assert keys_of(client) == []

    def complete(*numbers, **changed):
        named = [{"PartNumber": number, "ETag": changed.get(f"etag{number}", etags.get(number, '"' + "0" * 32 + '"'))}
                 for number in numbers]
        return client.complete_multipart_upload(MultipartUpload={"Parts": named}, **upload)
    assert code_of(lambda: complete(1, 9)) == "InvalidPart"
    assert code_of(lambda: complete(1, 2, etag2='"' + "0" * 32 + '"')) == "InvalidPart"
    assert code_of(lambda: complete(2, 1)) == "InvalidPartOrder"
    assert code_of(lambda: complete(1, 3, 7)) == "EntityTooSmall"
    done = complete(1, 2, 3)
    got = client.get_object(Bucket=BUCKET, Key="k")
    assert got["Body"].read() == bodies[1] + b"3" * (6 << 20) + b"end"
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (done["ETag"], "a/b", {"m": "1"})
    # Whoever did not hear the answer asks again.
    assert complete(1, 2, 3)["ETag"] == done["ETag"]
    assert code_of(lambda: client.upload_part(PartNumber=1, Body=b"x", **upload)) == "NoSuchUpload"


def test_the_checksum_of_a_whole_that_comes_in_parts_is_checked(plain_server, place):
    data = random.Random(6).randbytes(12_000_000)
    right = "WSJytv4feY0="  # Its CRC64NVME, by another implementation than ours.
    client = plain_server.client(request_checksum_calculation="when_required")

    def put(checksum, **more):
        made = client.create_multipart_upload(Bucket=BUCKET, Key="k", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
        upload = {"Bucket": BUCKET, "Key": "k", "UploadId": made["UploadId"]}
        parts = [{"PartNumber": number, "ETag": client.upload_part(PartNumber=number, Body=body, **upload)["ETag"]}
                 for number, body in ((1, data[:6 << 20]), (2, data[6 << 20:]))]
        return client.complete_multipart_upload(MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=checksum,
                                                ChecksumType="FULL_OBJECT", **more, **upload)
    assert code_of(lambda: put("AAAAAAAAAAA=")) == "BadDigest"
    assert code_of(lambda: put(right, MpuObjectSize=len(data) - 1)) == "InvalidRequest"
    assert keys_of(client) == []
    assert put(right, MpuObjectSize=len(data))["ChecksumCRC64NVME"] == right
    kept = client.head_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")
    assert (kept["ChecksumCRC64NVME"], kept["ChecksumType"]) == (right, "FULL_OBJECT")

    path = Path(place) / "data"
    path.write_bytes(data)
    crc32 = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    plain_server.client().upload_file(str(path), BUCKET, "by-boto3", ExtraArgs={"ChecksumCRC32": crc32})
    assert client.head_object(Bucket=BUCKET, Key="by-boto3", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32
    assert client.get_object(Bucket=BUCKET, Key="by-boto3")["Body"].read() == data


def test_uploads_are_aborted_and_expire(user):
    server = s3_serving.Serving(user, "serve", "--s3-ingest", "--plain-http", "--upload-expiry", "1s")
    client = server.client()
    made = client.create_multipart_upload(Bucket=BUCKET, Key="aborted")
    client.upload_part(Bucket=BUCKET, Key="aborted", UploadId=made["UploadId"], PartNumber=1, Body=b"x")
    client.abort_multipart_upload(Bucket=BUCKET, Key="aborted", UploadId=made["UploadId"])
    assert code_of(lambda: client.abort_multipart_upload(Bucket=BUCKET, Key="aborted", UploadId=made["UploadId"])) == \
        "NoSuchUpload"
    made = client.create_multipart_upload(Bucket=BUCKET, Key="stale")
    wait_until(lambda: not client.list_multipart_uploads(Bucket=BUCKET).get("Uploads"), "a stale upload to expire")
    assert code_of(lambda: client.upload_part(Bucket=BUCKET, Key="stale", UploadId=made["UploadId"], PartNumber=1, Body=b"x")) \
        == "NoSuchUpload"
    code, errors = server.stop()
    assert code == 0, errors


def test_what_was_acknowledged_survives_a_kill(user):
    rng = random.Random(5)
    written = {}
    for turn in range(3):
        server = s3_serving.Serving(user, "serve", "--s3-ingest", "--plain-http")
        client = server.client()
        assert keys_of(client) == sorted(written), turn
        for number in range(4):
            key, body = f"{turn}/{number}", rng.randbytes(rng.choice([10, 100_000, 2_000_000]))
            client.put_object(Bucket=BUCKET, Key=key, Body=body)
            written[key] = body
        server.stop(signal.SIGKILL)
    server = s3_serving.Serving(user, "serve", "--s3-ingest", "--plain-http")
    for key, body in written.items():
        assert server.client().get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, key
    server.stop()
    user.run("verify", "--data")


def test_a_point_that_was_taken_away_is_missed_after_a_kill(user):
    server = s3_serving.Serving(user, "serve", "--s3-ingest", "--plain-http")
    server.client().put_object(Bucket=BUCKET, Key="k", Body=b"x")
    server.stop(signal.SIGKILL)
    os.unlink(f"{user.vault}/{max(name for name in user.objects() if name.startswith('log/'))}")
    outcome = user.run("points", expect=(DAMAGED, FAILED))
    assert "rolled back" in outcome.errors


def test_many_write_at_once(plain_server, user):
    server = plain_server
    bodies = {f"{number:03}": os.urandom(20_000) for number in range(120)}

    def put(keys):
        client = server.client()
        for key in keys:
            client.put_object(Bucket=BUCKET, Key=key, Body=bodies[key])
            assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == bodies[key]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(put, sorted(bodies)[at::8]) for at in range(8)]:
            done.result()
    assert keys_of(server.client()) == sorted(bodies)
    # Those who wait together are committed together.
    assert len(user.points()) < len(bodies)


def begin_and_collect(user, server, *arguments):
    """An upload of two parts with a collection after the first; yields what completes it, and the whole."""
    client = server.client()
    client.put_object(Bucket=BUCKET, Key="other", Body=b"x")
    made = client.create_multipart_upload(Bucket=BUCKET, Key="k")
    upload = {"Bucket": BUCKET, "Key": "k", "UploadId": made["UploadId"]}
    body = random.Random(8).randbytes(6 << 20)
    first = client.upload_part(PartNumber=1, Body=body, **upload)["ETag"]
    client.put_object(Bucket=BUCKET, Key="another", Body=b"y")  # Ends the session in which the part was stored.
    collected = user.run("collect", "--json", *arguments).lines()[-1]
    second = client.upload_part(PartNumber=2, Body=body[:1000], **upload)["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    return collected, lambda: client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload), body + body[:1000]


def test_a_collection_between_parts_costs_nothing(plain_server, user):
    _, complete, whole = begin_and_collect(user, plain_server)
    complete()
    assert plain_server.client().get_object(Bucket=BUCKET, Key="k")["Body"].read() == whole
    user.run("verify", "--data")


def test_what_a_collection_took_for_good_is_never_promised(plain_server, user):
    _, complete, _ = begin_and_collect(user, plain_server, "--keep-deleted", "0")
    assert code_of(complete) == "InvalidPart"
    assert keys_of(plain_server.client()) == ["another", "other"]
    user.run("verify", "--data")


def test_restic_backs_up_into_the_vault(server, place, plain):
    restic = shutil.which("restic")
    assert restic, "restic is missing: run 'scripts/deps test'"
    environment = {"PATH": os.environ["PATH"], "HOME": place, "AWS_ACCESS_KEY_ID": server.key, "RESTIC_PASSWORD": "x",
                   "AWS_SECRET_ACCESS_KEY": server.secret, "RESTIC_REPOSITORY": f"s3:{server.url}/{BUCKET}/restic",
                   "RESTIC_CACHE_DIR": f"{place}/restic-cache"}

    def run(*arguments):
        done = subprocess.run([restic, "--cacert", server.certificate, *arguments], env=environment, capture_output=True,
                              timeout=300, check=False)
        assert done.returncode == 0, f"restic {arguments}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    run("init")
    run("backup", plain)
    (Path(plain) / "more").write_bytes(b"more")
    run("backup", plain)
    run("check", "--read-data")
    run("restore", "latest", "--target", f"{place}/out")
    for folder, _, names in os.walk(plain):
        for name in names:
            path = os.path.join(folder, name)
            assert Path(f"{place}/out{path}").read_bytes() == Path(path).read_bytes(), path
    run("forget", "--keep-last", "1", "--prune")
    run("check", "--read-data")


def test_a_server_of_its_own_certificate_keeps_it(user):
    certificates = []
    for _ in range(2):
        server = s3_serving.Serving(user, "serve", "--s3-ingest")
        certificates.append(Path(server.certificate).read_bytes())
        server.client().head_bucket(Bucket=BUCKET)
        server.stop()
    assert certificates[0] == certificates[1]
    key = Path(server.certificate).with_name("key.pem")
    assert key.stat().st_mode & 0o077 == 0, "others can read the private key"


def test_names_in_the_host_are_buckets_too(user):
    server = s3_serving.Serving(user, "serve", "--s3-ingest", "--plain-http", "--domain", "example.com")
    server.client().put_object(Bucket=BUCKET, Key="k/1", Body=b"by path")
    host = f"{BUCKET}.example.com:{server.port}"
    status, _, body = server.raw(server.signed("GET", "/k/1", host=host))
    assert (status, body) == (200, b"by path")
    assert s3_serving.error_code(server.raw(server.signed("GET", "/k/1", host=f"other.{host}"))) == "NoSuchBucket"
    server.stop()


def test_a_machine_called_like_the_bucket_is_no_bucket(plain_server):
    host = f"{BUCKET}.example.com:{plain_server.port}"
    status, _, _ = plain_server.raw(plain_server.signed("PUT", f"/{BUCKET}/k", b"by path", host=host))
    assert status == 200
    assert keys_of(plain_server.client()) == ["k"]
    status, _, body = plain_server.raw(plain_server.signed("GET", f"/{BUCKET}/k", host=host))
    assert (status, body) == (200, b"by path")


def test_mistakes_of_use_are_told(user, place):
    for arguments in ((), ("--s3-ingest", "--bucket", "NO"), ("--s3-ingest", "--tls-cert", "x"),
                      ("--s3-ingest", "--domain", "http://x"),
                      ("--s3-ingest", "--tls-cert", "x", "--tls-key", "y"), ("--s3-ingest", "--listen", "nowhere")):
        user.run("serve", *arguments, "--run", "true", expect=(1, 2))
    outsider = Holdfast(user.binary, place, user.vault, password="wrong")
    outsider.run("serve", "--s3-ingest", "--run", "true", expect=12)
