# SPDX-License-Identifier: Apache-2.0
"""What no decent client sends, against both S3 servers: each is answered with an error of S3's or a broken connection, in
bounded time and memory, and the server goes on."""

import datetime
import os
import socket
import time

import pytest
import s3_serving
import tree_maker
from conftest import make_place
from holdfast import Holdfast

MEMORY_BYTES_MAX = 400 << 20
SLOWEST_S = 45
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class Pair:
    """Both servers over one vault, with the same keys."""

    def __init__(self, binary):
        self.place = make_place()
        self.user = Holdfast(binary, self.place, os.path.join(self.place, "vault"))
        self.user.create()
        os.makedirs(f"{self.place}/tree/sub")
        with open(f"{self.place}/tree/file", "wb") as out:
            out.write(os.urandom(500_000))
        self.user.backup(f"{self.place}/tree")
        self.reading = s3_serving.Serving(self.user, "serve-point", "latest", "--bucket", "bucket")
        self.writing = s3_serving.Serving(self.user, "serve", "--s3-ingest", "--plain-http", "--bucket", "bucket")
        self.key = f"{self.place}/tree/file"[1:]

    def stop(self):
        for server in (self.reading, self.writing):
            code, errors = server.stop()
            assert code == 0, errors
        tree_maker.remove(self.place)


@pytest.fixture(name="pair", scope="module")
def fixture_pair(binary):
    pair = Pair(binary)
    yield pair
    pair.stop()


@pytest.fixture(name="server", params=["reading", "writing"])
def fixture_server(request, pair):
    server = getattr(pair, request.param)
    yield server
    assert server.is_alive()
    assert server.memory_peak_bytes() < MEMORY_BYTES_MAX


def unsigned(text):
    return lambda server: text.replace("HOST", f"{server.host}:{server.port}").encode("latin-1")


def signed(*arguments, **named):
    return lambda server: server.signed(*arguments, **named)


def auth(change):
    """A good request with its Authorization header changed."""
    def make(server):
        head = server.signed("GET", "/").decode()
        line = next(line for line in head.split("\r\n") if line.startswith("Authorization"))
        return head.replace(line, change(line)).encode()
    return make


