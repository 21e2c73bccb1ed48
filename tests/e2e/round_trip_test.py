# SPDX-License-Identifier: Apache-2.0
"""What was backed up comes back: every byte, every attribute, of every point."""

import os
import random
import shutil

import pytest
import tree_maker
import tree_walker
from holdfast import DONE, SKIPS, Holdfast

IS_ROOT = os.geteuid() == 0


def restored(user, point, to):
    user.restore(point, to)
    return tree_walker.walk(to)


def test_every_kind_of_thing_comes_back(user, place, seed):
    tree = f"{place}/tree"
    print("left out:", tree_maker.make(tree, seed, files=100))
    expected = tree_walker.walk(tree)
    summary = user.backup(tree)
    assert summary["skipped"] == 0
    assert summary["new"] > 100
    actual = restored(user, f"latest:{tree}", f"{place}/back")
    assert tree_walker.compare(expected, actual) == []


def test_both_points_of_a_changed_tree_come_back(library, place):
    for summary, expected in ((library.first, library.before), (library.second, library.after)):
        point = summary["recovery_point_id"]
        actual = restored(library.user, f"{point}:{library.tree}", f"{place}/{point}")
        assert tree_walker.compare(expected, actual) == []


def test_an_unchanged_tree_is_not_read_again(library):
    # What was younger than the clock's grain when it was listed is read once more, by the first of these.
    settled = library.user.backup(library.tree)
    summary = library.user.backup(library.tree)
    library.user.run("forget", settled["recovery_point_id"], summary["recovery_point_id"])
    assert (summary["new"], summary["bytes_read"]) == (0, 0)
    # In the folders above the tree others come and go meanwhile.
    above = os.path.abspath(library.tree).count("/")
    assert summary["changed"] <= above
    assert summary["unchanged"] >= len(library.after) - 1 - above


def test_the_full_path_stands_beneath_the_target(user, plain, place):
    user.backup(plain)
    user.restore("latest", f"{place}/back")
    expected, actual = tree_walker.walk(plain), tree_walker.walk(f"{place}/back{plain}")
    assert tree_walker.compare(expected, actual) == []


def test_several_roots_come_back(user, plain, place):
    other = f"{place}/other root"
    shutil.copytree(plain, other, symlinks=True)
    os.chmod(other, 0o701)
    user.backup(plain, other)
    user.restore("latest", f"{place}/back")
    for root in (plain, other):
        assert tree_walker.compare(tree_walker.walk(root), tree_walker.walk(f"{place}/back{root}")) == []


def test_a_single_file_comes_back(user, plain, place):
    user.backup(f"{plain}/two.bin")
    user.restore("latest", f"{place}/back")
    with open(f"{plain}/two.bin", "rb") as expected, open(f"{place}/back{plain}/two.bin", "rb") as actual:
        assert actual.read() == expected.read()


def test_a_relative_path_is_backed_up_under_its_full_name(user, plain, place):
    user.run("backup", "plain/sub", cwd=place)
    assert user.points()[-1]["paths"] == [f"{plain}/sub"]


def test_a_random_history_comes_back_point_by_point(user, place, seed):
    chance = random.Random(seed)
    tree = f"{place}/tree"
    os.mkdir(tree)
    history = []
    for _ in range(6):
        for _ in range(40):
            change(tree, chance)
        expected = tree_walker.walk(tree)
        history.append((user.backup(tree)["recovery_point_id"], expected))
    for point, expected in history:
        actual = restored(user, f"{point}:{tree}", f"{place}/{point}")
        assert tree_walker.compare(expected, actual) == [], f"point {point}"
    user.run("verify", "--data")


