# SPDX-License-Identifier: Apache-2.0
"""Ten thousand random requests, signed by us and by botocore: equal signatures."""

import json
import os
import random
import subprocess

import s3_servers

REQUESTS = 10_000
# Reads requests as JSON lines and prints botocore's signature of each.
BOTOCORE = r"""
import datetime, hashlib, json, sys
import botocore.auth, botocore.awsrequest, botocore.credentials
from urllib.parse import quote

for line in sys.stdin:
    it = json.loads(line)
    moment = datetime.datetime.fromtimestamp(it["time"], datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True, moment=moment: moment.replace(tzinfo=None)
    keys = botocore.credentials.Credentials(it["id"], it["secret"], it["token"] or None)
    path = quote(bytes.fromhex(it["path"]), safe="/~")
    query = "&".join(quote(bytes.fromhex(n), safe="~") + "=" + quote(bytes.fromhex(v), safe="~") for n, v in it["query"])
    url = "https://" + it["host"] + path + ("?" + query if query else "")
    request = botocore.awsrequest.AWSRequest(method=it["method"], url=url, headers=dict(it["headers"]),
                                             data=bytes.fromhex(it["body"]))
    if it["presign"]:
        auth = botocore.auth.S3SigV4QueryAuth(keys, it["service"], it["region"], expires=3600)
    elif it["service"] == "s3":
        auth = botocore.auth.S3SigV4Auth(keys, it["service"], it["region"])
        request.context["client_config"] = None
        request.context["payload_signing_enabled"] = True
    else:
        auth = botocore.auth.SigV4Auth(keys, it["service"], it["region"])
    auth.add_auth(request)
    if it["presign"]:
        print(request.url.split("X-Amz-Signature=")[1].split("&")[0])
    else:
        print(request.headers["Authorization"].split("Signature=")[1])
"""


def random_text(rng, size_max, odd):
    alphabet = "abcXYZ019-._~" + ("/ +*%&=?#:;,@$!'()[]\\\"<>|^`{}\t\u00e9\u20ac\U0001f600" if odd else "")
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(size_max + 1)))


def random_request(rng):
    service = rng.choice(["s3", "s3", "sts", "backup", "dynamodb"])
    presign = service == "s3" and rng.random() < 0.3
    key = random_text(rng, 40, True)
    headers = [("X-Amz-Meta-" + name, value) for name, value in
               ((f"h{n}", " ".join(random_text(rng, 8, False).split()) or "v") for n in range(rng.randrange(3)))]
    query = [(random_text(rng, 8, True) or "q", random_text(rng, 12, True)) for _ in range(rng.randrange(5))]
    if presign:  # botocore drops all but one of equal names here.
        query = list(dict(query).items())
    return {"service": service, "region": rng.choice(["us-east-1", "eu-central-1", "garage"]), "presign": presign,
            "time": rng.randrange(946_684_800, 4_102_444_800), "id": "AKID" + random_text(rng, 12, False),
            "secret": random_text(rng, 40, True) or "s", "token": rng.choice(["", "FwoG/token+=="]),
            "method": rng.choice(["GET", "PUT", "DELETE", "HEAD", "POST"]),
            "host": rng.choice(["bucket.s3.amazonaws.com", "127.0.0.1:9000", "h.example"]),
            "path": ("/" + key).encode().hex(), "headers": headers,
            "query": [(name.encode().hex(), value.encode().hex()) for name, value in query],
            "body": rng.randbytes(rng.randrange(100)).hex() if not presign else ""}


def run(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def test_ours_and_botocores_signatures_are_equal(binary, seed):
    rng = random.Random(seed)
    lines = [json.dumps(random_request(rng)) for _ in range(REQUESTS)]
    text = "\n".join(lines) + "\n"
    theirs = run([s3_servers.tools_python(), "-c", BOTOCORE], text)
    ours = run([os.path.join(os.path.dirname(binary), "tests", "aws_sign_lines")], text)
    assert len(theirs) == len(ours) == REQUESTS
    different = [line for line, a, b in zip(lines, ours, theirs) if a != b]
    assert not different, f"{len(different)} differ, such as {different[0]}"
