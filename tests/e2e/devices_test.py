# SPDX-License-Identifier: Apache-2.0
"""Vaults on several devices, and parity in one folder: what is lost is had back, and what decays is mended."""

import os
import random
import shutil

import pytest
import tree_walker
from holdfast import DAMAGED, DONE, FAILED, SKIPS, USAGE, Holdfast


def url_of(place, *names, query=""):
    return "devices:" + ",".join(f"{place}/disks/{name}" for name in names) + query


@pytest.fixture(name="four")
def fixture_four(binary, place, plain):
    """A user with one point in a vault on four devices, of which two may be lost."""
    user = Holdfast(binary, place, url_of(place, "a", "b", "c", "d", query="?parity=2"))
    user.create()
    user.backup(plain)
    user.vault = url_of(place, "a", "b", "c", "d")
    return user


def lose(user, *names):
    for name in names:
        shutil.rmtree(f"{user.place}/disks/{name}")


def restored(user, root, name):
    user.restore(f"latest:{root}", f"{user.place}/{name}")
    return tree_walker.compare(tree_walker.walk(root), tree_walker.walk(f"{user.place}/{name}"))


def packs_on(user, device):
    found = []
    for folder, _, names in os.walk(f"{user.place}/disks/{device}/data"):
        found += [os.path.join(folder, name) for name in names]
    return sorted(found, key=os.path.getsize)


@pytest.mark.parametrize("lost", [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")])
def test_any_two_of_four_devices_may_be_lost(four, plain, lost):
    lose(four, *lost)
    os.makedirs(f"{four.place}/disks/{lost[0]}")  # An empty mount point.
    assert not restored(four, plain, "back")
    four.run("verify", "--data", expect=(DONE, FAILED))
    four.run("backup", plain, expect=FAILED)
    assert not os.listdir(f"{four.place}/disks/{lost[0]}"), "an empty mount point is a lost device"


def test_a_lost_device_is_replaced_and_a_lying_shard_mended(four, plain):
    lose(four, "a")
    states = [line["state"] for line in four.run("vault", "devices", "--json", expect=SKIPS).lines()[:-1]]
    assert sorted(states) == ["lost", "online", "online", "online"]
    four.run("vault", "replace-device", f"{four.place}/disks/a", f"{four.place}/disks/e")
    four.vault = url_of(four.place, "b", "c", "d", "e")
    four.run("vault", "devices")
    pack = packs_on(four, "e")[-1]
    with open(pack, "rb") as stored:
        before = stored.read()
    with open(pack, "r+b") as out:
        out.seek(len(before) // 2)
        out.write(b"this shard lies")
    summary = four.run("scrub", "--json", "--from-start").lines()[-1]
    assert summary["damaged_parts"] == summary["repaired_parts"] == 1 and summary["lost"] == 0
    with open(pack, "rb") as stored:
        assert stored.read() == before
    lose(four, "b", "c")
    assert not restored(four, plain, "back")


def test_a_device_is_added_and_backups_go_on(four, plain):
    four.run("vault", "add-device", f"{four.place}/disks/e")
    four.vault = url_of(four.place, "a", "b", "c", "d", "e")
    with open(f"{plain}/more", "wb") as out:
        out.write(random.Random(4).randbytes(500_000))
    four.backup(plain)
    assert four.run("scrub", "--json", "--from-start").lines()[-1]["thin_objects"] == 0
    lose(four, "b", "d")
    assert not restored(four, plain, "back")


def test_three_lost_and_every_pack_is_named(four):
    packs = {os.path.basename(pack) for pack in packs_on(four, "a") if os.path.getsize(pack) > 4096}
    lose(four, "b", "c", "d")
    lines = four.run("scrub", "--json", expect=DAMAGED).lines()
    lost = {os.path.basename(line["object"]) for line in lines if line["type"] == "lost"}
    assert packs <= lost


def test_what_is_unfinished_or_lost_does_not_pass_for_sound(four):
    pack = packs_on(four, "a")[-1]
    for name in "bcd":
        os.unlink(pack.replace("/disks/a/", f"/disks/{name}/"))
    outcome = four.run("scrub", "--json", expect=SKIPS)
    assert outcome.lines()[-1]["unfinished_objects"] == 1
    assert "unfinished, or lost: 'verify --data' tells" in four.run("scrub", "--from-start", expect=SKIPS).text
    four.run("verify", "--data", expect=DAMAGED)


def test_a_scrub_goes_on_where_it_stopped(four):
    first = four.run("scrub", "--json").lines()[-1]
    assert first["complete"] and first["objects"] > 0
    status = four.run("scrub", "--status", "--json").lines()[-1]
    assert "all_verified_since" in status and status["cursor"] == ""
    four.run("scrub", "--deadline", "soon", expect=USAGE)


def test_durability_is_computed_from_the_layout(four):
    told = four.run("vault", "durability", "--json").lines()[-1]
    assert (told["devices"], told["parity"]) == (4, 2)
    told = four.run("vault", "durability", "--devices", "11", "--parity", "3", "--json").lines()[-1]
    assert 12.0 < told["nines_by_devices"] < 12.2


def test_a_vault_given_as_a_block_is_found(four, plain):
    config = f"{four.place}/config.yaml"
    disks = ", ".join(f"{four.place}/disks/{name}" for name in "abcd")
    with open(config, "w", encoding="utf-8") as out:
        out.write(f"all:\n  vault:\n    devices: [{disks}]\n    parity: 2\n")
    four.vault = None
    assert len(four.points("--config", config)) == 1


def test_decay_in_a_single_folder_is_mended_by_parity(binary, place, plain):
    user = Holdfast(binary, place, f"{place}/vault")
    user.create("--parity", "3")
    user.backup(plain)
    chance = random.Random(8)
    originals = {}
    for name in user.objects():
        path = f"{user.vault}/{name}"
        with open(path, "rb") as stored:
            originals[path] = stored.read()
        with open(path, "r+b") as out:
            out.seek(chance.randrange(len(originals[path])))
            out.write(b"\x00\xff")
    summary = user.run("scrub", "--json").lines()[-1]
    assert summary["lost"] == 0 and summary["damaged_objects"] >= len(originals) - 2
    for path, original in originals.items():
        if not path.endswith("store/parity"):
            with open(path, "rb") as stored:
                assert stored.read() == original, path
    assert not restored(user, plain, "back")


def test_making_a_vault_twice_leaves_the_one_without_parity_readable(binary, place, plain):
    user = Holdfast(binary, place, f"{place}/vault")
    user.create("--parity", "0")
    user.backup(plain)
    before = user.objects()
    assert "already" in user.create(expect=FAILED).errors
    assert user.objects() == before
    assert not restored(user, plain, "back")


def test_a_restore_mends_what_it_finds_damaged(binary, place, plain):
    user = Holdfast(binary, place, f"{place}/vault")
    user.create("--parity", "3")
    user.backup(plain)
    packs = [f"{user.vault}/{name}" for name in user.objects() if name.startswith("data/")]
    originals = {}
    for path in packs:
        with open(path, "r+b") as out:
            originals[path] = out.read()
            for at in (1000, len(originals[path]) // 2):
                out.seek(at)
                out.write(b"decayed")
    assert not restored(user, plain, "back")
    mended = 0
    for path, original in originals.items():
        with open(path, "rb") as stored:
            mended += stored.read() == original
    assert mended > 0, "what was read and found wrong is written back"