def change(tree, chance):
    """One random thing that happens to a tree."""
    folders = [folder for folder, _, _ in os.walk(tree)]
    files = [os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names]
    folder = chance.choice(folders)
    new = os.path.join(folder, f"n{chance.randrange(10**6)}")
    what = chance.randrange(9) if files else 0
    old = chance.choice(files) if files else None
    if what <= 1:
        with open(new, "wb") as out:
            out.write(chance.randbytes(chance.choice((0, 10, 5000, 70_000, 400_000))))
    elif what == 2:
        os.mkdir(new)
    elif what == 3:
        os.unlink(old)
    elif what == 4:
        os.rename(old, new)
    elif what == 5 and os.path.isfile(old):
        with open(old, "r+b") as out:
            out.seek(chance.randrange(1 + os.path.getsize(old)))
            out.write(chance.randbytes(100))
    elif what == 6:
        os.chmod(old, chance.choice((0o600, 0o640, 0o777)))
    elif what == 7 and len(folders) > 1:
        shutil.rmtree(chance.choice(folders[1:]))
    elif what == 8 and os.path.isfile(old):
        shutil.copy2(old, new)


def test_bytes_that_are_there_already_are_not_stored_again(user, plain, place):
    first = user.backup(plain)
    shutil.copytree(plain, f"{plain}/copy", symlinks=True)
    for folder, _, names in os.walk(plain):
        for name in names:
            os.utime(os.path.join(folder, name), ns=(10**18, 10**18), follow_symlinks=False)
    second = user.backup(plain)
    assert first["bytes_stored"] > 300_000
    # Only metadata and padding, though every file was touched and copied.
    assert second["bytes_stored"] < 250_000
    assert second["bytes_read"] > 600_000


@pytest.mark.skipif(not IS_ROOT, reason="needs root to become somebody else")
def test_another_user_can_back_up_and_restore_what_is_his(binary, place, plain):
    os.chmod(place, 0o777)
    for folder, folders, names in os.walk(place):
        for name in folders + names:
            os.chown(os.path.join(folder, name), 65534, 65534, follow_symlinks=False)
    secret = f"{plain}/secret"
    with open(secret, "w", encoding="ascii") as out:
        out.write("not for nobody")
    os.chmod(secret, 0o600)
    user = Holdfast(binary, place, f"{place}/vault")
    os.chown(f"{place}/home", 65534, 65534)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    user.create(**nobody)
    outcome = user.run("backup", "--json", plain, expect=SKIPS, **nobody)
    assert outcome.lines()[-1]["skipped"] == 1
    assert "secret" in outcome.text + outcome.errors
    user.run("restore", f"latest:{plain}", "--to", f"{place}/back", expect=(DONE, SKIPS), **nobody)
    expected, actual = tree_walker.walk(plain), tree_walker.walk(f"{place}/back")
    assert tree_walker.compare(expected, actual) == ["secret: missing"]


def test_a_crowded_folder_and_a_large_file_come_back(user, place, seed):
    tree = f"{place}/tree"
    os.mkdir(tree)
    chance = random.Random(seed)
    os.mkdir(f"{tree}/crowd")
    for number in range(5000):
        with open(f"{tree}/crowd/{number}", "wb") as out:
            out.write(chance.randbytes(chance.randrange(500)))
    with open(f"{tree}/large", "wb") as out:
        for number in range(40):
            out.write(chance.randbytes(1 << 20) if number % 3 else b"text to be squeezed " * 52_428)
    expected = tree_walker.walk(tree)
    user.backup(tree)
    assert tree_walker.compare(expected, restored(user, f"latest:{tree}", f"{place}/back")) == []


def test_holes_are_never_read_through(user, place):
    """Reading a file of 1 TiB would take ten minutes at the least, and this bound is ten times what it should take."""
    tree = f"{place}/tree"
    os.mkdir(tree)
    with open(f"{tree}/huge", "wb") as out:
        for at in (0, (1 << 39) + 4096, (1 << 40) - 4096):
            out.seek(at)
            out.write(os.urandom(4096))
    expected = tree_walker.walk(tree)
    summary = user.backup(tree, timeout=60)
    assert summary["bytes_read"] < 1 << 20
    assert tree_walker.compare(expected, restored(user, f"latest:{tree}", f"{place}/back")) == []


@pytest.mark.long
def test_every_seed_comes_back(binary, place, seed):
    for number in range(seed, seed + 10):
        test_every_kind_of_thing_comes_back(new_user(binary, f"{place}/{number}"), f"{place}/{number}", number)
        tree_maker.remove(f"{place}/{number}")


def new_user(binary, place):
    os.mkdir(place)
    user = Holdfast(binary, place, f"{place}/vault")
    user.create()
    return user
