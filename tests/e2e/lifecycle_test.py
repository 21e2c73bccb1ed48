# SPDX-License-Identifier: Apache-2.0
"""A vault's life: points forgotten, space collected, points copied and exported, keys changed."""

import os
import random
import shutil
import subprocess
import tarfile

import pytest
import tree_walker
from holdfast import DAMAGED, DONE, FAILED, NO_VAULT, PASSWORD, USAGE, WRONG_KEY, Holdfast


def size_of(user):
    return sum(os.path.getsize(f"{user.vault}/{name}") for name in user.objects())


def restored(user, point, to):
    user.restore(point, to)
    return tree_walker.walk(to)


def test_forget_keeps_the_last_and_collect_frees_the_rest(user, place):
    tree = f"{place}/tree"
    os.mkdir(tree)
    chance = random.Random(1)
    for _ in range(5):
        with open(f"{tree}/noise", "wb") as out:
            out.write(chance.randbytes(10 << 20))
        user.backup(tree)
    expected = tree_walker.walk(tree)
    newest = user.points()[-1]["id"]
    full = size_of(user)
    user.run("forget", "--keep-last", "1", "--dry-run")
    assert len(user.points()) == 5
    user.run("forget", "--keep-last", "1")
    assert [point["id"] for point in user.points()] == [newest]
    user.run("collect", "--keep-deleted", "0")
    user.run("verify", "--data")
    assert full > 50 << 20
    assert size_of(user) < 15 << 20
    assert tree_walker.compare(expected, restored(user, f"latest:{tree}", f"{place}/back")) == []


def test_forget_of_one_point_leaves_the_others(user, plain, place):
    ids = []
    for number in range(3):
        with open(f"{plain}/changing", "w", encoding="ascii") as out:
            out.write(str(number))
        ids.append(user.backup(plain)["recovery_point_id"])
    user.run("forget", ids[1])
    assert [point["id"] for point in user.points()] == [ids[0], ids[2]]
    user.run("restore", ids[1], "--to", f"{place}/none", expect=FAILED)
    user.run("collect", "--keep-deleted", "0")
    user.run("verify", "--data")
    for number in (0, 2):
        assert user.run("cat", f"{ids[number]}:{plain}/changing").text == str(number)


def test_forget_by_rules_groups_by_host_and_paths(user, plain):
    for host in ("alpha", "beta"):
        for _ in range(3):
            user.backup("--host", host, plain)
    user.run("forget", "--keep-last", "2")
    assert [point["host"] for point in user.points()] == ["alpha", "alpha", "beta", "beta"]
    user.run("forget", "--keep-last", "1", "--host", "alpha")
    assert [point["host"] for point in user.points()] == ["alpha", "beta", "beta"]


def test_forget_keeps_what_has_a_tag_to_keep(user, plain):
    kept = user.backup("--tag", "keep", plain)["recovery_point_id"]
    for _ in range(3):
        last = user.backup(plain)["recovery_point_id"]
    user.run("forget", "--keep-tag", "keep", "--keep-last", "1")
    assert [point["id"] for point in user.points()] == [kept, last]
    refused = user.run("forget", "--json", "--keep-tag", "kep", expect=FAILED)
    assert "keep no point" in refused.errors
    assert [line for line in refused.lines() if line["type"] == "forget"] == []
    # A variable that is not set names no point rather than all of them.
    user.run("forget", "--tag", "", "--keep-last", "1")
    assert [point["id"] for point in user.points()] == [kept, last]


def test_forget_by_calendar_keeps_points_of_one_moment_once(user, plain):
    for _ in range(3):
        last = user.backup(plain)["recovery_point_id"]
    user.run("forget", "--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "12", "--keep-yearly", "3")
    points = [point["id"] for point in user.points()]
    assert last in points and len(points) <= 2  # Two, when midnight fell between them.


def test_forget_within_a_span_keeps_what_is_young(user, plain):
    for _ in range(3):
        user.backup(plain)
    user.run("forget", "--keep-within", "1d")
    assert len(user.points()) == 3


def test_forget_without_a_rule_or_point_is_a_mistake(user, plain):
    user.backup(plain)
    user.run("forget", expect=USAGE)
    assert len(user.points()) == 1


def test_collect_on_a_vault_without_waste_removes_nothing_that_is_needed(library):
    library.user.run("collect")
    library.user.run("verify", "--data")


def test_points_are_copied_between_vaults(user, plain, place, binary):
    ids = [user.backup("--tag", "kept", plain)["recovery_point_id"]]
    with open(f"{plain}/one.txt", "ab") as out:
        out.write(b"more")
    expected = tree_walker.walk(plain)
    ids.append(user.backup(plain)["recovery_point_id"])
    other = Holdfast(binary, place, f"{place}/other", password="another one")
    other.create()
    other.run("copy", "--from-vault", user.vault, env={"HOLDFAST_FROM_PASSWORD": PASSWORD})
    points = other.points()
    assert len(points) == 2
    assert points[0]["tags"] == ["kept"]
    assert [point["time"] for point in points] == [point["time"] for point in user.points()]
    other.run("verify", "--data")
    assert tree_walker.compare(expected, restored(other, f"latest:{plain}", f"{place}/back")) == []
    before = size_of(other)
    other.run("copy", "--from-vault", user.vault, env={"HOLDFAST_FROM_PASSWORD": PASSWORD})
    assert len(other.points()) == 2
    assert size_of(other) < before + 200_000


def test_an_export_as_tar_holds_what_tar_holds(user, plain, place):
    os.link(f"{plain}/two.bin", f"{plain}/two again")
    os.setxattr(f"{plain}/one.txt", "user.note", b"kept")
    user.backup(plain)
    user.run("export", f"latest:{plain}", "--format", "tar", "--output", f"{place}/point.tar")
    with tarfile.open(f"{place}/point.tar") as archive:
        names = {os.path.normpath(name) for name in archive.getnames()}
    assert {"one.txt", "two.bin", "two again", "sub", "sub/deeper/four.log", "link", "empty"} <= names
    os.mkdir(f"{place}/untarred")
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", f"{place}/point.tar", "-C",
                    f"{place}/untarred"], check=True)
    differences = tree_walker.compare(tree_walker.walk(plain), tree_walker.walk(f"{place}/untarred"), ignore=("holes",))
    assert [line for line in differences if not line.startswith(".: ")] == []


