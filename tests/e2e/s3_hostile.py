# SPDX-License-Identifier: Apache-2.0
"""Answers of a server that means harm, for the proxy: each is told the request and a function that has the real server
carry it out, and yields what the program gets instead. ELSEWHERE stands for a port at which nobody may knock."""

import zlib
from collections import namedtuple

from s3_proxy import Answer, Endless, Hangup, error

# `must_fail`: there is no way to be right all the same.
Case = namedtuple("Case", "name act must_fail")
CASES = []
XML = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
MEBIBYTE = 1 << 20


def case(name, must_fail=True):
    def add(act):
        CASES.append(Case(name, act, must_fail))
        return act
    return add


def ok(body, **headers):
    body = body if isinstance(body, bytes) else body.encode()
    return Answer(200, [("Content-Type", "application/xml"), *((k.replace("_", "-"), v) for k, v in headers.items())], body)


def listing(inside, more=False):
    return ok(f"{XML}<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
              f"{inside}</ListBucketResult>")


def entry(key, size="1"):
    return f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>\"x\"</ETag></Contents>"


def prefix_of(request):
    query = request.target.partition("?")[2]
    return next((part[7:] for part in query.split("&") if part.startswith("prefix=")), "")


def after_of(request):
    query = request.target.partition("?")[2]
    return next((part[12:] for part in query.split("&") if part.startswith("start-after=")), "")


def lists(name, make, must_fail=True):
    """Every listing is answered by make(request, forward)."""
    @case("list-" + name, must_fail)
    def _(request, forward):
        return make(request, forward) if request.is_list else forward()


def objects(name, make, must_fail=True):
    """Every GET of an object is."""
    @case("get-" + name, must_fail)
    def _(request, forward):
        return make(request, forward) if request.method == "GET" and not request.is_list else forward()


def everything(name, make, must_fail=True):
    @case("any-" + name, must_fail)
    def _(request, forward):
        return make(request, forward)


def changed(forward, change):
    """The true answer with its body changed."""
    answer = forward()
    if answer.status in (200, 206) and answer.body:
        answer.body = change(answer.body)
    return answer


def endless_thin_pages(request, _):
    """One new key a page, and always more to follow."""
    after = after_of(request).rpartition("%2F")[2] or "0"
    number = int(after, 16) + 1 if all(c in "0123456789abcdef" for c in after) else 1
    return listing(entry(f"{prefix_of(request)}{number:016x}"), more=True)


def same_page(request, forward):
    """The server does not know where it was asked to go on."""
    return listing(entry(prefix_of(request) + "0000000000000001"), more=True)


