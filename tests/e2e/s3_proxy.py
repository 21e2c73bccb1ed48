# SPDX-License-Identifier: Apache-2.0
"""A proxy between the program and an S3 server that counts requests and spoils the ones it is told to.

Each connection is a thread that reads whole requests, so that a fault can be placed before the server saw a request or
after it carried it out. Requests that a fault can spoil are numbered from 1 in the order of their arrival."""

import http.client
import re
import socket
import threading
from collections import Counter

ERROR_XML = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>injected</Message>"
             "<RequestId>0</RequestId></Error>")


class Answer:
    """What goes back to the client, as bytes."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, list(headers), body

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name, value):
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    def encode(self, declared=None):
        lines = [f"HTTP/1.1 {self.status} Status"]
        skipped = ("content-length", "transfer-encoding", "connection")
        lines += [f"{key}: {value}" for key, value in self.headers if key.lower() not in skipped]
        length = self.header("content-length") if self.body is None else str(len(self.body))
        lines.append(f"Content-Length: {declared if declared is not None else length or 0}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (self.body or b"")


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    @property
    def is_list(self):
        return "list-type=2" in self.target

    @property
    def is_listing(self):
        return self.is_list or re.search("[?&]versions(=|&|$)", self.target) is not None

    @property
    def is_read(self):
        return self.method == "GET" and not self.is_list

    @property
    def is_ranged(self):
        return self.is_read and any(name.lower() == "range" for name, _ in self.headers)


class Hangup(Exception):
    """Ends the connection, having sent `parting` first."""

    def __init__(self, parting=b""):
        super().__init__()
        self.parting = parting


class Endless(Exception):
    """Sends `parting`, then `block` over and over until the client has had enough."""

    def __init__(self, parting, block):
        super().__init__()
        self.parting, self.block = parting, block


def error(status, code, **headers):
    body = ERROR_XML.format(code=code).encode()
    return Answer(status, [("Content-Type", "application/xml"), *headers.items()], body)


# Each fault is told the request and a function that has the server carry it out, and yields the answer to send.
def status_fault(status, code, **headers):
    return lambda request, forward: error(status, code, **headers)


def lost_before(request, forward):
    raise Hangup()


def lost_after(request, forward):
    forward()
    raise Hangup()


def failed_after(request, forward):
    """Carried out, and called a failure."""
    forward()
    return error(500, "InternalError")


def reset_in_body(request, forward):
    answer = forward()
    raise Hangup(answer.encode()[:-1] if answer.body else answer.encode()[:20])


def truncated(request, forward):
    """A whole answer as far as its length tells, but less than the object."""
    answer = forward()
    if answer.status not in (200, 206) or not answer.body or request.is_list:
        return answer
    return Answer(answer.status, answer.headers, answer.body[:len(answer.body) // 2])


def short_range(request, forward):
    answer = forward()
    if answer.status != 206 or not answer.body:
        return answer
    body = answer.body[:-1]
    first = answer.header("content-range").split(" ")[1].split("-")[0]
    total = answer.header("content-range").split("/")[1]
    answer.set("Content-Range", f"bytes {first}-{int(first) + len(body) - 1}/{total}")
    return Answer(206, answer.headers, body)


def wrong_range(request, forward):
    answer = forward()
    if answer.status != 206:
        return answer
    answer.set("Content-Range", f"bytes 0-{len(answer.body) - 1}/{len(answer.body) + 1}")
    return Answer(206, answer.headers, bytes(len(answer.body)))


def ignored_range(request, forward):
    answer = forward()
    if answer.status == 206:
        answer.set("Content-Range", None)
        answer.status = 200
    return answer


def flipped_bit(request, forward):
    answer = forward()
    if answer.status not in (200, 206) or not answer.body or request.is_list:
        return answer
    middle = len(answer.body) // 2
    body = answer.body[:middle] + bytes([answer.body[middle] ^ 0x10]) + answer.body[middle + 1:]
    return Answer(answer.status, answer.headers, body)


def longer_than_asked(request, forward):
    answer = forward()
    if answer.status != 206 or not answer.body:
        return answer
    return Answer(206, answer.headers, answer.body + b"more")


def page_lost(request, forward):
    """The listing's last entry is missing."""
    answer = forward()
    if not request.is_list or b"<Contents>" not in (answer.body or b""):
        return answer
    start = answer.body.rindex(b"<Contents>")
    end = answer.body.rindex(b"</Contents>") + len(b"</Contents>")
    return Answer(answer.status, answer.headers, answer.body[:start] + answer.body[end:])


def page_doubled(request, forward):
    answer = forward()
    tag = b"Contents" if request.is_list else b"Version"
    if not request.is_listing or b"<%s>" % tag not in (answer.body or b""):
        return answer
    start = answer.body.rindex(b"<%s>" % tag)
    end = answer.body.rindex(b"</%s>" % tag) + len(b"</%s>" % tag)
    return Answer(answer.status, answer.headers, answer.body[:end] + answer.body[start:])