def test_an_export_streams_to_standard_output(user, plain, place):
    user.backup(plain)
    stream = user.run("export", f"latest:{plain}", "--format", "tar").out
    with open(f"{place}/out.tar", "wb") as out:
        out.write(stream)
    with tarfile.open(f"{place}/out.tar") as archive:
        assert any(os.path.normpath(name) == "sub/three" for name in archive.getnames())


def test_a_self_contained_export_is_restored_with_no_vault(library, binary, place):
    path = f"{place}/point.holdfast"
    library.user.run("export", library.second["recovery_point_id"], "--format", "holdfast", "--output", path,
                     env={"HOLDFAST_EXPORT_PASSWORD": "of its own"})
    Holdfast(binary, place, None).run("restore", "latest", "--from-export", path, "--to", f"{place}/back",
                                      expect=WRONG_KEY)
    stranger = Holdfast(binary, place, None, password="of its own")
    stranger.run("restore", f"{library.tree}", "--from-export", path, "--to", f"{place}/back")
    assert tree_walker.compare(library.after, tree_walker.walk(f"{place}/back")) == []


def test_passphrases_are_added_and_removed(user, plain, binary, place):
    user.backup(plain)
    user.run("key", "add", env={"HOLDFAST_NEW_PASSWORD": "second passphrase"})
    second = Holdfast(binary, f"{place}/second", user.vault, password="second passphrase")
    assert len(second.points()) == 1
    keys = [key for key in second.run("key", "list", "--json").lines() if key.get("kind") == "passphrase"]
    assert len(keys) == 2
    second.run("key", "remove", keys[0]["id"])
    user.run("points", expect=WRONG_KEY)
    assert len(second.points()) == 1
    second.backup(plain)
    second.run("verify", "--data")


def test_the_last_key_cannot_be_removed(user):
    keys = user.run("key", "list", "--json").lines()
    for key in keys:
        user.run("key", "remove", key["id"], expect=(DONE, FAILED, 21))
    assert user.run("points", expect=DONE).code == DONE


def test_rotation_of_keys_keeps_every_point_readable(user, plain, place):
    first = user.backup(plain)["recovery_point_id"]
    expected = tree_walker.walk(plain)
    user.run("key", "rotate")
    with open(f"{plain}/after", "wb") as out:
        out.write(b"after the rotation")
    second = user.backup(plain)["recovery_point_id"]
    user.run("verify", "--data")
    assert tree_walker.compare(expected, restored(user, f"{first}:{plain}", f"{place}/one")) == []
    assert user.run("cat", f"{second}:{plain}/after").text == "after the rotation"


@pytest.mark.parametrize("arguments", [("points",), ("backup", "/etc/hostname"), ("verify",), ("vault", "info")])
def test_no_vault_and_a_wrong_passphrase_have_codes_of_their_own(user, binary, place, arguments):
    Holdfast(binary, place, f"{place}/nowhere").run(*arguments, expect=NO_VAULT)
    os.mkdir(f"{place}/bare")
    Holdfast(binary, place, f"{place}/bare").run(*arguments, expect=NO_VAULT)
    Holdfast(binary, place, user.vault, password="wrong").run(*arguments, expect=WRONG_KEY)


def test_a_vault_is_not_created_over_another(user, plain):
    user.backup(plain)
    user.create(expect=FAILED)
    assert len(user.points()) == 1


def test_info_and_stats_tell_of_the_vault(user, plain):
    user.backup(plain)
    assert user.run("vault", "info").text.strip()
    info = user.run("vault", "info", "--json").lines()[-1]
    assert info["id"]
    stats = user.run("vault", "stats", "--json").lines()[-1]
    assert stats["points"] == 1
    assert stats["bytes_stored"] > 300_000


def test_an_older_copy_of_a_vault_is_known_for_one_wherever_it_lies(user, plain):
    user.backup(plain)
    shutil.copytree(user.vault, f"{user.place}/copy")
    user.backup(plain)
    user.vault = f"{user.place}/copy"
    outcome = user.run("points", expect=DAMAGED)
    assert "were seen before" in outcome.errors
    assert len(user.points("--accept-history")) == 1
    # A machine that knows neither takes what it is shown.
    stranger = Holdfast(user.binary, f"{user.place}/elsewhere", user.vault)
    assert len(stranger.points()) == 1
