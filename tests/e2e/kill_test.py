# SPDX-License-Identifier: Apache-2.0
"""The program killed before any of its calls that change a disk, by HOLDFAST_FAULT: every command that changes
anything. What is left opens without repair, holds every point that was acknowledged, verifies, and lets the same
command and another backup succeed. All calls with --long; else a few, chosen by a seed that is printed."""

import os
import random
import shutil

import pytest
import tree_walker
from holdfast import DONE, FAILED, NO_VAULT, Holdfast

CHEAP = ("--kdf-memory", "1", "--kdf-iterations", "1")
KILLED = 137
SAMPLE = 3


class Scene:
    """A vault with two points of a small tree, to be copied for each kill."""

    def __init__(self, binary, place):
        self.place = place
        self.user = Holdfast(binary, place, os.path.join(place, "vault"))
        self.tree = f"{place}/tree"
        os.mkdir(self.tree)
        chance = random.Random(8)
        for number in range(6):
            with open(f"{self.tree}/{number}", "wb") as out:
                out.write(chance.randbytes(1000 if number % 2 else 300_000))
        self.user.create(*CHEAP)
        self.first = self.user.backup(self.tree)["recovery_point_id"]
        self.before = tree_walker.walk(self.tree)
        with open(f"{self.tree}/0", "wb") as out:
            out.write(chance.randbytes(200_000))
        self.second = self.user.backup(self.tree)["recovery_point_id"]
        self.after = tree_walker.walk(self.tree)
        with open(f"{self.tree}/2", "wb") as out:
            out.write(b"new")
        self.kept = f"{place}/kept"
        self.save()

    def save(self):
        shutil.rmtree(self.kept, ignore_errors=True)
        os.mkdir(self.kept)
        for name in ("vault", "home", "other"):
            if os.path.exists(f"{self.place}/{name}"):
                shutil.copytree(f"{self.place}/{name}", f"{self.kept}/{name}", symlinks=True)

    def reset(self):
        for name in ("vault", "home", "other", "back", "export", "export.part", "agent"):
            path = f"{self.place}/{name}"
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
        for name in os.listdir(self.kept):
            shutil.copytree(f"{self.kept}/{name}", f"{self.place}/{name}", symlinks=True)

    def check(self, forgotten):
        """Every acknowledged point is there and right; nothing has to be repaired first."""
        self.user.run("verify", "--data")
        ids = [point["id"] for point in self.user.points()]
        for point, expected in ((self.first, self.before), (self.second, self.after)):
            if point not in ids:
                assert point in forgotten
                continue
            back = f"{self.place}/check"
            self.user.restore(f"{point}:{self.tree}", back)
            assert tree_walker.compare(expected, tree_walker.walk(back)) == []
            shutil.rmtree(back)


def count_calls(user, command, env):
    path = f"{user.place}/count"
    user.run(*command, env={**env, "HOLDFAST_FAULT": f"count:{path}"})
    with open(path, encoding="ascii") as file:
        return int(file.read())


def sweep(scene, command, request, seed, env=None, forgotten=(), again=(DONE,)):
    """Kills `command` before its calls, one after the other."""
    env = env or {}
    count = count_calls(scene.user, command, env)
    assert count > 3
    numbers = range(1, count + 1)
    if not request.config.getoption("--long"):
        numbers = sorted(random.Random(seed).sample(numbers, min(SAMPLE, count)))
    for number in numbers:
        scene.reset()
        killed = scene.user.start(*command, env={**env, "HOLDFAST_FAULT": f"kill:{number}"})
        killed.communicate(timeout=300)
        assert killed.returncode in (KILLED, DONE), number
        scene.check(forgotten)
        scene.user.run(*command, env=env, expect=again)
        scene.user.backup(scene.tree)
        scene.check(forgotten)
    print(f"{' '.join(command[:2])}: killed at {len(numbers)} of {count} calls")
    scene.reset()


@pytest.fixture(name="scene")
def fixture_scene(binary, place):
    return Scene(binary, place)


def test_backup(scene, request, seed):
    sweep(scene, ("backup", scene.tree), request, seed)


def test_forget(scene, request, seed):
    sweep(scene, ("forget", scene.first), request, seed, forgotten=(scene.first,), again=(DONE, FAILED))


def test_collect(scene, request, seed):
    scene.user.run("forget", scene.first)
    scene.save()
    sweep(scene, ("collect", "--max-unused", "0"), request, seed, forgotten=(scene.first,))


def test_tag(scene, request, seed):
    sweep(scene, ("tag", "--add", "x", scene.second), request, seed)


def test_key_add(scene, request, seed):
    sweep(scene, ("key", "add", *CHEAP), request, seed, env={"HOLDFAST_NEW_PASSWORD": "second"})


def test_key_rotate(scene, request, seed):
    sweep(scene, ("key", "rotate"), request, seed)


