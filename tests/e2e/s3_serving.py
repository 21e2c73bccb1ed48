# SPDX-License-Identifier: Apache-2.0
"""Holdfast as an S3 server, started for a test, and clients of it: boto3, aws-cli, and bare sockets for what no decent
client would send."""

import datetime
import hashlib
import hmac
import json
import os
import signal
import socket
import ssl
import subprocess
import urllib.parse

import s3_servers

boto3, botocore = s3_servers.import_boto3()
TIMEOUT_S = 60


class Serving:
    """A server process; how it is reached stands in the line of JSON that it prints when it listens."""

    def __init__(self, user, *arguments, env=None):
        self.process = user.start(*arguments, "--json", env=env)
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=TIMEOUT_S)[1].decode()
        news = json.loads(line)
        assert news["type"] == "listening", news
        self.url, self.bucket = news["url"], news["bucket"]
        self.key, self.secret = news["access_key_id"], news["secret_access_key"]
        self.certificate = news.get("certificate")
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port

    def stop(self, number=signal.SIGTERM):
        """The outcome: exit code and what was said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=TIMEOUT_S)
        text = err.decode()
        for word in ("Sanitizer", "runtime error:", "CHECK failed", "terminate called"):
            assert word not in text, text
        return self.process.returncode, text

    def client(self, secret=None, key=None, **config):
        config.setdefault("retries", {"max_attempts": 1, "mode": "standard"})
        config.setdefault("s3", {"addressing_style": "path"})
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", verify=self.certificate,
                            aws_access_key_id=key or self.key, aws_secret_access_key=secret or self.secret,
                            config=botocore.config.Config(signature_version="s3v4", **config))

    def aws(self, *arguments, expect=0, stdin=None):
        """aws-cli's standard output."""
        environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret,
                       "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1",
                       "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true"}
        if self.certificate:
            environment["AWS_CA_BUNDLE"] = self.certificate
        done = subprocess.run([s3_servers.tool("awscli/bin/aws"), "--endpoint-url", self.url, *arguments],
                              env=environment, input=stdin, capture_output=True, timeout=300, check=False)
        assert done.returncode == expect, f"aws {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stderr

    def memory_peak_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

    # What no decent client would send.

    def connect(self):
        connection = socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)
        if self.url.startswith("https"):
            connection = ssl.create_default_context(cafile=self.certificate).wrap_socket(
                connection, server_hostname=self.host)
        return connection

    def raw(self, request):
        """Everything the server says to these bytes until it hangs up or has answered whole."""
        with self.connect() as connection:
            try:
                connection.sendall(request)
            except OSError:
                pass  # It had heard enough.
            return read_answer(connection)

    def signed(self, method, target, body=b"", headers=(), **signing):
        """A request's bytes, signed over whatever it says, right or wrong."""
        return sign(self, method, target, body, list(headers), **signing)

    def is_alive(self):
        return self.process.poll() is None and self.client().list_buckets()["Buckets"]


def read_answer(connection):
    """One answer: status, headers in lower case, body. (0, {}, b"") if there was none."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return 0, {}, data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            piece = connection.recv(65536)
            if not piece:
                break
            body += piece
    except OSError:
        return 0, {}, data
    return int(lines[0].split()[1]), headers, body


def error_code(answer):
    """The code in an answer's XML, or its status if it has none."""
    status, _, body = answer
    text = body.decode("utf-8", "replace")
    return text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else status


def sign(server, method, target, body, headers, payload=None, when=None, secret=None, region="us-east-1",
         host=None, extra=(), content_length=True):
    """Signature version 4 by hand. `extra`: headers that are sent but not signed."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    date = when.strftime("%Y%m%dT%H%M%SZ")
    payload = payload or hashlib.sha256(body).hexdigest()
    host = host or f"{server.host}:{server.port}"
    sent = [("Host", host), ("x-amz-date", date), ("x-amz-content-sha256", payload), *headers]
    path, _, query = target.partition("?")
    items = sorted((item.partition("=")[0], item.partition("=")[2]) for item in query.split("&") if item)
    canonical_query = "&".join(f"{name}={value}" for name, value in items)
    merged = {}
    for name, value in sent:
        merged.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = "".join(f"{name}:{','.join(merged[name])}\n" for name in sorted(merged))
    names = ";".join(sorted(merged))
    canonical = "\n".join([method, path, canonical_query, lines, names, payload])
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + (secret or server.secret).encode()
    for part in (date[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    sent.append(("Authorization", f"AWS4-HMAC-SHA256 Credential={server.key}/{scope}, SignedHeaders={names}, "
                                  f"Signature={signature}"))
    sent += list(extra)
    if content_length:
        sent.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent) + "\r\n"
    return head.encode("utf-8", "surrogateescape") + body
