# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault between the program and an S3 server, and its sudden death, at every request of a backup, a restore,
the printing of a file, a forgetting and a collection: what was acknowledged is there and whole afterwards, and nothing is
acknowledged that is not. The short run tries each kind at a few requests chosen by the seed; --long tries all."""

import json
import os
import random
import shutil
import signal
import time

import pytest
import s3_proxy
import s3_servers
from holdfast import DONE, INTERRUPTED, stop, wait_until
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

    def cat(self):
        """True if the program says that it printed a file; then that is what it held. Unlike a restore it reads parts of
        packs."""
        newest = next(reversed(self.acknowledged))
        outcome = self.attempt("cat", f"{newest}:{self.tree}/a")
        if outcome.code == DONE:
            assert outcome.out == self.acknowledged[newest]["a"], "printed other bytes than were backed up"
        return outcome.code == DONE

    def forget(self):
        """True if the program says that the oldest point is forgotten; then it must not be listed any more."""
        if len(self.acknowledged) < 2:
            self.proxy_aside(self.backup)
        oldest = next(iter(self.acknowledged))
        done = self.attempt("forget", oldest).code == DONE
        if oldest not in self.proxy_aside(self.listed_now):
            del self.acknowledged[oldest]
        else:
            assert not done, "said to be forgotten, and it is there"
        return done

    def proxy_aside(self, action):
        """The action without the fault that is set, and not counted."""
        before = self.proxy.pause()
        try:
            return action()
        finally:
            self.proxy.go_on(before)

    def make_garbage(self):
        self.change()
        self.backup()
        if len(self.acknowledged) > 2:
            oldest = next(iter(self.acknowledged))
            self.user.run("forget", oldest)
            del self.acknowledged[oldest]

    def collect(self):
        self.proxy_aside(self.make_garbage)
        return self.attempt("collect", "--keep-deleted", "0").code == DONE

    def listed_now(self):
        return {point["id"] for point in self.user.points()}

    def listed(self):
        self.proxy.reset()
        return self.listed_now()

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
def fixture_proxy(signing):
    proxy = s3_proxy.Proxy(signing.port)
    yield proxy
    proxy.stop()


def requests_of(work, fault, action):
    """How many of them the fault can spoil."""
    work.proxy.reset(fault, 0)
    assert action()
    return work.proxy.open_count


def sweep(work, fault, name, action, is_long):
    """The action with the fault at each of its requests, or at some. How many requests were spoiled."""
    struck = 0
    count = requests_of(work, fault, action)
    if count == 0:
        return 0
    # A second collection may have less to do than the one that was counted: one of the indexes is low.
    indexes = range(1, count + 2) if is_long else sorted(
        {work.rng.randint(1, min(3, count)), *work.rng.sample(range(1, count + 1), min(SHORT_INDEXES - 1, count))})
    for index in indexes:
        told = f"{fault} at request {index} of {name}"
        work.proxy.reset(fault, index)
        action()
        struck += work.proxy.struck
        work.check(told)
    return struck


@pytest.mark.parametrize("fault", s3_proxy.FAULTS)
def test_nothing_is_lost_and_nothing_is_made_up(fault, binary, place, signing, proxy, seed, is_long, counts):
    work = Workload(binary, place, proxy, seed)

    def backup():
        work.change()
        return work.backup()

    def restore():
        work.without_cache()
        return work.restore(next(reversed(work.acknowledged)))

    def cat():
        work.without_cache()
        return work.cat()

    # Reading comes first, while there is little to look at.
    actions = {"restore": restore, "cat": cat, "backup": backup, "forget": work.forget, "collect": work.collect}
    struck = {name: sweep(work, fault, name, action, is_long) for name, action in actions.items()}
    counts(f"faults between a vault and {signing.kind}", kinds=int(any(struck.values())), requests=sum(struck.values()),
           **{f"of_{name}": count for name, count in struck.items()})
    assert struck["cat"] and (fault in s3_proxy.FAULTS_OF_SOME or all(struck.values()))
    work.check_all(fault)


class Killer:
    """A fault: the program dies just before the request is carried out, or just after."""

    def __init__(self, when):
        self.when, self.process = when, None

    def __call__(self, request, forward):
        if self.when == "after":
            forward()
        self.process.kill()
        raise s3_proxy.Hangup()


@pytest.mark.parametrize("when", ["before", "after"])
def test_sudden_death_at_a_request_loses_nothing(when, binary, place, signing, proxy, seed, is_long, counts):
    work = Workload(binary, place, proxy, seed)
    killer = Killer(when)
    kills = 0
    for name, arguments in (("backup", ["backup", "--json", work.tree]), ("forget", ["forget"]),
                            ("collect", ["collect", "--keep-deleted", "0"])):
        # One more at a time until the program gets through.
        for index in range(1, 200) if is_long else sorted(work.rng.sample(range(1, 8), 3)):
            work.proxy.reset()
            work.change()
            doomed = None
            if name == "forget":
                work.backup()
                doomed = next(iter(work.acknowledged))
            work.proxy.reset(killer, index)
            killer.process = work.user.start(*arguments, *([doomed] if doomed else []))
            out, _ = killer.process.communicate(timeout=120)
            kills += killer.process.returncode < 0
            if name == "backup" and killer.process.returncode == DONE:
                point = json.loads(out.splitlines()[-1])["recovery_point_id"]
                work.acknowledged[point] = work.contents(work.tree)
            if doomed and doomed not in work.listed():
                del work.acknowledged[doomed]
            work.check(f"killed {when} request {index} of {name}")
            if killer.process.returncode >= 0:
                break
    counts(f"sudden deaths at requests to {signing.kind}", **{f"{when}_it_was_carried_out": kills})
    assert kills > 0
    work.check_all(f"killed {when} requests")


def test_a_command_that_waits_for_the_server_ends_at_once_when_it_is_interrupted(binary, place, proxy, seed):
    work = Workload(binary, place, proxy, seed)
    point = next(iter(work.acknowledged))
    commands = [["points"], ["restore", point, "--to", f"{place}/back"], ["backup", work.tree]]
    for arguments in commands:
        work.without_cache()
        proxy.reset(s3_proxy.status_fault(503, "SlowDown", **{"Retry-After": "60"}))
        process = work.user.start(*arguments)
        wait_until(lambda: proxy.count() > 0, "a request")
        begun = time.monotonic()
        outcome = stop(process, signal.SIGINT)
        assert outcome.code == INTERRUPTED, outcome.errors
        assert time.monotonic() - begun < 30, "it waited for the server all the same"


@pytest.mark.parametrize("fault", ["500", "503-slow-down", "lost-after", "lost-before", "403-denied", "507-full"])
def test_a_server_that_always_fails_is_given_up(fault, binary, place, proxy, seed):
    work = Workload(binary, place, proxy, seed)
    work.user.environment["AWS_MAX_ATTEMPTS"] = "2"
    proxy.reset(fault)
    outcome = work.attempt("backup", work.tree)
    assert outcome.code != DONE
    assert outcome.errors.strip()
    work.check_all(fault)
