# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault between the program and the bucket that it backs up: a point that is called complete is the same as
one made over a good connection; what is called a skip is all that may be missing; nothing hangs."""

import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import s3_proxy
import s3_servers
from holdfast import DONE, FAILED, SKIPS, Holdfast

SHORT_INDEXES = 2
BUCKET = "faulty"


@pytest.fixture(name="proxy", scope="module")
def fixture_proxy(signing):
    script = str(Path(__file__).with_name("bucket_tool.py"))
    subprocess.run([s3_servers.tools_python(), script, "make", signing.endpoint, BUCKET, "1"], check=True, timeout=120,
                   env=s3_servers.aws_environment())
    proxy = s3_proxy.Proxy(signing.port)
    yield proxy
    proxy.stop()


class User(Holdfast):
    def __init__(self, binary, place, proxy):
        super().__init__(binary, place, os.path.join(place, "vault"))
        keys = s3_servers.aws_environment()
        self.environment.update({name: keys[name] for name in keys if name != "PATH"}, AWS_MAX_ATTEMPTS="3")
        self.url = f"s3://{BUCKET}?endpoint={proxy.endpoint}"
        self.create()

    def attempt(self):
        return self.run("backup", "--json", "--force", self.url, expect=tuple(range(256)), timeout=120)


@pytest.mark.parametrize("fault", s3_proxy.FAULTS)
def test_what_is_called_complete_is_complete(fault, binary, place, signing, proxy, seed, is_long, counts):
    proxy.reset()
    user = User(binary, place, proxy)
    good = user.backup(user.url)["recovery_point_id"]
    count = proxy.count()
    indexes = range(1, count + 1) if is_long else random.Random(seed).sample(range(1, count + 1), SHORT_INDEXES)
    struck, ends = 0, Counter()
    for index in indexes:
        proxy.reset(fault, index)
        outcome = user.attempt()
        struck += proxy.struck
        ends[outcome.code if outcome.code in (DONE, SKIPS) else FAILED] += 1
        told = f"{fault} at request {index}: exit {outcome.code} {outcome.errors}"
        if outcome.code not in (DONE, SKIPS):
            continue
        summary = outcome.lines()[-1]
        changes = user.run("diff", "--json", good, summary["recovery_point_id"]).lines()
        lost = {line["path"] for line in changes if line["type"] == "change"}
        # That a setting is not there is a good answer, and what one says comes without a checksum: on the way TLS is it.
        if fault in ("404-once", "flipped-bit"):
            lost = {path for path in lost if not path.startswith("the bucket's ")}
        skipped = {line["path"].lstrip("/") for line in outcome.lines() if line["type"] == "skip"}
        assert lost <= skipped, f"{told}: {lost - skipped}"
        assert (outcome.code == SKIPS) == bool(skipped), told
    proxy.reset()
    user.run("verify", "--data")
    counts(f"faults between a bucket on {signing.kind} and its backup", kinds=1, requests=struck, complete=ends[DONE],
           with_skips=ends[SKIPS], failed=ends[FAILED])
