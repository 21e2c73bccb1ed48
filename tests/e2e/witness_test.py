# SPDX-License-Identifier: Apache-2.0
"""The witness must see every difference, or its testimony is worth nothing. Needs no Holdfast."""

import os
import subprocess

import pytest
import tree_maker
import tree_walker


@pytest.fixture(name="tree")
def fixture_tree(tmp_path):
    root = tmp_path / "tree"
    left_out = tree_maker.make(str(root), seed=7, files=20)
    print("left out:", left_out)
    yield str(root)
    tree_maker.remove(str(root))


def test_a_tree_equals_itself_and_holds_every_kind(tree):
    walked = tree_walker.walk(tree)
    assert tree_walker.compare(walked, tree_walker.walk(tree)) == []
    kinds = {entry["type"] for entry in walked.values()}
    assert {"file", "dir", "symlink", "fifo", "socket"} <= kinds
    assert max(len(path) for path in walked) > 4096
    assert any(entry.get("holes") for entry in walked.values())


CHANGES = {
    "content": lambda t: overwrite(t, "sizes/65536", 65535, b"!"),
    "size": lambda t: os.truncate(f"{t}/sizes/100", 99),
    "mode": lambda t: os.chmod(f"{t}/modes/file-0644", 0o645),
    "mode of a folder": lambda t: os.chmod(f"{t}/modes/dir-0755", 0o750),
    "one nanosecond": lambda t: os.utime(f"{t}/times/epoch", ns=(0, 1)),
    "time of a link": lambda t: os.utime(f"{t}/times/now-link", ns=(0, 1), follow_symlinks=False),
    "link target": lambda t: relink(f"{t}/symlinks/dangling", "nowhere/at_all"),
    "hard link broken": lambda t: copy_over(f"{t}/links/other/third"),
    "hole filled": lambda t: overwrite(t, "sparse/all-hole", 1 << 20, bytes(4096)),
    "xattr value": lambda t: os.setxattr(f"{t}/xattrs/user", "user.empty", b"x"),
    "xattr added": lambda t: os.setxattr(f"{t}/xattrs/folder", "user.more", b""),
    "xattr gone": lambda t: os.removexattr(f"{t}/xattrs/user", "user.long"),
    "file gone": lambda t: os.unlink(f"{t}/crowd/f000003"),
    "file added": lambda t: open(f"{t}/crowd/new", "w").close(),
    "kind": lambda t: (os.unlink(f"{t}/special/fifo"), open(f"{t}/special/fifo", "w").close()),
}
ROOT_CHANGES = {
    "owner": lambda t: os.chown(f"{t}/owners/1-1", 2, 1),
    "group of a link": lambda t: os.chown(f"{t}/owners/1-1-link", 1, 2, follow_symlinks=False),
    "device": lambda t: (os.unlink(f"{t}/special/null"), os.mknod(f"{t}/special/null", 0o020666, os.makedev(1, 5))),
    "ACL": lambda t: os.setxattr(f"{t}/xattrs/acl", "system.posix_acl_access",
                                 tree_maker.ACCESS_ACL.replace(b"\xd2\x04", b"\xd3\x04")),
    "capability": lambda t: os.removexattr(f"{t}/xattrs/capability", "security.capability"),
    "immutable": lambda t: tree_maker.set_flags(f"{t}/flags/immutable", 0),
}
if os.geteuid() == 0:
    CHANGES.update(ROOT_CHANGES)


def keeping_times(path, change):
    before = os.stat(path)
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def overwrite(tree, name, at, data):
    def change():
        with open(f"{tree}/{name}", "r+b") as out:
            out.seek(at)
            out.write(data)
    keeping_times(f"{tree}/{name}", change)


def relink(path, target):
    os.unlink(path)
    os.symlink(target, path)


def copy_over(path):
    subprocess.run(["cp", "-p", "--", path, path + ".copy"], check=True)
    os.rename(path + ".copy", path)


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_anything_is_seen(tree, what):
    before = tree_walker.walk(tree)
    CHANGES[what](tree)
    differences = tree_walker.compare(before, tree_walker.walk(tree))
    assert differences, f"a change of {what} went unseen"


def test_a_record_equals_the_tree_it_was_made_of(tree, tmp_path):
    record = tmp_path / "record"
    walker = tree_walker.__file__
    with open(record, "wb") as out:
        subprocess.run([walker, "record", tree], stdout=out, check=True)
    result = subprocess.run([walker, "compare", record, tree], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith("identical: ")
    os.unlink(f"{tree}/crowd/f000001")
    result = subprocess.run([walker, "compare", record, tree], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "crowd/f000001: missing" in result.stdout


def test_what_was_a_hole_may_not_come_back_as_zeros_but_zeros_may_come_back_as_a_hole(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with open(tmp_path / "a/f", "wb") as out:
        out.truncate(1 << 20)
    with open(tmp_path / "b/f", "wb") as out:
        out.write(bytes(1 << 20))
    for path in ("a/f", "b/f", "a", "b"):
        os.utime(tmp_path / path, ns=(5, 5))
    sparse, dense = tree_walker.walk(tmp_path / "a"), tree_walker.walk(tmp_path / "b")
    assert len(tree_walker.compare(sparse, dense)) == 1
    assert tree_walker.compare(dense, sparse) == []
