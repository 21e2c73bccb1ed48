# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault between the program and an S3 server, at every request of a backup, a restore and a collection:
what was acknowledged is there and whole afterwards, and nothing is acknowledged that is not. The short run tries each
kind at a few requests chosen by the seed; --long tries all."""

import os
import random
import shutil

import pytest
import s3_proxy
import s3_servers
from holdfast import DONE
from s3_vault_test import BucketUser

SHORT_INDEXES = 2


class Workload:
    """A vault, a tree that changes, and the points that were acknowledged with what they must hold."""

    def __init__(self, binary, place, proxy, seed):
        self.place, self.proxy, self.rng = place, proxy, random.Random(seed)
        key = os.path.join(place, "key")
        self.user = BucketUser(binary, place, s3_servers.store_url(proxy.endpoint, os.path.basename(place)))
        proxy.reset()
        self.user.create("--key-file-out", key)
        self.user.environment["HOLDFAST_KEY_FILE"] = key
        self.user.environment["XDG_CACHE_HOME"] = os.path.join(place, "cache")
        self.tree = os.path.join(place, "tree")
        os.makedirs(os.path.join(self.tree, "sub"))
        self.acknowledged = {}
        self.change()
        self.backup()

    def change(self):
        for name in ("a", "sub/b", "sub/c"):
            if not os.path.exists(os.path.join(self.tree, name)) or self.rng.random() < 0.5:
                with open(os.path.join(self.tree, name), "wb") as out:
                    out.write(self.rng.randbytes(self.rng.randrange(200_000)))

    def contents(self, root):
        found = {}
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = file.read()
        return found

    def without_cache(self):
        shutil.rmtree(os.path.join(self.place, "cache"), ignore_errors=True)

    def attempt(self, *arguments):
        return self.user.run(*arguments, expect=tuple(range(256)), timeout=120)

    def backup(self):
        outcome = self.attempt("backup", "--json", self.tree)
        if outcome.code == DONE:
            self.acknowledged[outcome.lines()[-1]["recovery_point_id"]] = self.contents(self.tree)
        return outcome.code == DONE

    def restore(self, point):
        """True if the program says that it restored; then all must be there."""
        to = os.path.join(self.place, "back")
        outcome = self.attempt("restore", f"{point}:{self.tree}", "--to", to)
        if outcome.code == DONE:
            assert self.contents(to) == self.acknowledged[point], "restored other bytes than were backed up"
        shutil.rmtree(to, ignore_errors=True)
        return outcome.code == DONE

    def collect(self):
        if len(self.acknowledged) > 3:
            oldest = next(iter(self.acknowledged))
            if self.attempt("forget", oldest).code == DONE or oldest not in self.listed():
                del self.acknowledged[oldest]
        return self.attempt("collect").code == DONE

    def listed(self):
        self.proxy.reset()
        return {point["id"] for point in self.user.points()}

    def check(self, told):
        """With a good connection again: nothing acknowledged is gone, and all of it comes back."""
        missing = set(self.acknowledged) - self.listed()
        assert not missing, f"{told}: acknowledged points are gone: {missing}"
        newest = next(reversed(self.acknowledged))
        assert self.restore(newest), f"{told}: the newest point does not come back"

    def check_all(self, told):
        self.without_cache()
        self.check(told)
        for point in self.acknowledged:
            assert self.restore(point), f"{told}: point {point} does not come back"
        self.user.run("verify", "--data")


@pytest.fixture(name="proxy", scope="module")
def fixture_proxy():
    server = s3_servers.start_versitygw()
    proxy = s3_proxy.Proxy(server.port)
    yield proxy
    proxy.stop()
    server.stop()


def requests_of(work, action):
    work.proxy.reset()
    assert action()
    return work.proxy.count()


def sweep(work, fault, name, action, is_long):
    """The action with the fault at each of its requests, or at some."""
    count = requests_of(work, action)
    assert count > 0
    indexes = range(1, count + 2) if is_long else sorted(work.rng.sample(range(1, count + 1), min(SHORT_INDEXES, count)))
    for index in indexes:
        told = f"{fault} at request {index} of {name}"
        work.proxy.reset(fault, index)
        action()
        work.check(told)


@pytest.mark.parametrize("fault", s3_proxy.FAULTS)
def test_nothing_is_lost_and_nothing_is_made_up(fault, binary, place, proxy, seed, request):
    is_long = request.config.getoption("--long")
    work = Workload(binary, place, proxy, seed)

    def backup():
        work.change()
        return work.backup()

    def restore():
        work.without_cache()
        return work.restore(next(reversed(work.acknowledged)))

    sweep(work, fault, "backup", backup, is_long)
    sweep(work, fault, "restore", restore, is_long)
    sweep(work, fault, "collect", work.collect, is_long)
    work.check_all(fault)


@pytest.mark.parametrize("fault", ["500", "503-slow-down", "lost-after", "lost-before", "403-denied", "507-full"])
def test_a_server_that_always_fails_is_given_up(fault, binary, place, proxy, seed):
    work = Workload(binary, place, proxy, seed)
    work.user.environment["AWS_MAX_ATTEMPTS"] = "2"
    proxy.reset(fault)
    outcome = work.attempt("backup", work.tree)
    assert outcome.code != DONE
    assert outcome.errors.strip()
    work.check_all(fault)
