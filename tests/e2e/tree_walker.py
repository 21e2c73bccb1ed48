#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records everything a Linux file tree holds, and compares two trees. Shares no code with Holdfast: it is the witness.

    tree_walker.py record TREE > RECORD         one JSON line an entry
    tree_walker.py compare A B                  A and B: trees or records; prints differences, exits 1 if there are any

Recorded: type, mode, owner, group, mtime in nanoseconds, size, a hash of the content, the map of holes, link target,
device number, every extended attribute as raw bytes (so also ACLs and capabilities), names that are hard links of one
file, inode flags such as immutable. Works by directory descriptors, so paths may be longer than PATH_MAX.
"""

import argparse
import array
import errno
import fcntl
import hashlib
import json
import os
import resource
import stat
import sys

BLOCK = 64 * 1024
ZEROS = bytes(BLOCK)
FS_IOC_GETFLAGS = 0x80086601
FLAGS = {"immutable": 0x10, "append": 0x20, "nodump": 0x40, "noatime": 0x80}
FIELDS = ("type", "mode", "uid", "gid", "mtime_ns", "size", "content", "holes", "target", "rdev", "xattrs", "links",
          "flags")
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFBLK: "block"}
HOLE_ALIGNMENT = 4096


def printable(path):
    """Bytes as text that JSON can hold and that comes back unchanged."""
    return path.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode("utf-8")


def data_ranges(fd, size):
    """[begin, end) of everything that is not a hole."""
    ranges = []
    at = 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # Only a hole is left.
            return [(0, size)]  # A file system that does not know holes.
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        ranges.append((begin, at))
    return ranges


def holes_between(ranges, size):
    """The complement of `ranges` in whole blocks."""
    holes = []
    at = 0
    for begin, end in ranges + [(size, size)]:
        first = -(-at // HOLE_ALIGNMENT) * HOLE_ALIGNMENT
        last = begin // HOLE_ALIGNMENT * HOLE_ALIGNMENT
        if last > first:
            holes.append([first, last])
        at = end
    return holes


def hash_content(fd, ranges, size):
    """SHA-256 over the offset and bytes of each block of 64 KiB that is not all zeros: holes cost nothing, and a run
    of zeros hashes alike whether it is stored or a hole."""
    digest = hashlib.sha256(size.to_bytes(8, "little"))
    done = 0  # Everything below is hashed.
    for begin, end in ranges:
        at = max(done, begin // BLOCK * BLOCK)
        while at < min(end, size):
            block = os.pread(fd, BLOCK, at)
            if not block:
                break
            while len(block) < BLOCK and (more := os.pread(fd, BLOCK - len(block), at + len(block))):
                block += more
            if block != ZEROS[:len(block)]:
                digest.update(at.to_bytes(8, "little"))
                digest.update(block)
            at += BLOCK
        done = max(done, at)
    return digest.hexdigest()


def inode_flags(fd):
    flags = array.array("l", [0])
    try:
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags, True)
    except OSError:
        return []
    return [name for name, bit in FLAGS.items() if flags[0] & bit]


def xattrs_of(folder_fd, name):
    path = b"/proc/self/fd/%d/%s" % (folder_fd, name)
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return {}
        raise
    return {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in sorted(names)}


class Walker:
    def __init__(self, holes=True):
        self.holes = holes
        self.links = {}  # (device, inode) -> the first name met.

    def record(self, folder_fd, name, path):
        status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        kind = TYPES[stat.S_IFMT(status.st_mode)]
        entry = {"path": printable(path), "type": kind, "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid,
                 "gid": status.st_gid, "mtime_ns": status.st_mtime_ns, "xattrs": xattrs_of(folder_fd, name)}
        if kind == "symlink":
            entry["target"] = printable(os.readlink(name, dir_fd=folder_fd))
        if kind in ("char", "block"):
            entry["rdev"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
        if kind in ("file", "dir"):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=folder_fd)
            try:
                entry["flags"] = inode_flags(fd)
                if kind == "file":
                    ranges = data_ranges(fd, status.st_size)
                    entry["size"] = status.st_size
                    entry["content"] = hash_content(fd, ranges, status.st_size)
                    if self.holes:
                        entry["holes"] = holes_between(ranges, status.st_size)
            finally:
                os.close(fd)
        if kind != "dir" and status.st_nlink > 1:
            entry["links"] = self.links.setdefault((status.st_dev, status.st_ino), entry["path"])
        return entry

    def walk(self, root):
        """Every entry beneath `root` and root itself (path '.'), parents first, names in byte order."""
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        yield self.record(root_fd, b".", b".")
        stack = [(root_fd, b"", iter(sorted(map(os.fsencode, os.listdir(root_fd)))))]
        try:
            while stack:
                fd, prefix, names = stack[-1]
                name = next(names, None)
                if name is None:
                    os.close(stack.pop()[0])
                    continue
                path = prefix + name
                entry = self.record(fd, name, path)
                yield entry
                if entry["type"] == "dir":
                    child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                    stack.append((child, path + b"/", iter(sorted(map(os.fsencode, os.listdir(child))))))
        finally:
            for fd, _, _ in stack:
                os.close(fd)


def walk(root, holes=True):
    """path -> entry of a whole tree."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65536), hard))
    return {entry["path"]: entry for entry in Walker(holes).walk(root)}