def test_key_remove(scene, request, seed):
    scene.user.run("key", "add", "--name", "second", *CHEAP, env={"HOLDFAST_NEW_PASSWORD": "second"})
    key = [key for key in scene.user.run("key", "list", "--json").lines() if key.get("name") == "second"][0]
    scene.save()
    sweep(scene, ("key", "remove", key["id"]), request, seed, again=(DONE, FAILED))


def test_key_agent(scene, request, seed):
    # A credential that was cut off is refused by name; it is written anew under another one.
    command = ("key", "agent", "robot", "--output", f"{scene.place}/agent")
    sweep(scene, command, request, seed, again=(DONE, FAILED))


def test_restore(scene, request, seed):
    back = f"{scene.place}/back"
    sweep(scene, ("restore", f"{scene.second}:{scene.tree}", "--to", back), request, seed)
    scene.user.restore(f"{scene.second}:{scene.tree}", back)
    assert tree_walker.compare(scene.after, tree_walker.walk(back)) == []


def test_a_killed_restore_ends_equal_when_run_again(scene, request, seed):
    back = f"{scene.place}/back"
    command = ("restore", f"{scene.second}:{scene.tree}", "--to", back)
    count = count_calls(scene.user, command, {})
    numbers = range(1, count + 1)
    if not request.config.getoption("--long"):
        numbers = sorted(random.Random(seed).sample(numbers, SAMPLE))
    for number in numbers:
        shutil.rmtree(back, ignore_errors=True)
        killed = scene.user.start(*command, env={"HOLDFAST_FAULT": f"kill:{number}"})
        killed.communicate(timeout=300)
        scene.user.run(*command)
        assert tree_walker.compare(scene.after, tree_walker.walk(back)) == [], number
    print(f"restore: killed at {len(numbers)} of {count} calls")


def test_export(scene, request, seed):
    # What a killed export left under its temporary name is in the way of the next one, which says so.
    command = ("export", f"{scene.second}:{scene.tree}", "--output", f"{scene.place}/export")
    sweep(scene, command, request, seed, again=(DONE, FAILED))


def test_copy(scene, request, seed):
    other = Holdfast(scene.user.binary, scene.place, f"{scene.place}/other")
    other.create(*CHEAP)
    scene.save()
    source = {"HOLDFAST_FROM_PASSWORD": other.environment["HOLDFAST_PASSWORD"]}
    command = ("copy", "--from-vault", scene.user.vault)
    count = count_calls(other, command, source)
    numbers = range(1, count + 1)
    if not request.config.getoption("--long"):
        numbers = sorted(random.Random(seed).sample(numbers, SAMPLE))
    for number in numbers:
        scene.reset()
        killed = other.start(*command, env={**source, "HOLDFAST_FAULT": f"kill:{number}"})
        killed.communicate(timeout=300)
        other.run("verify", "--data")
        other.run(*command, env=source)
        assert len(other.points()) == 2
        other.run("verify", "--data")
    print(f"copy: killed at {len(numbers)} of {count} calls")


def test_a_killed_create_leaves_no_vault_without_its_key_file(binary, place):
    count_file = f"{place}/count"
    counted = Holdfast(binary, place, f"{place}/counted", password=None)
    counted.create("--key-file-out", f"{place}/counted.key", env={"HOLDFAST_FAULT": f"count:{count_file}"})
    with open(count_file, encoding="ascii") as file:
        count = int(file.read())
    for number in range(1, count + 1):
        key = f"{place}/{number}.key"
        user = Holdfast(binary, place, f"{place}/vault{number}", password=None)
        vault, user.vault = user.vault, None
        killed = user.start("vault", "create", vault, "--key-file-out", key,
                            env={"HOLDFAST_FAULT": f"kill:{number}"})
        killed.communicate(timeout=300)
        user.vault = vault
        if not os.path.exists(key) or user.run("--key-file", key, "points", expect=(DONE, NO_VAULT)).code == NO_VAULT:
            again = f"{place}/{number}-again.key"
            user.create("--key-file-out", again)
            key = again
        assert user.run("--key-file", key, "points", "--json").lines() == []
    print(f"vault create with a key file: killed at {count} calls")


def test_vault_create(binary, place, request, seed):
    count_file = f"{place}/count"
    Holdfast(binary, place, f"{place}/counted").create(*CHEAP, env={"HOLDFAST_FAULT": f"count:{count_file}"})
    with open(count_file, encoding="ascii") as file:
        count = int(file.read())
    numbers = range(1, count + 1)
    if not request.config.getoption("--long"):
        numbers = sorted(random.Random(seed).sample(numbers, min(SAMPLE, count)))
    for number in numbers:
        user = Holdfast(binary, place, f"{place}/vault{number}")
        vault, user.vault = user.vault, None
        killed = user.start("vault", "create", vault, *CHEAP, env={"HOLDFAST_FAULT": f"kill:{number}"})
        killed.communicate(timeout=300)
        user.vault = vault
        user.create(*CHEAP, expect=(DONE, FAILED))  # It may be there already.
        user.run("verify", "--data")
        assert user.points() == []
    print(f"vault create: killed at {len(numbers)} of {count} calls")
