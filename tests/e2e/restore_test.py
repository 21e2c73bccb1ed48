# SPDX-License-Identifier: Apache-2.0
"""Restoring onto what is there, in part, again after a kill, and into hostile places."""

import os
import random
import shutil
import signal

import tree_maker
import tree_walker
from holdfast import DONE, FAILED, INTERRUPTED, REFUSED, SKIPS, stop, wait_until


def moments(root):
    """ctime of everything: what was left alone keeps it."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(folder, name)
            if len(path) < 4000:  # Longer ones need descriptors.
                found[os.path.relpath(path, root)] = os.lstat(path).st_ctime_ns
    return found


def test_a_restore_onto_an_equal_tree_writes_nothing(user, place, seed):
    tree = f"{place}/tree"
    tree_maker.make(tree, seed, files=50)
    user.backup(tree)
    before = moments(tree)
    user.restore(f"latest:{tree}", tree)
    changed = [name for name, moment in moments(tree).items() if before[name] != moment]
    assert [name for name in changed if not os.path.isdir(f"{tree}/{name}")] == []


def test_a_restore_in_place_repairs_what_differs_and_leaves_the_rest_alone(user, place):
    tree = f"{place}/tree"
    os.makedirs(f"{tree}/sub")
    noise = random.Random(5).randbytes(8 << 20)
    for name in ("kept", "damaged", "short", "long", "gone", "sub/touched"):
        with open(f"{tree}/{name}", "wb") as out:
            out.write(noise)
    expected = tree_walker.walk(tree)
    user.backup(tree)
    before = moments(tree)
    with open(f"{tree}/damaged", "r+b") as out:
        out.seek(3_000_000)
        out.write(b"damage")
    os.truncate(f"{tree}/short", 100)
    with open(f"{tree}/long", "ab") as out:
        out.write(b"more")
    os.unlink(f"{tree}/gone")
    os.chmod(f"{tree}/sub/touched", 0o600)
    with open(f"{tree}/extra", "wb") as out:
        out.write(b"not in the point")
    summary = user.run("restore", f"latest:{tree}", "--to", tree, "--json").lines()[-1]
    # The file that is gone, the one that was cut off, and a chunk of the damaged one.
    assert summary["bytes_written"] < (2 << 23) + (2 << 20)
    assert moments(tree)["kept"] == before["kept"]
    assert os.path.exists(f"{tree}/extra")
    actual = tree_walker.walk(tree)
    del actual["extra"]
    assert tree_walker.compare(expected, actual) == []


def test_delete_removes_what_is_not_in_the_point(user, plain):
    expected = tree_walker.walk(plain)
    user.backup(plain)
    os.makedirs(f"{plain}/extra/deep")
    with open(f"{plain}/extra/deep/file", "wb") as out:
        out.write(b"x")
    os.symlink("/etc", f"{plain}/sub/extra-link")
    user.restore(f"latest:{plain}", plain, "--delete")
    assert tree_walker.compare(expected, tree_walker.walk(plain)) == []
    assert os.path.isdir("/etc")


def test_delete_of_a_part_touches_only_that_part(user, plain):
    user.backup(plain)
    for folder in (plain, f"{plain}/sub"):
        with open(f"{folder}/extra", "wb") as out:
            out.write(b"x")
    user.restore(f"latest:{plain}/sub", f"{plain}/sub", "--delete")
    assert os.path.exists(f"{plain}/extra")
    assert not os.path.exists(f"{plain}/sub/extra")


def test_a_dry_run_changes_nothing_and_tells(user, plain, place):
    user.backup(plain)
    os.unlink(f"{plain}/one.txt")
    with open(f"{plain}/sub/extra", "wb") as out:
        out.write(b"x")
    before = tree_walker.walk(plain), moments(plain)
    told = user.restore(f"latest:{plain}", plain, "--dry-run", "--delete", "--verbose").text
    assert (tree_walker.walk(plain), moments(plain)) == before
    assert f"removed   {plain}/sub/extra" in told
    assert f"new       {plain}/one.txt" in told
    assert ", 1 removed in " in told
    user.restore("latest", f"{place}/nothing", "--dry-run")
    assert not os.path.exists(f"{place}/nothing")


def test_kinds_that_changed_are_put_right(user, plain):
    expected = tree_walker.walk(plain)
    user.backup(plain)
    os.unlink(f"{plain}/one.txt")
    os.mkdir(f"{plain}/one.txt")
    shutil.rmtree(f"{plain}/sub")
    os.symlink("/etc", f"{plain}/sub")
    os.unlink(f"{plain}/link")
    with open(f"{plain}/link", "wb") as out:
        out.write(b"now a file")
    user.restore(f"latest:{plain}", plain, "--delete")
    assert tree_walker.compare(expected, tree_walker.walk(plain)) == []


def test_a_planted_symlink_leads_nowhere(user, plain, place):
    user.backup(plain)
    outside = f"{place}/outside"
    os.mkdir(outside)
    for name, where in (("sub", outside), ("one.txt", f"{outside}/one.txt")):
        to = f"{place}/planted-{name}"
        os.mkdir(to)
        os.symlink(where, f"{to}/{name}")
        user.restore(f"latest:{plain}", to, expect=(DONE, SKIPS))
        assert os.listdir(outside) == []


def test_a_symlink_deep_in_the_full_path_leads_nowhere(user, plain, place):
    user.backup(plain)
    to, outside = f"{place}/to", f"{place}/outside"
    os.makedirs(outside)
    os.makedirs(os.path.dirname(to + plain))
    os.symlink(outside, to + plain)
    user.restore("latest", to, expect=(DONE, SKIPS, FAILED))
    assert os.listdir(outside) == []


def test_a_hard_link_to_a_file_outside_is_not_written_through(user, plain, place):
    user.backup(plain)
    with open(f"{place}/victim", "wb") as out:
        out.write(b"precious")
    os.mkdir(f"{place}/to")
    os.link(f"{place}/victim", f"{place}/to/one.txt")
    user.restore(f"latest:{plain}", f"{place}/to")
    with open(f"{place}/victim", "rb") as victim:
        assert victim.read() == b"precious"
    assert os.stat(f"{place}/victim").st_nlink == 1


def test_includes_and_excludes_choose_what_is_restored(user, plain, place):
    user.backup(plain)
    user.restore(f"latest:{plain}", f"{place}/one", "--include", "*.log")
    found = [name for _, _, names in os.walk(f"{place}/one") for name in names]
    assert found == ["four.log"]
    user.restore(f"latest:{plain}", f"{place}/two", "--exclude", "sub")
    assert sorted(os.listdir(f"{place}/two")) == ["empty", "link", "one.txt", "two.bin"]


def test_a_single_file_is_restored_by_its_path(user, plain, place):
    user.backup(plain)
    user.restore(f"latest:{plain}/two.bin", f"{place}/back")
    found = [os.path.join(folder, name) for folder, _, names in os.walk(f"{place}/back") for name in names] or \
        [f"{place}/back"]
    assert len(found) == 1
    with open(found[0], "rb") as actual, open(f"{plain}/two.bin", "rb") as expected:
        assert actual.read() == expected.read()


def large_tree(place):
    tree = f"{place}/tree"
    os.mkdir(tree)
    chance = random.Random(3)
    for number in range(2000):
        with open(f"{tree}/small{number}", "wb") as out:
            out.write(chance.randbytes(chance.randrange(20_000)))
    for number in range(8):
        with open(f"{tree}/large{number}", "wb") as out:
            for _ in range(16):
                out.write(chance.randbytes(1 << 20))
    return tree


def test_a_killed_restore_is_finished_by_the_next(user, place):
    tree = large_tree(place)
    expected = tree_walker.walk(tree)
    user.backup(tree)
    back = f"{place}/back"
    for files in (1, 700, 1800):
        process = user.start("restore", f"latest:{tree}", "--to", back)
        wait_until(lambda n=files, p=process: p.poll() is not None or
                   (os.path.isdir(back) and len(os.listdir(back)) > n), "the restore")
        stop(process, signal.SIGKILL)
    user.restore(f"latest:{tree}", back)
    assert tree_walker.compare(expected, tree_walker.walk(back)) == []


def test_an_interrupted_restore_says_so_and_can_go_on(user, place):
    tree = large_tree(place)
    expected = tree_walker.walk(tree)
    user.backup(tree)
    back = f"{place}/back"
    process = user.start("restore", f"latest:{tree}", "--to", back)
    wait_until(lambda: process.poll() is not None or (os.path.isdir(back) and os.listdir(back)), "the restore")
    outcome = stop(process, signal.SIGINT)
    assert outcome.code in (INTERRUPTED, DONE), outcome.errors
    user.restore(f"latest:{tree}", back)
    assert tree_walker.compare(expected, tree_walker.walk(back)) == []


def test_a_target_that_cannot_be_written_is_an_error(user, plain, place):
    user.backup(plain)
    with open(f"{place}/file", "wb") as out:
        out.write(b"x")
    user.run("restore", "latest", "--to", f"{place}/file", expect=(FAILED, REFUSED, SKIPS))
    with open(f"{place}/file", "rb") as kept:
        assert kept.read() == b"x"