def load(place):
    """A tree or a record made of one."""
    if os.path.isdir(place):
        return walk(place)
    with open(place, encoding="utf-8") as lines:
        return {entry["path"]: entry for entry in map(json.loads, lines)}


def covered(holes, by):
    """Is every hole in `holes` inside one of `by`?"""
    return all(any(first <= begin and end <= last for first, last in by) for begin, end in holes)


def compare_entry(expected, actual, ignore):
    for field in FIELDS:
        if field in ignore:
            continue
        before, after = expected.get(field), actual.get(field)
        if field == "holes":
            # What was zeros may come back as a hole; what was a hole must not come back as zeros.
            if not covered(before or [], after or []):
                yield f"{field}: {before} became {after}"
        elif field == "mtime_ns" and before != after:
            yield f"{field}: {before} became {after} ({after - before:+d} ns)"
        elif field == "mode" and before != after:
            yield f"{field}: {before:o} became {after:o}"
        elif before != after:
            yield f"{field}: {before!r} became {after!r}"


def compare(expected, actual, ignore=()):
    """The differences of two trees as sentences; none means that they are equal."""
    found = []
    for path in sorted(expected.keys() | actual.keys()):
        if path not in actual:
            found.append(f"{path}: missing")
        elif path not in expected:
            found.append(f"{path}: was not there before")
        else:
            found += [f"{path}: {text}" for text in compare_entry(expected[path], actual[path], ignore)]
    return found


def beneath(tree, path):
    """The part of a tree under `path`, as if walked from there."""
    path = printable(os.fsencode(path)).strip("/")
    part = {}
    for name, entry in tree.items():
        if name == path or name.startswith(path + "/"):
            rest = name[len(path) + 1:] or "."
            part[rest] = {**entry, "path": rest}
            if "links" in entry:
                part[rest]["links"] = entry["links"][len(path) + 1:]
    return part


def summary(tree):
    count = {}
    for entry in tree.values():
        count[entry["type"]] = count.get(entry["type"], 0) + 1
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
    size = sum(entry.get("size", 0) for entry in tree.values())
    attributes = sum(len(entry["xattrs"]) for entry in tree.values())
    links = sum("links" in entry for entry in tree.values())
    holes = sum(end - begin for entry in tree.values() for begin, end in entry.get("holes") or [])
    return (f"{len(tree)} entries ({kinds}), {size} bytes of which {holes} in holes, {attributes} extended attributes, "
            f"{links} names of hard-linked files")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="write a record of a tree to standard output")
    record.add_argument("tree")
    comparison = commands.add_parser("compare", help="compare two trees or records")
    comparison.add_argument("expected")
    comparison.add_argument("actual")
    comparison.add_argument("--ignore", action="append", default=[], choices=FIELDS)
    arguments = parser.parse_args()
    if arguments.command == "record":
        for entry in walk(arguments.tree).values():
            print(json.dumps(entry, sort_keys=True))
        return 0
    expected, actual = load(arguments.expected), load(arguments.actual)
    differences = compare(expected, actual, arguments.ignore)
    for difference in differences[:200]:
        print(difference)
    if differences:
        print(f"DIFFERENT: {len(differences)} differences")
        return 1
    print(f"identical: {summary(expected)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
