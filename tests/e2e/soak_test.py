# SPDX-License-Identifier: Apache-2.0
"""Four writers, a collector, one who forgets and a scrub, each a process of its own, on one vault at the same time. They
are killed, stopped for longer than collectors wait, and have clocks that are ten years off. Whatever was acknowledged and
not forgotten comes back, byte for byte, and nothing needs a hand."""

import glob
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading

import pytest
from holdfast import BUSY, DONE, FAILED, SKIPS, Holdfast, is_instrumented

CHEAP = ("--kdf-memory", "1", "--kdf-iterations", "1")
WRITERS = 4
# A machine that is busy otherwise may give a process little; what waits for another for good waits longer.
HANG_S = 600
TELL_EVERY = 1_000
FAKETIME = sorted(glob.glob("/usr/lib/*/faketime/libfaketime.so.1"))


class Failure(Exception):
    """Something that must not be; ends the soak."""


class Soak:
    """What all of them share."""

    def __init__(self, user, seed, backups, collections):
        self.user = user
        self.is_instrumented = is_instrumented(user.binary)
        self.seed = seed
        self.wanted = {"backups": backups, "collections": collections}
        self.lock = threading.Lock()
        self.news = threading.Condition(self.lock)
        self.points = {}     # Acknowledged and not (about to be) forgotten: id -> (tree, hash of what it must hold).
        self.counts = {}
        self.failures = []

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            if what == "backups" and self.counts[what] % TELL_EVERY == 0:
                print(f"so far: {self.counts}", flush=True)

    def wait_for_points(self):
        """Until a backup is acknowledged, or for a moment, since all may be over."""
        with self.news:
            self.news.wait(timeout=0.5)

    def is_over(self):
        with self.lock:
            done = all(self.counts.get(what, 0) >= count for what, count in self.wanted.items())
            return done or bool(self.failures)

    def run(self, chance, *arguments, harm=True):
        """Runs the program, which may be killed or stopped meanwhile or be told a wrong time. Its exit code, negative if
        it was killed, and what it printed."""
        environment = {}
        if FAKETIME and chance.random() < 0.2 and not self.is_instrumented:
            days = chance.choice([-3650, -30, 30, 3650])
            environment = {"LD_PRELOAD": FAKETIME[0], "FAKETIME": f"{days:+d}d", "DONT_FAKE_MONOTONIC": "1",
                           "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            self.count("wrong clocks")
        process = self.user.start(*arguments, env=environment)
        fate = chance.random() if harm else 1
        if fate < 0.25:
            self.harm(process, chance, kill=fate < 0.15)
        try:
            out, err = process.communicate(timeout=HANG_S)
        except subprocess.TimeoutExpired:
            state = state_of(process.pid)
            process.kill()
            out, err = process.communicate()
            raise Failure(f"{arguments} hangs, {state}: {err.decode()}") from None
        return process.returncode, out.decode(), err.decode()

    def harm(self, process, chance, kill):
        try:
            process.wait(timeout=chance.random() * 0.12)
            return
        except subprocess.TimeoutExpired:
            pass
        if kill:
            process.kill()
            self.count("kills")
            return
        # Longer than a collection with --fence all takes: what wakes up then is fenced.
        process.send_signal(signal.SIGSTOP)
        try:
            process.wait(timeout=0.2 + chance.random())
        except subprocess.TimeoutExpired:
            pass
        process.send_signal(signal.SIGCONT)
        self.count("stops")


def state_of(pid):
    """What tells a process that waits for something from one that had no processor."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        times = stat.read().rsplit(")", 1)[1].split()
    used_s = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    waits = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/wchan", encoding="ascii") as where:
            waits.append(where.read() or "0")
    return f"used {used_s:.1f} s of processor time, its threads are in {', '.join(waits)}"


def expect(code, allowed, arguments, out, err):
    for word in ("Sanitizer", "CHECK failed", "terminate called"):
        if word in err:
            raise Failure(f"{arguments}: {err}")
    if code not in allowed:
        raise Failure(f"{arguments}: exit {code}\n{out[-2000:]}\n{err[-3000:]}")


def hash_of(folder):
    """Names and contents of all files beneath a folder."""
    sums = hashlib.sha256()
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            sums.update(os.path.relpath(path, folder).encode() + b"\0")
            with open(path, "rb") as stored:
                sums.update(hashlib.sha256(stored.read()).digest())
    return sums.hexdigest()


def change(tree, chance, pool):
    """Some files are written anew, from few contents, so that writers lean on what others stored; one may go."""
    for _ in range(chance.randrange(1, 5)):
        name = f"{tree}/d{chance.randrange(3)}/f{chance.randrange(12)}"
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "wb") as out:
            out.write(chance.choice(pool) if chance.random() < 0.7 else chance.randbytes(chance.randrange(90_000)))
    name = f"{tree}/d{chance.randrange(3)}/f{chance.randrange(12)}"
    if os.path.exists(name) and chance.random() < 0.3:
        os.unlink(name)


def writer(soak, number):
    chance = random.Random(soak.seed * 100 + number)
    pool = [random.Random(f"{soak.seed}-{content}").randbytes(3_000 + 9_000 * content) for content in range(8)]
    tree = f"{soak.user.place}/tree{number}"
    os.makedirs(tree)
    while not soak.is_over():
        change(tree, chance, pool)
        arguments = ["backup", "--json", "--host", f"host{number}", tree]
        if chance.random() < 0.3:
            arguments.insert(1, "--force")
        code, out, err = soak.run(chance, *arguments)
        # Killed, or fenced by a collection: nothing was acknowledged, and the next run begins afresh.
        expect(code, (DONE, FAILED, BUSY, -signal.SIGKILL), arguments, out, err)
        soak.count("backups")
        if code != DONE:
            soak.count("backups refused or killed")
            continue
        point = [line for line in map(json.loads, out.splitlines()) if line.get("type") == "summary"][-1]["recovery_point_id"]
        soak.count("backups acknowledged")
        with soak.lock:
            soak.points[point] = (tree, hash_of(tree))
            soak.news.notify_all()


def collector(soak):
    chance = random.Random(soak.seed * 100 + 50)
    while not soak.is_over():
        fence = chance.choice(["idle", "idle", "all", "none"])
        arguments = ["collect", "--keep-deleted", "0", "--max-unused", chance.choice(["0", "20"]), "--fence", fence]
        code, out, err = soak.run(chance, *arguments)
        expect(code, (DONE, FAILED, BUSY, SKIPS, -signal.SIGKILL), arguments, out, err)
        soak.count("collections")
        if code in (FAILED, BUSY):
            soak.count("collections refused")
        elif code != -signal.SIGKILL:
            soak.count("collections done")


def forgetter(soak):
    chance = random.Random(soak.seed * 100 + 51)
    while not soak.is_over():
        with soak.lock:
            victims = sorted(soak.points)
            victim = chance.choice(victims) if len(victims) > 12 else None
            # Once it was asked for, it may be gone whatever becomes of the command.
            if victim:
                del soak.points[victim]
        if victim is None:
            soak.wait_for_points()
            continue
        arguments = ["forget", victim]
        code, out, err = soak.run(chance, *arguments)
        expect(code, (DONE, FAILED, BUSY, -signal.SIGKILL), arguments, out, err)
        soak.count("forgets")


def scrubber(soak):
    chance = random.Random(soak.seed * 100 + 52)
    while not soak.is_over():
        code, out, err = soak.run(chance, "scrub", "--from-start")
        # A collection that is stopped while it has the vault to itself keeps others out.
        expect(code, (DONE, BUSY, -signal.SIGKILL), ["scrub"], out, err)
        soak.count("scrubs")


def reader(soak):
    """Restores points at random while all this goes on; one that is forgotten meanwhile may be gone."""
    chance = random.Random(soak.seed * 100 + 53)
    while not soak.is_over():
        with soak.lock:
            points = sorted(soak.points)
            point = chance.choice(points) if points else None
        if point is None:
            soak.wait_for_points()
            continue
        restore(soak, chance, point, harm=True)


def restore(soak, chance, point, harm):
    with soak.lock:
        wanted = soak.points.get(point)
    if wanted is None:
        return
    tree, expected = wanted
    back = f"{soak.user.place}/back-{threading.get_ident()}"
    shutil.rmtree(back, ignore_errors=True)
    arguments = ["restore", f"{point}:{tree}", "--to", back, "--no-sync"]
    code, out, err = soak.run(chance, *arguments, harm=harm)
    with soak.lock:
        is_still_there = point in soak.points
    if code == DONE:
        if hash_of(back) != expected:
            raise Failure(f"{point} came back wrong\n{err}")
        soak.count("restores")
    elif is_still_there and not (harm and code == -signal.SIGKILL):
        raise Failure(f"{arguments}: exit {code}\n{out[-1000:]}\n{err[-3000:]}")
    shutil.rmtree(back, ignore_errors=True)


def run_soak(soak):
    def guarded(work, *arguments):
        try:
            work(soak, *arguments)
        except Exception as error:  # pylint: disable=broad-exception-caught
            with soak.lock:
                soak.failures.append(f"{work.__name__}: {error}")

    threads = [threading.Thread(target=guarded, args=(writer, number)) for number in range(WRITERS)]
    threads += [threading.Thread(target=guarded, args=(work,)) for work in (collector, forgetter, scrubber, reader)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not soak.failures, "\n".join([*soak.failures, str(soak.counts)])


def check_end(soak):
    user, chance = soak.user, random.Random(soak.seed)
    # A soak in which nearly nothing succeeds proves nothing.
    for what, count in {"backups acknowledged": soak.wanted["backups"] / 4,
                        "collections done": soak.wanted["collections"] / 4,
                        "restores": soak.wanted["backups"] / 20}.items():
        assert soak.counts.get(what, 0) >= count, f"only {soak.counts.get(what, 0)} {what}: {soak.counts}"
    # A kill leaves sessions; none of them needs a hand.
    user.run("collect", "--keep-deleted", "0", "--fence", "all")
    user.run("verify", "--data")
    listed = {point["id"] for point in user.points()}
    lost = set(soak.points) - listed
    assert not lost, f"{len(lost)} acknowledged points are lost: {sorted(lost)[:3]}"
    points = sorted(soak.points)
    for point in chance.sample(points, min(len(points), 60)):
        restore(soak, chance, point, harm=False)
    return {**soak.counts, "points_live_at_the_end": len(points), "lost": len(lost)}


def soak_of(binary, place, seed, backups, collections):
    user = Holdfast(binary, place, os.path.join(place, "vault"))
    user.create(*CHEAP)
    assert FAKETIME, "no libfaketime: scripts/deps test installs it"
    soak = Soak(user, seed, backups, collections)
    run_soak(soak)
    return check_end(soak)


def test_a_short_soak_loses_nothing(binary, place, seed, counts):
    counts("a short soak", **soak_of(binary, place, seed, 60, 10))


@pytest.mark.long
def test_ten_thousand_backups_against_a_thousand_collections_lose_nothing(binary, place, seed, counts):
    counts("a long soak", **soak_of(binary, place, seed, 10_000, 1_000))
