# SPDX-License-Identifier: Apache-2.0
"""Recovery from what is left of a vault, with nothing but a key: what can be had comes back, all else is named."""

import os
import random
import shutil

import pytest
import tree_walker
from holdfast import DAMAGED, NO_VAULT, REFUSED, WRONG_KEY, Holdfast


@pytest.fixture(name="scene")
def fixture_scene(binary, place):
    return Scene(binary, place)


class Scene:
    """A vault without parity, so that damage stays, with points of two hosts."""

    def __init__(self, binary, place):
        self.place, self.binary = place, binary
        self.tree = f"{place}/tree"
        chance = random.Random(3)
        for folder in ("a", "b/c", "d"):
            os.makedirs(f"{self.tree}/{folder}")
            for number in range(30):
                with open(f"{self.tree}/{folder}/f{number}", "wb") as out:
                    out.write(chance.randbytes(100 if number % 10 else 100_000))
        self.user = Holdfast(binary, place, f"{place}/vault")
        self.user.create("--parity", "0")
        self.user.backup("--host", "first", self.tree)
        self.other = f"{place}/other"
        os.makedirs(self.other)
        with open(f"{self.other}/alone", "wb") as out:
            out.write(chance.randbytes(200_000))
        self.user.backup("--host", "second", self.other)
        # A machine that has never seen the vault.
        self.stranger = Holdfast(binary, f"{place}/elsewhere", self.user.vault)

    def recover(self, *arguments, expect=0):
        back = f"{self.place}/back"
        shutil.rmtree(back, ignore_errors=True)
        outcome = self.stranger.run("recover", "--to", back, "--no-sync", "--json", *arguments, expect=expect)
        return outcome, {line["recovery_point_id"]: line["directory"] for line in outcome.lines()
                         if line["type"] == "point"}

    def damage(self, prefix, harm):
        names = [name for name in self.user.objects() if name.startswith(prefix)]
        assert names
        for name in names:
            harm(f"{self.user.vault}/{name}")

    def state_of_vault(self):
        return {name: os.stat(f"{self.user.vault}/{name}").st_mtime_ns for name in self.user.objects()}

    def compare(self, directory, tree):
        return tree_walker.compare(tree_walker.walk(tree), tree_walker.walk(f"{directory}{tree}"))


def test_a_vault_without_index_and_caches_comes_back_whole_and_is_left_as_it_is(scene):
    scene.damage("index/", os.unlink)
    before = scene.state_of_vault()
    outcome, points = scene.recover()
    assert len(points) == 2
    trees = {line["host"]: line["id"] for line in scene.user.points()}
    assert scene.compare(points[trees["first"]], scene.tree) == []
    assert scene.compare(points[trees["second"]], scene.other) == []
    assert outcome.lines()[-1]["whole"] == 2
    assert scene.state_of_vault() == before


def test_without_its_log_nothing_is_made_up(scene):
    scene.damage("log/", os.unlink)
    outcome, points = scene.recover(expect=(1, DAMAGED))
    assert not points and (outcome.errors or outcome.text)


def test_what_is_lost_is_named_and_the_rest_comes_back(scene):
    packs = [name for name in scene.user.objects() if name.startswith("data/")]
    largest = max(packs, key=lambda name: os.path.getsize(f"{scene.user.vault}/{name}"))
    path = f"{scene.user.vault}/{largest}"
    os.chmod(path, 0o600)
    with open(path, "r+b") as out:
        out.seek(os.path.getsize(path) // 2)
        out.write(random.Random(1).randbytes(3000))
    outcome, points = scene.recover(expect=DAMAGED)
    lost = {line["name"] for line in outcome.lines() if line["type"] == "lost"}
    assert lost, "something of that pack is gone"
    for tree in (scene.tree, scene.other):
        for folder, _, names in os.walk(tree):
            for name in names:
                file = f"{folder}/{name}"
                with open(file, "rb") as original:
                    wanted = original.read()
                copies = [f"{directory}{file}" for directory in points.values() if os.path.exists(f"{directory}{file}")]
                is_back = False
                for copy in copies:
                    with open(copy, "rb") as found:
                        is_back |= found.read() == wanted
                assert is_back != (file.lstrip("/") in lost), f"{file}: back {is_back}, lost {sorted(lost)}"


def test_a_lost_part_of_a_tree_costs_its_entries_alone(scene):
    """With all metadata packs cut in half some nodes are gone; what was restored is right, and the damage is told."""
    scene.damage("meta/", lambda path: (os.chmod(path, 0o600), os.truncate(path, os.path.getsize(path) // 2)))
    outcome, points = scene.recover(expect=DAMAGED)
    summary = outcome.lines()[-1]
    assert summary["lost"] + summary["partly"] > 0
    for directory in points.values():
        for folder, _, names in os.walk(directory):
            for name in names:
                copy = f"{folder}/{name}"
                original = copy[len(directory):]
                with open(copy, "rb") as back, open(original, "rb") as source:
                    assert back.read() == source.read(), original


def test_it_needs_the_key_of_the_owner(scene):
    scene.stranger.environment["HOLDFAST_PASSWORD"] = "wrong"
    scene.recover(expect=WRONG_KEY)
    scene.stranger.environment["HOLDFAST_PASSWORD"] = scene.user.environment["HOLDFAST_PASSWORD"]
    credential = f"{scene.place}/agent"
    scene.user.run("key", "agent", "web", "--output", credential)
    scene.stranger.environment["HOLDFAST_KEY_FILE"] = credential
    del scene.stranger.environment["HOLDFAST_PASSWORD"]
    scene.recover(expect=REFUSED)
    scene.stranger.vault = f"{scene.place}/nothing"
    scene.recover(expect=NO_VAULT)
