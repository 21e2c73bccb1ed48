# SPDX-License-Identifier: Apache-2.0
"""Interrupted and killed backups leave a sound vault, and the next one goes on from there."""

import os
import random
import signal

import pytest
import tree_walker
from holdfast import DONE, INTERRUPTED, stop, wait_until


@pytest.fixture(name="large")
def fixture_large(place):
    """160 MB; with the limit below there is time to interrupt."""
    tree = f"{place}/large"
    os.mkdir(tree)
    chance = random.Random(4)
    for number in range(40):
        with open(f"{tree}/{number:03}", "wb") as out:
            out.write(chance.randbytes(4 << 20))
    return tree


def stored(user):
    total = 0
    for name in user.objects():
        try:
            total += os.path.getsize(f"{user.vault}/{name}")
        except FileNotFoundError:
            continue  # A temporary name that is gone.
    return total


def interrupted(user, tree, number, stored_bytes):
    process = user.start("backup", "--json", "--limit-upload", 40 << 10, tree)
    wait_until(lambda: process.poll() is not None or stored(user) > stored_bytes, "the backup to store something")
    return stop(process, number)


def test_an_interrupted_backup_exits_130_and_the_next_resumes(user, large, place):
    outcome = interrupted(user, large, signal.SIGINT, 40 << 20)
    assert outcome.code == INTERRUPTED, outcome.errors
    assert user.points() == []
    kept = stored(user)
    summary = user.backup(large)
    assert summary["bytes_stored"] < (160 << 20) - kept // 2
    user.run("verify", "--data")
    user.restore(f"latest:{large}", f"{place}/back")
    assert tree_walker.compare(tree_walker.walk(large), tree_walker.walk(f"{place}/back")) == []


def test_sigterm_stops_a_backup_in_order(user, large):
    outcome = interrupted(user, large, signal.SIGTERM, 20 << 20)
    assert outcome.code in (INTERRUPTED, 143), outcome.errors
    assert user.points() == []
    user.run("verify")


def test_after_a_kill_the_vault_is_sound_and_the_next_backup_works(user, large, place):
    for stored_mib in (1, 30, 60):
        outcome = interrupted(user, large, signal.SIGKILL, stored_mib << 20)
        assert outcome.code in (-signal.SIGKILL, DONE)
        user.run("verify", "--data")
    user.backup(large)
    user.run("verify", "--data")
    user.restore(f"latest:{large}", f"{place}/back")
    assert tree_walker.compare(tree_walker.walk(large), tree_walker.walk(f"{place}/back")) == []


def test_an_interrupted_first_backup_harms_no_earlier_point(user, plain, large, place):
    user.backup(plain)
    interrupted(user, large, signal.SIGKILL, 20 << 20)
    assert [point["paths"] for point in user.points()] == [[plain]]
    user.run("collect", "--keep-deleted", "0")
    user.run("verify", "--data")
    user.restore(f"latest:{plain}", f"{place}/back")
    assert tree_walker.compare(tree_walker.walk(plain), tree_walker.walk(f"{place}/back")) == []


def test_collect_after_a_kill_gives_the_bytes_back(user, large):
    interrupted(user, large, signal.SIGKILL, 40 << 20)
    user.run("collect", "--keep-deleted", "0")
    user.run("collect", "--keep-deleted", "0")
    assert stored(user) < 24 << 20


def test_a_killed_collect_harms_nothing(user, large, plain, place):
    user.backup(plain)
    point = user.backup(large)["recovery_point_id"]
    user.run("forget", point)
    for delay in range(5):
        process = user.start("collect", "--keep-deleted", "0")
        before = stored(user)
        wait_until(lambda p=process, b=before, d=delay: p.poll() is not None or d == 0 or stored(user) < b, "collect")
        stop(process, signal.SIGKILL)
        user.run("verify", "--data")
    user.run("collect", "--keep-deleted", "0")
    user.restore(f"latest:{plain}", f"{place}/back")
    assert tree_walker.compare(tree_walker.walk(plain), tree_walker.walk(f"{place}/back")) == []