# Listings -----------------------------------------------------------------------------------------------------------
lists("endless-thin-pages", endless_thin_pages)
lists("same-page-for-ever", same_page)
lists("truncated-and-empty", lambda request, _: listing("", more=True))
lists("out-of-order", lambda request, _: listing(entry(prefix_of(request) + "b") + entry(prefix_of(request) + "a")))
lists("twice-the-same", lambda request, _: listing(entry(prefix_of(request) + "a") * 2))
lists("of-another-prefix", lambda request, _: listing(entry("somewhere%2Felse")))
lists("size-negative", lambda request, _: listing(entry(prefix_of(request) + "a", "-1")))
lists("size-enormous", lambda request, _: listing(entry(prefix_of(request) + "a", "9" * 30)))
lists("size-words", lambda request, _: listing(entry(prefix_of(request) + "a", "many")))
lists("size-missing", lambda request, _: listing(f"<Contents><Key>{prefix_of(request)}a</Key></Contents>"))
lists("key-missing", lambda request, _: listing("<Contents><Size>1</Size></Contents>"))
lists("key-badly-encoded", lambda request, _: listing(entry(prefix_of(request) + "%zz")))
lists("key-climbs", lambda request, _: listing(entry(prefix_of(request) + "..%2F..%2F..%2Fetc%2Fpasswd")))
lists("key-with-zero", lambda request, _: listing(entry(prefix_of(request) + "%00")))
lists("half-the-xml", lambda request, forward: changed(forward, lambda body: body[:len(body) // 2]))
lists("no-xml", lambda *_: ok("a list, honestly"))
lists("empty", lambda *_: ok(""))
lists("another-root", lambda *_: ok(f"{XML}<ListBuckets/>"))
lists("error-in-success", lambda *_: ok(f"{XML}<Error><Code>AccessDenied</Code></Error>"))
lists("entity-bomb", lambda request, _: ok(
    "<!DOCTYPE b [<!ENTITY a \"" + "x" * 1000 + "\">" +
    "".join(f"<!ENTITY a{n} \"{'&a' + str(n - 1 if n else '') + ';'}{'&a' + str(n - 1 if n else '') + ';'}\">" for n in range(1, 40)) +
    f"]><ListBucketResult><Contents><Key>{prefix_of(request)}&a39;</Key><Size>1</Size></Contents></ListBucketResult>"))
lists("external-entity", lambda request, _: ok(
    "<!DOCTYPE b [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><ListBucketResult><Contents>"
    f"<Key>{prefix_of(request)}&a;</Key><Size>1</Size></Contents></ListBucketResult>"))
lists("nested-deeply", lambda *_: ok("<ListBucketResult>" + "<a>" * 100_000 + "</a>" * 100_000 + "</ListBucketResult>"))
lists("ten-mebibytes", lambda *_: ok(b"<ListBucketResult>" + b" " * (10 * MEBIBYTE) + b"</ListBucketResult>"))
lists("bytes-that-are-no-text", lambda request, _: listing(entry(prefix_of(request) + "a")) and ok(
    b"<ListBucketResult><Contents><Key>" + prefix_of(request).encode() + b"\xff\xfe\x80</Key><Size>1</Size></Contents></ListBucketResult>"), False)
lists("everything-hidden", lambda *_: listing(""))

# Objects ------------------------------------------------------------------------------------------------------------
objects("bit-flipped", lambda request, forward: changed(forward, lambda body: bytes([body[0] ^ 1]) + body[1:]))
objects("last-bit-flipped", lambda request, forward: changed(forward, lambda body: body[:-1] + bytes([body[-1] ^ 0x80])))
objects("half", lambda request, forward: changed(forward, lambda body: body[:len(body) // 2]))
objects("empty", lambda request, forward: changed(forward, lambda body: b""))
objects("one-byte-more", lambda request, forward: changed(forward, lambda body: body + b"x"))
objects("zeros", lambda request, forward: changed(forward, lambda body: bytes(len(body))))
objects("reversed", lambda request, forward: changed(forward, lambda body: body[::-1]))
objects("compressed", lambda request, forward: changed(forward, lambda body: zlib.compress(body)))
objects("never-there", lambda *_: error(404, "NoSuchKey"))
objects("forbidden", lambda *_: error(403, "AccessDenied"))
objects("archived", lambda *_: error(403, "InvalidObjectState"))
objects("no-content", lambda *_: Answer(204, [], b""))
objects("not-modified", lambda *_: Answer(304, [], b""))
objects("error-in-success", lambda *_: ok(f"{XML}<Error><Code>InternalError</Code></Error>"))


def wrong_checksum(_, forward):
    answer = forward()
    answer.set("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")
    return answer


def wrong_own_hash(_, forward):
    answer = forward()
    answer.set("x-amz-meta-holdfast-sha256", "0" * 64)
    return answer


def part_of_it(_, forward):
    answer = forward()
    answer.status = 206
    answer.set("Content-Range", f"bytes 5-{len(answer.body or b'') + 4}/1000000")
    return answer


def range_ignored(_, forward):
    answer = forward()
    if answer.status == 206:
        answer.status = 200
        answer.set("Content-Range", None)
    return answer


objects("wrong-checksum", wrong_checksum)
objects("wrong-hash", wrong_own_hash)
objects("another-part", part_of_it)
objects("range-ignored", range_ignored, False)


class Mixer:
    """Answers each GET with what was asked for before."""

    def __init__(self):
        self.last = None

    def __call__(self, request, forward):
        answer = forward()
        if request.method != "GET" or request.is_list or answer.status not in (200, 206):
            return answer
        kept, self.last = self.last, answer.body
        if kept is not None:
            answer.body = kept
        return answer


CASES.append(Case("get-another-object", Mixer(), False))

# The wire -----------------------------------------------------------------------------------------------------------
HEAD = b"HTTP/1.1 200 OK\r\n"


def hang_up(data):
    def act(*_):
        raise Hangup(data)
    return act


def stream(data, block):
    def act(*_):
        raise Endless(data, block)
    return act


everything("silence", hang_up(b""))
everything("garbage", hang_up(b"\x00\x01\x02garbage\r\n\r\n"))
everything("no-status", hang_up(b"HTTP/1.1\r\n\r\n"))
everything("status-999", hang_up(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"))
everything("status-minus-1", hang_up(b"HTTP/1.1 -1 No\r\nContent-Length: 0\r\n\r\n"))
everything("headers-cut", hang_up(HEAD + b"Content-Type: applic"))
everything("length-negative", hang_up(HEAD + b"Content-Length: -5\r\n\r\nhello"))
everything("length-enormous", hang_up(HEAD + b"Content-Length: 99999999999999999999\r\n\r\nhello"))
everything("length-too-long", hang_up(HEAD + b"Content-Length: 1000\r\n\r\nhello"))
everything("two-lengths", hang_up(HEAD + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello"))
everything("chunk-size-words", hang_up(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"))
everything("chunk-size-enormous", hang_up(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello"))
everything("no-length-at-all", hang_up(HEAD + b"\r\nhello"))
everything("http-2", hang_up(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
everything("switching-protocols", hang_up(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"))
everything("headers-without-end", stream(HEAD, b"X-More: and more\r\n"))
everything("one-header-without-end", stream(HEAD + b"X: ", b"x" * 4096))
everything("body-without-end", stream(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"))
everything("error-without-end", stream(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"))
everything("interim-answers-without-end", stream(b"", b"HTTP/1.1 100 Continue\r\n\r\n"))
everything("error-of-ten-mebibytes", lambda *_: Answer(403, [], b"<Error><Code>" + b"x" * (10 * MEBIBYTE) + b"</Code></Error>"))
everything("error-with-escapes", lambda *_: Answer(400, [], b"<Error><Code>Bad</Code><Message>\x1b[2J\x1b]0;owned\x07</Message></Error>"))
everything("not-authorised", lambda *_: Answer(401, [("WWW-Authenticate", "Basic realm=\"give me your password\"")], b""))
everything("proxy-wants-password", lambda *_: Answer(407, [("Proxy-Authenticate", "Basic realm=\"x\"")], b""))


def cookies(_, forward):
    answer = forward()
    answer.headers.append(("Set-Cookie", "a=b; Domain=.com"))
    answer.headers.append(("Refresh", "0; url=http://127.0.0.1:ELSEWHERE/"))
    answer.headers.append(("Alt-Svc", "h2=\"127.0.0.1:ELSEWHERE\""))
    answer.headers.append(("Link", "<http://127.0.0.1:ELSEWHERE/>; rel=preload"))
    return answer


everything("follow-me-headers", cookies, False)
for status in (300, 301, 302, 303, 305, 307, 308):
    everything(f"redirect-{status}", lambda *_, status=status: error(
        status, "TemporaryRedirect", Location="http://127.0.0.1:ELSEWHERE/vaults/?list-type=2"))
everything("redirect-by-endpoint", lambda *_: Answer(301, [("x-amz-bucket-region", "../../evil")],
                                                     b"<Error><Code>PermanentRedirect</Code><Endpoint>127.0.0.1:ELSEWHERE</Endpoint></Error>"))
everything("wrong-time", lambda *_: Answer(403, [("Date", "Fri, 31 Dec 9999 23:59:59 GMT")],
                                           b"<Error><Code>RequestTimeTooSkewed</Code></Error>"))
everything("time-of-day-words", lambda *_: Answer(403, [("Date", "yesterday")], b"<Error><Code>RequestTimeTooSkewed</Code></Error>"))