def broken_xml(request, forward):
    answer = forward()
    if not request.is_listing:
        return answer
    return Answer(answer.status, answer.headers, (answer.body or b"")[:len(answer.body or b"") // 2])


def error_in_success(request, forward):
    if not request.is_listing:
        return forward()
    return Answer(200, [("Content-Type", "application/xml")], ERROR_XML.format(code="InternalError").encode())


def not_found_once(request, forward):
    if request.method not in ("GET", "HEAD") or request.is_list:
        return forward()
    answer = error(404, "NoSuchKey")
    if request.method == "HEAD":
        answer.body = None
        answer.set("Content-Length", "0")
    return answer


def sent_twice(request, forward):
    """A gateway that repeats what it passes on, and tells the second answer."""
    forward()
    return forward()


def redirected(request, forward):
    return error(307, "TemporaryRedirect", Location="http://127.0.0.1:9/elsewhere")


FAULTS = {
    "500": status_fault(500, "InternalError"),
    "503-slow-down": status_fault(503, "SlowDown"),
    "503-retry-after": status_fault(503, "ServiceUnavailable", **{"Retry-After": "0"}),
    "429": status_fault(429, "TooManyRequests"),
    "400-request-timeout": status_fault(400, "RequestTimeout"),
    "400-expired-token": status_fault(400, "ExpiredToken"),
    "400-bad-digest": status_fault(400, "BadDigest"),
    "403-clock-skew": status_fault(403, "RequestTimeTooSkewed"),
    "403-denied": status_fault(403, "AccessDenied"),
    "409-conflict": status_fault(409, "ConditionalRequestConflict"),
    "412-out-of-nothing": status_fault(412, "PreconditionFailed"),
    "507-full": status_fault(507, "InsufficientStorage"),
    "307-redirect": redirected,
    "lost-before": lost_before,
    "lost-after": lost_after,
    "failed-after": failed_after,
    "reset-in-body": reset_in_body,
    "truncated": truncated,
    "short-range": short_range,
    "wrong-range": wrong_range,
    "ignored-range": ignored_range,
    "longer-than-asked": longer_than_asked,
    "flipped-bit": flipped_bit,
    "list-entry-lost": page_lost,
    "list-entry-doubled": page_doubled,
    "list-broken": broken_xml,
    "list-error-in-success": error_in_success,
    "404-once": not_found_once,
    "sent-twice": sent_twice,
}


# Of other requests these leave the answer as it is.
FAULTS_OF_SOME = {
    "truncated": lambda request: request.is_read,
    "short-range": lambda request: request.is_ranged,
    "wrong-range": lambda request: request.is_ranged,
    "ignored-range": lambda request: request.is_ranged,
    "longer-than-asked": lambda request: request.is_ranged,
    "flipped-bit": lambda request: request.is_read,
    "list-entry-lost": lambda request: request.is_list,
    "list-entry-doubled": lambda request: request.is_listing,
    "list-broken": lambda request: request.is_listing,
    "list-error-in-success": lambda request: request.is_listing,
    "404-once": lambda request: request.is_read or request.method == "HEAD",
}


class Proxy:
    """Listens on a port of the kernel's choice until stop()."""

    def __init__(self, server_port):
        self.server_port = server_port
        self.lock = threading.Lock()
        self.log = []
        self.fault = None
        self.may_strike = None
        self.at = None
        self.open_count = 0  # Requests that the fault could have spoiled.
        self.struck = 0
        self.sent_bytes = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def reset(self, fault=None, at=None):
        """Counts anew; of the requests that it can spoil the one numbered `at` (from 1; None: every one; 0: none) suffers
        the fault: one of FAULTS by its name, or a function like theirs."""
        with self.lock:
            self.log, self.open_count, self.struck, self.sent_bytes = [], 0, 0, 0
            self.may_strike = FAULTS_OF_SOME.get(fault, lambda request: True)
            self.fault, self.at = FAULTS.get(fault, fault), at

    def pause(self):
        """No fault strikes, and nothing counts, until go_on() with what this returns."""
        with self.lock:
            before = self.log, self.open_count, self.struck, self.fault, self.at
            self.log, self.fault = [], None
            return before

    def go_on(self, before):
        with self.lock:
            self.log, self.open_count, self.struck, self.fault, self.at = before

    def count(self):
        with self.lock:
            return len(self.log)

    def kinds(self):
        with self.lock:
            return Counter(line.split(" ")[0] for line in self.log)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        upstream = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=60)
        reader = connection.makefile("rb")
        try:
            while (request := read_request(reader)) is not None:
                connection.sendall(self.answer(request, upstream))
        except Hangup as hangup:
            send_quietly(connection, hangup.parting)
        except Endless as endless:
            send_quietly(connection, endless.parting)
            while send_quietly(connection, endless.block):
                pass
        except OSError:
            pass
        finally:
            upstream.close()
            connection.close()
            reader.close()

    def answer(self, request, upstream):
        with self.lock:
            self.log.append(f"{request.method} {request.target}")
            is_open = self.fault is not None and self.may_strike(request)
            self.open_count += is_open
            strikes = is_open and self.at in (None, self.open_count)
            self.struck += strikes
        def forward():
            return carry_out(request, upstream)
        answer = self.fault(request, forward) if strikes else forward()
        answer = answer if isinstance(answer, bytes) else answer.encode()
        with self.lock:
            self.sent_bytes += len(answer)
        return answer


def send_quietly(connection, data):
    try:
        connection.sendall(data)
        return True
    except OSError:
        return False


def read_request(reader):
    line = reader.readline(65536)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (line := reader.readline(65536)).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    body = reader.read(length)
    if len(body) < length:
        return None
    return Request(method, target, headers, body)


def carry_out(request, upstream):
    for attempt in (0, 1):
        try:
            upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                upstream.putheader(name, value)
            upstream.endheaders(request.body or None)
            response = upstream.getresponse()
            break
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server closed a connection that it had kept open: nothing was carried out.
            upstream.close()
            if attempt:
                raise OSError("the server is gone") from None
    body = response.read()
    if request.method == "HEAD" or response.status in (204, 304):
        body = None
    return Answer(response.status, response.getheaders(), body)
