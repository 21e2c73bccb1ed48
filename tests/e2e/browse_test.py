# SPDX-License-Identifier: Apache-2.0
"""Looking into points without restoring them."""

import os
import re
import shutil
import signal
import subprocess

import pytest
import tree_walker
from holdfast import FAILED, stop, wait_until


def test_ls_names_everything_beneath_a_path(library):
    listed = library.user.run("ls", f"latest:{library.tree}/crowd").text
    for name in os.listdir(f"{library.tree}/crowd"):
        assert name in listed
    assert "sizes" not in listed


def test_ls_json_is_one_object_an_entry(library):
    entries = library.user.run("ls", f"latest:{library.tree}/sizes", "--json").lines()
    by_name = {os.path.basename(entry["path"]): entry for entry in entries}
    for name in os.listdir(f"{library.tree}/sizes"):
        assert by_name[name]["size"] == os.path.getsize(f"{library.tree}/sizes/{name}")
        assert by_name[name]["type"] == "file"


def test_find_searches_all_points(library):
    outcome = library.user.run("find", "added")
    assert f"{library.tree}/crowd/added" in outcome.text
    assert library.second["recovery_point_id"][:8] in outcome.text
    assert library.first["recovery_point_id"][:8] not in outcome.text
    assert "f000123" in library.user.run("find", "f0001?3").text


def test_cat_writes_the_bytes(library):
    for name in ("sizes/0", "sizes/1", "sizes/65537", "sizes/3333333", "sparse/many", "links/other/third"):
        with open(f"{library.tree}/{name}", "rb") as expected:
            assert library.user.run("cat", f"latest:{library.tree}/{name}").out == expected.read(), name


def test_a_listing_whose_reader_has_seen_enough_ends_without_a_word(library):
    for words in (("ls", "latest"), ("find", "*"), ("cat", f"latest:{library.tree}/sizes/3333333")):
        process = library.user.start(*words)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == FAILED


def test_cat_of_what_is_not_there_fails_and_names_the_point(library):
    for words in (("cat", f"latest:{library.tree}/nowhere"),
                  ("restore", "latest:/nowhere", "--dry-run", "--to", "/nowhere")):
        told = library.user.run(*words, expect=FAILED).errors
        assert "nowhere" in told and library.second["recovery_point_id"][:8] in told and library.tree in told
    library.user.run("cat", f"latest:{library.tree}/sizes", expect=FAILED)


def test_diff_names_what_was_added_removed_and_changed(library):
    first, second = library.first["recovery_point_id"], library.second["recovery_point_id"]
    lines = library.user.run("diff", first, second).text.splitlines()
    told = {name: [line for line in lines if line.rstrip().endswith("crowd/" + name)] for name in
            ("added", "f000005", "f000006", "f000007")}
    assert len(told["added"]) == 1 and "+" in told["added"][0]
    assert len(told["f000006"]) == 1 and "-" in told["f000006"][0]
    assert len(told["f000005"]) == 1
    assert told["f000007"] == []
    changes = library.user.run("diff", first, second, "--json").lines()
    assert {os.path.basename(change["path"]) for change in changes if "path" in change} >= \
        {"added", "f000005", "f000006"}
    same = library.user.run("diff", first, first).text
    assert "crowd/" not in same
    beneath = [f"{point}:{library.tree}/crowd" for point in (first, second)]
    within = library.user.run("diff", *beneath).text.splitlines()
    assert within[:-1] == [line for line in lines if "/crowd" in line]
    library.user.run("diff", beneath[0], second, expect=FAILED)


@pytest.fixture(name="mounted")
def fixture_mounted(library, place):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse here")
    if not re.search(r"(?m)^\s+mount\b", library.user.run("--help").text):
        pytest.skip("this program has no command 'mount' yet")
    where = f"{place}/mounted"
    os.mkdir(where)
    process = library.user.start("mount", where)
    try:
        wait_until(lambda: os.path.ismount(where) or process.poll() is not None, "the mount")
        assert process.poll() is None, process.communicate()[1].decode()
        yield where
    finally:
        unmount = shutil.which("fusermount3") or "fusermount"
        subprocess.run([unmount, "-u", where], check=False)
        if process.poll() is None:
            wait_until(lambda: process.poll() is not None, "the end of the mount")
        stop(process, signal.SIGKILL)
    assert not os.path.ismount(where)


def folder_of(mounted, tree):
    """The newest point's folder that holds the tree, wherever the mount puts its points."""
    for folder, folders, _ in os.walk(mounted):
        folders.sort(reverse=True)
        if os.path.isdir(folder + tree):
            return folder + tree
    raise AssertionError(f"{tree} is nowhere beneath {os.listdir(mounted)}")


def test_a_mounted_point_reads_like_the_tree(library, mounted):
    inside = folder_of(mounted, library.tree)
    for name in ("sizes", "names", "links", "symlinks", "sparse", "times"):
        expected = tree_walker.walk(f"{library.tree}/{name}", holes=False)
        actual = tree_walker.walk(f"{inside}/{name}", holes=False)
        ignore = ("xattrs", "flags", "holes", "links")
        assert tree_walker.compare(expected, actual, ignore=ignore) == [], name


def test_a_mount_is_read_only(library, mounted):
    inside = folder_of(mounted, library.tree)
    with pytest.raises(OSError):
        open(f"{inside}/new", "wb").close()
    with pytest.raises(OSError):
        os.unlink(f"{inside}/sizes/1")
    with pytest.raises(OSError):
        os.truncate(f"{inside}/sizes/100", 1)


def test_a_mount_reads_at_any_offset(library, mounted):
    inside = folder_of(mounted, library.tree)
    with open(f"{inside}/sizes/3333333", "rb") as actual, open(f"{library.tree}/sizes/3333333", "rb") as expected:
        for at in (3_000_000, 17, 131_071, 3_333_332, 65_536):
            actual.seek(at)
            expected.seek(at)
            assert actual.read(70_000) == expected.read(70_000)