NOW = datetime.datetime.now(datetime.timezone.utc)
# Whoever is not let in learns nothing more.
CASES = {
    "no request": (unsigned("\x00\x01\x02\x03\r\n\r\n"), 400),
    "a TLS greeting": (unsigned("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 60 + "\r\n\r\n"), 400),
    "no version": (unsigned("GET /\r\n\r\n"), 400),
    "a version to come": (unsigned("GET / HTTP/7.3\r\nHost: HOST\r\n\r\n"), 400),
    "a method of blanks": (unsigned(" / HTTP/1.1\r\nHost: HOST\r\n\r\n"), 400),
    "a target of another scheme": (unsigned("GET http://elsewhere/ HTTP/1.1\r\nHost: HOST\r\n\r\n"), "InvalidURI"),
    "an asterisk": (unsigned("OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n"), "InvalidURI"),
    "a connection to elsewhere": (unsigned("CONNECT elsewhere:443 HTTP/1.1\r\nHost: HOST\r\n\r\n"), "InvalidURI"),
    "nobody": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\n\r\n"), "AccessDenied"),
    "no host": (unsigned("GET / HTTP/1.1\r\n\r\n"), "InvalidRequest"),
    "two hosts": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\nHost: other\r\n\r\n"), "InvalidRequest"),
    "huge headers": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\nX: " + "x" * 100_000 + "\r\n\r\n"), 431),
    "many headers": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\n" + "".join(f"X{n}: y\r\n" for n in range(9000)) + "\r\n"), 431),
    "a huge target": (unsigned("GET /" + "x" * 100_000 + " HTTP/1.1\r\nHost: HOST\r\n\r\n"), 431),
    "a header without a name": (unsigned("GET / HTTP/1.1\r\n: x\r\nHost: HOST\r\n\r\n"), 400),
    "a header split by a blank": (unsigned("GET / HTTP/1.1\r\nHost : HOST\r\n\r\n"), 400),
    "a bare line feed": (unsigned("GET / HTTP/1.1\r\nHost: HOST\nX: y\r\n\r\n"), 400),
    "two lengths": (unsigned("PUT /bucket/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400),
    "a length and chunks": (unsigned("PUT /bucket/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
    "a negative length": (unsigned("PUT /bucket/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n"), 400),
    "a length beyond 64 bits": (unsigned("PUT /bucket/k HTTP/1.1\r\nHost: HOST\r\nContent-Length: "
                                         "99999999999999999999\r\n\r\n"), 400),
    "a stray percent": (unsigned("GET /bucket/%zz HTTP/1.1\r\nHost: HOST\r\n\r\n"), "InvalidURI"),
    "a stray percent in the query": (unsigned("GET /bucket?prefix=%f HTTP/1.1\r\nHost: HOST\r\n\r\n"), "InvalidURI"),
    "an old signature": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: AWS AKID:c2ln\r\n\r\n"), "InvalidRequest"),
    "an old signature in the query": (unsigned("GET /bucket/k?AWSAccessKeyId=a&Signature=b&Expires=1 HTTP/1.1\r\n"
                                               "Host: HOST\r\n\r\n"), "InvalidRequest"),
    "a password": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: Basic YTpi\r\n\r\n"), "InvalidRequest"),
    "an empty claim": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: AWS4-HMAC-SHA256 \r\n\r\n"), "InvalidRequest"),
    "commas for a claim": (unsigned("GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: AWS4-HMAC-SHA256 ,,,\r\n\r\n"),
                           "AuthorizationHeaderMalformed"),
    "a claim without a date": (auth(lambda line: line.replace("/s3/", "/")), "AuthorizationHeaderMalformed"),
    "a claim for another service": (auth(lambda line: line.replace("/s3/", "/iam/")), "AuthorizationHeaderMalformed"),
    "a claim of another day": (auth(lambda line: line.replace(NOW.strftime("/%Y%m"), "/199901")),
                               "AuthorizationHeaderMalformed"),
    "a signature of nothing": (auth(lambda line: line.split("Signature=")[0] + "Signature="), "AuthorizationHeaderMalformed"),
    "a signature cut short": (auth(lambda line: line[:-1]), "SignatureDoesNotMatch"),
    "a signature too long": (auth(lambda line: line + "0" * 1000), "SignatureDoesNotMatch"),
    "the host unsigned": (auth(lambda line: line.replace("host;", "")), "AuthorizationHeaderMalformed"),
    "two claims": (signed("GET", "/", extra=[("Authorization", "AWS4-HMAC-SHA256 x")]), "InvalidArgument"),
    "a header of weight unsigned": (signed("PUT", "/bucket/k", extra=[("x-amz-acl", "public-read")]), "AccessDenied"),
    "a header of weight twice": (signed("PUT", "/bucket/k", headers=[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")]),
                                 "InvalidRequest"),
    "another secret": (signed("GET", "/", secret="no"), "SignatureDoesNotMatch"),
    "a time long ago": (signed("GET", "/", when=NOW - datetime.timedelta(days=900)), "RequestTimeTooSkewed"),
    "a time to come": (signed("GET", "/", when=NOW + datetime.timedelta(hours=3)), "RequestTimeTooSkewed"),
    "a hash that is none": (signed("GET", "/", payload="abc"), "InvalidArgument"),
    "a way of signing bodies that is none": (signed("GET", "/", payload="STREAMING-NONSENSE"), "NotImplemented"),
    "a token nobody gave": (signed("GET", "/", headers=[("x-amz-security-token", "x")]), "InvalidToken"),
    "a presigned URL for ever": (unsigned("GET /bucket/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20200101%2Fr%2F"
                                          "s3%2Faws4_request&X-Amz-Date=20200101T000000Z&X-Amz-Expires=99999999&X-Amz-Signed"
                                          "Headers=host&X-Amz-Signature=0 HTTP/1.1\r\nHost: HOST\r\n\r\n"),
                                 "AuthorizationQueryParametersError"),
    "a presigned URL of halves": (unsigned("GET /bucket/k?X-Amz-Algorithm=AWS4-HMAC-SHA256 HTTP/1.1\r\nHost: HOST\r\n\r\n"),
                                  "AuthorizationQueryParametersError"),
    "a parameter twice": (signed("GET", "/bucket?prefix=a&prefix=b"), "InvalidArgument"),
    "a hundred parameters": (signed("GET", "/bucket?" + "&".join(f"p{n}=1" for n in range(150))), "InvalidURI"),
    "a bucket that is none": (signed("GET", "/no-such-bucket"), "NoSuchBucket"),
    "a bucket of dots": (signed("GET", "/../../etc/passwd"), "NoSuchBucket"),
    "a bucket without a name": (signed("GET", "//etc/passwd"), "InvalidBucketName"),
    "a key of dots": (signed("GET", "/bucket/../../../etc/passwd"), "NoSuchKey"),
    "a key of dots in disguise": (signed("GET", "/bucket/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"), 403),
    "a key with a zero": (signed("GET", "/bucket/a%00b"), "NoSuchKey"),
    "a key of zeros only": (signed("GET", "/bucket/%00"), "NoSuchKey"),
    "a key that begins with a slash": (signed("GET", "/bucket//etc/passwd"), "NoSuchKey"),
    "a key that is no text": (signed("GET", "/bucket/%FF%FE%80"), "NoSuchKey"),
    "a key beyond bounds": (signed("GET", "/bucket/" + "k" * 1025), "KeyTooLongError"),
    "a negative count": (signed("GET", "/bucket?max-keys=-1"), "InvalidArgument"),
    "a count beyond bounds": (signed("GET", "/bucket?max-keys=99999999999"), "InvalidArgument"),
    "a count that is none": (signed("GET", "/bucket?max-keys=many"), "InvalidArgument"),
    "a token that is none": (signed("GET", "/bucket?continuation-token=xyz&list-type=2"), "InvalidArgument"),
    "an encoding that is none": (signed("GET", "/bucket?encoding-type=rot13"), "InvalidArgument"),
    "a version marker alone": (signed("GET", "/bucket?version-id-marker=null&versions="), "InvalidArgument"),
    "a prefix of zeros": (signed("GET", "/bucket?prefix=%00%00"), 200),
    "a prefix of everything": (signed("GET", "/bucket?delimiter=%FF&prefix=%FF%FF%FF"), 200),
    "a marker with a zero": (signed("GET", "/bucket?marker=a%00%00%2Fb"), 200),
    "a version that is empty": (signed("GET", "/bucket/k?versionId="), "InvalidArgument"),
    "a part without end": (signed("GET", "/bucket/k?partNumber=99999999999999999999"), "NoSuchKey"),
    "a method that is none": (signed("BREW", "/bucket/k"), ("AccessDenied", "MethodNotAllowed")),
    "a method in small letters": (signed("get", "/bucket/k"), ("AccessDenied", "MethodNotAllowed")),
    "a trace": (signed("TRACE", "/"), "MethodNotAllowed"),
    "a deletion of the bucket": (signed("DELETE", "/bucket"), "AccessDenied"),
    "a policy": (signed("PUT", "/bucket?policy=", b"{}"), "AccessDenied"),
}


@pytest.mark.parametrize("name", CASES)
def test_requests_that_no_decent_client_sends(server, name):
    make, wanted = CASES[name]
    begun = time.monotonic()
    answer = server.raw(make(server))
    assert time.monotonic() - begun < SLOWEST_S
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    assert s3_serving.error_code(answer) in wanted or answer[0] in wanted, answer
    assert b"root:" not in answer[2]


def put(payload, body, headers=(), **named):
    return signed("PUT", "/bucket/hostile", body, headers=headers, payload=payload, **named)


def decoded(size):
    return [("x-amz-decoded-content-length", str(size))]


SIGNATURE = "chunk-signature=" + "0" * 64
# Bodies, for the server that takes them.
BODIES = {
    "a hash that does not fit": (put("0" * 64, b"abc"), "XAmzContentSHA256Mismatch"),
    "an MD5 that does not fit": (put(UNSIGNED, b"abc", [("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")]), "BadDigest"),
    "an MD5 that is none": (put(UNSIGNED, b"abc", [("Content-MD5", "abc")]), "InvalidDigest"),
    "a checksum that does not fit": (put(UNSIGNED, b"abc", [("x-amz-checksum-crc32", "AAAAAA==")]), "BadDigest"),
    "a checksum that is none": (put(UNSIGNED, b"abc", [("x-amz-checksum-sha256", "abc")]), "InvalidRequest"),
    "two checksums": (put(UNSIGNED, b"abc", [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")]),
                      "InvalidRequest"),
    "more than S3 takes": (put(UNSIGNED, b"", [("Content-Length", str(6 << 30))], content_length=False), "EntityTooLarge"),
    "no length": (put(UNSIGNED, b"0\r\n\r\n", [("Transfer-Encoding", "chunked")], content_length=False), "MissingContentLength"),
    "broken chunks of HTTP": (put(TRAILER, b"zz\r\n", [("Transfer-Encoding", "chunked"), *decoded(3)], content_length=False),
                              "InvalidRequest"),
    "chunks of no size": (put(CHUNKED, b"abc", decoded(3)), ("InvalidRequest", "IncompleteBody")),
    "chunks unsigned": (put(CHUNKED, b"3\r\nabc\r\n0\r\n\r\n", decoded(3)), "InvalidRequest"),
    "chunks signed wrongly": (put(CHUNKED, f"3;{SIGNATURE}\r\nabc\r\n0;{SIGNATURE}\r\n\r\n".encode(), decoded(3)),
                              "SignatureDoesNotMatch"),
    "chunks without a decoded length": (put(CHUNKED, b"0\r\n\r\n"), "MissingContentLength"),
    "a decoded length that lies low": (put(TRAILER, b"3\r\nabc\r\n0\r\n\r\n", decoded(2)), "InvalidRequest"),
    "a decoded length that lies high": (put(TRAILER, b"3\r\nabc\r\n0\r\n\r\n", decoded(4)), "IncompleteBody"),
    "a decoded length that is none": (put(TRAILER, b"3\r\nabc\r\n0\r\n\r\n", decoded("many")), "MissingContentLength"),
    "a chunk that lies low": (put(TRAILER, b"2\r\nabc\r\n0\r\n\r\n", decoded(3)), "InvalidRequest"),
    "a chunk that lies high": (put(TRAILER, b"ffff\r\nabc\r\n0\r\n\r\n", decoded(3)), ("InvalidRequest", "IncompleteBody")),
    "a chunk beyond 64 bits": (put(TRAILER, b"fffffffffffffffffffff\r\nabc", decoded(3)), "InvalidRequest"),
    "a chunk line without end": (put(TRAILER, b"3;" + b"x" * 100_000, decoded(3)), "InvalidRequest"),
    "a body that ends early": (put(TRAILER, b"3\r\nab", decoded(3)), "IncompleteBody"),
    "a trailer without end": (put(TRAILER, b"3\r\nabc\r\n0\r\n" + b"a: b\r\n" * 10_000, decoded(3)), "InvalidRequest"),
    "a trailer that was not announced": (put(TRAILER, b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", decoded(3)),
                                         "InvalidRequest"),
    "a trailer that is missing": (put(TRAILER, b"3\r\nabc\r\n0\r\n\r\n", [*decoded(3), ("x-amz-trailer", "x-amz-checksum-crc32")]),
                                  "InvalidRequest"),
    "metadata beyond bounds": (put(UNSIGNED, b"abc", [(f"x-amz-meta-{n}", "x" * 1000) for n in range(10)]), "MetadataTooLarge"),
    "tags beyond bounds": (put(UNSIGNED, b"abc", [("x-amz-tagging", "&".join(f"t{n}=1" for n in range(11)))]), "InvalidArgument"),
    "a tag twice": (put(UNSIGNED, b"abc", [("x-amz-tagging", "a=1&a=2")]), "InvalidArgument"),
    "encryption under a key of its own": (put(UNSIGNED, b"abc", [("x-amz-server-side-encryption-customer-algorithm", "AES256")]),
                                          "NotImplemented"),
    "an ACL that would not be kept": (put(UNSIGNED, b"abc", [("x-amz-acl", "public-read")]), "NotImplemented"),
    "a grant that would not be kept": (put(UNSIGNED, b"abc", [("x-amz-grant-read", "id=x")]), "NotImplemented"),
    "a lock that would not hold": (put(UNSIGNED, b"abc", [("x-amz-object-lock-mode", "COMPLIANCE")]), "NotImplemented"),
    "a copy on a condition": (put(UNSIGNED, b"", [("x-amz-copy-source", "/bucket/nothing"),
                                                  ("x-amz-copy-source-if-match", "abc")]), "NotImplemented"),
    "a copy of a version": (put(UNSIGNED, b"", [("x-amz-copy-source", "/bucket/nothing?versionId=abc")]), "InvalidArgument"),
    "a write over one state only": (put(UNSIGNED, b"abc", [("If-Match", "abc")]), "NotImplemented"),
    "a write over all but one state": (put(UNSIGNED, b"abc", [("If-None-Match", "abc")]), "NotImplemented"),
    "a deletion of one state only": (signed("DELETE", "/bucket/k", headers=[("If-Match", "abc")]), "NotImplemented"),
    "a deletion of one time only": (signed("DELETE", "/bucket/k", headers=[("x-amz-if-match-last-modified-time", "x")]),
                                    "NotImplemented"),
    "a copy from another bucket": (put(UNSIGNED, b"", [("x-amz-copy-source", "/other/k")]), "NoSuchBucket"),
    "a copy of nothing": (put(UNSIGNED, b"", [("x-amz-copy-source", "/bucket/nothing")]), "NoSuchKey"),
    "a part of no upload": (signed("PUT", "/bucket/k?partNumber=1&uploadId=abc", b"abc"), "NoSuchUpload"),
    "a part of number nought": (signed("PUT", "/bucket/k?partNumber=0&uploadId=abc", b"abc"), "InvalidArgument"),
    "a part beyond the last": (signed("PUT", "/bucket/k?partNumber=10001&uploadId=abc", b"abc"), "InvalidArgument"),
    "the end of no upload": (signed("POST", "/bucket/k?uploadId=abc", b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
                                    b"<ETag>" + b"0" * 32 + b"</ETag></Part></CompleteMultipartUpload>"), "NoSuchUpload"),
    "the end in no XML": (signed("POST", "/bucket/k?uploadId=abc", b"<Complete"), "MalformedXML"),
    "the end in other XML": (signed("POST", "/bucket/k?uploadId=abc", b"<Delete/>"), "MalformedXML"),
    "the end in deep XML": (signed("POST", "/bucket/k?uploadId=abc", b"<CompleteMultipartUpload>" + b"<a>" * 100_000),
                            "MalformedXML"),
    "the end in XML that laughs": (signed("POST", "/bucket/k?uploadId=abc", b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
                                          b"<CompleteMultipartUpload>&b;</CompleteMultipartUpload>"), "MalformedXML"),
    "parts in disorder": (signed("POST", "/bucket/k?uploadId=abc", b"<CompleteMultipartUpload>" + b"".join(
        b"<Part><PartNumber>%d</PartNumber><ETag>%032d</ETag></Part>" % (n, n) for n in (2, 1)) +
        b"</CompleteMultipartUpload>"), "InvalidPartOrder"),
    "a document beyond bounds": (signed("POST", "/bucket?delete=", b"<Delete>" + b"x" * (5 << 20)), "EntityTooLarge"),
    "a deletion of nothing": (signed("POST", "/bucket?delete=", b"<Delete></Delete>"), "MalformedXML"),
    "a post of a form": (signed("POST", "/bucket", b"--x\r\n"), "MethodNotAllowed"),
    "a selection": (signed("POST", "/bucket/k?select=&select-type=2", b"<x/>"), "NotImplemented"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_no_decent_client_sends(pair, name):
    make, wanted = BODIES[name]
    server = pair.writing
    begun = time.monotonic()
    answer = server.raw(make(server))
    assert time.monotonic() - begun < SLOWEST_S
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    assert s3_serving.error_code(answer) in wanted or answer[0] in wanted, answer
    assert server.is_alive()
    assert server.memory_peak_bytes() < MEMORY_BYTES_MAX
    keys = [item["Key"] for item in server.client().list_objects_v2(Bucket="bucket").get("Contents", [])]
    assert "hostile" not in keys and "k" not in keys


def test_there_are_enough_of_them():
    assert len(CASES) + len(BODIES) >= 60


def test_a_request_cannot_hide_in_the_body_of_another(pair, server):
    """Refused requests leave bodies unread; these must not be taken for the next request."""
    smuggled = server.signed("GET", "/bucket")
    with server.connect() as connection:
        connection.sendall(server.signed("PUT", "/no-such-bucket/k", smuggled + b"x" * 300_000, payload=UNSIGNED)[:5000])
        status, _, body = s3_serving.read_answer(connection)
        assert status in (0, 404), status
        assert b"ListBucketResult" not in body
        connection.settimeout(5)
        try:
            rest = connection.recv(65536)
        except OSError:
            rest = b""
        assert b"ListBucketResult" not in rest


def test_many_who_say_nothing_do_not_keep_others_out(pair, server):
    """As many connections as there are places, each idle after its first request."""
    idle = []
    try:
        for _ in range(70):
            connection = server.connect()
            connection.settimeout(20)
            connection.sendall(server.signed("HEAD", "/bucket"))
            s3_serving.read_answer(connection)
            idle.append(connection)
        assert server.client().head_bucket(Bucket="bucket")
    finally:
        for connection in idle:
            connection.close()


def test_clients_that_hang_up_in_the_middle_leave_nothing_behind(pair):
    server = pair.writing
    for cut in (10, 200, 700, 5000):
        request = server.signed("PUT", "/bucket/cut-off", b"x" * 100_000)
        with server.connect() as connection:
            connection.sendall(request[:cut])
            connection.shutdown(socket.SHUT_WR)
            status, _, _ = s3_serving.read_answer(connection)
            assert status in (0, 400), status
    assert server.client().list_objects_v2(Bucket="bucket", Prefix="cut-off")["KeyCount"] == 0
    assert server.is_alive()
