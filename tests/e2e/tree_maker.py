#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes file trees that hold every kind of thing a Linux tree can hold, from a printed seed.

    tree_maker.py DIR [--seed N] [--files N]
"""

import argparse
import array
import errno
import fcntl
import os
import random
import socket
import struct
import subprocess
import sys

FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602
IMMUTABLE = 0x10
APPEND_ONLY = 0x20
NODUMP = 0x40
SIZES = (0, 1, 100, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 1 << 20, (1 << 20) + 1, 3_333_333)
NAMES = (b"plain", b"with space", b" leading", b"trailing ", b"-dash", b"--help", b"new\nline", b"tab\there", b"\xff\xfe",
         b"caf\xc3\xa9", b"cafe\xcc\x81", b"latin\xe9", b"quote'\"`$x", b"back\\slash", b"*glob?[x]", b"{a,b}", b"~tilde",
         b".hidden", b"...", b"#hash", b"!bang", b"%41", b"\x01\x7f", b"a" * 255, "日本語".encode(), b"CON", b"a:b", b"a|b")
WORDS = [b"backup", b"restore", b"vault", b"chunk", b"the", b"of", b"nothing", b"acknowledged", b"is", b"lost", b"\n"]


def acl(entries):
    """A POSIX ACL in the kernel's own form: (tag, permissions, id) by tag."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NO_ID = 0xFFFFFFFF
ACCESS_ACL = acl([(USER_OBJ, 6, NO_ID), (USER, 4, 1234), (GROUP_OBJ, 4, NO_ID), (GROUP, 6, 4321), (MASK, 6, NO_ID),
                  (OTHER, 0, NO_ID)])
DEFAULT_ACL = acl([(USER_OBJ, 7, NO_ID), (USER, 5, 1234), (GROUP_OBJ, 5, NO_ID), (MASK, 5, NO_ID), (OTHER, 1, NO_ID)])
# cap_net_bind_service,cap_net_raw=ep, version 2.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10 | 1 << 13, 0, 0, 0)


class Maker:
    def __init__(self, root, seed):
        self.root = os.fsencode(root)
        self.seed = seed
        self.random = random.Random(seed)
        self.left_out = []  # What this machine, file system or user does not permit.
        self.times = []  # (path, nanoseconds): set last, since making things changes the times of folders.
        self.flags = []  # (path, bits): after the times.
        self.is_root = os.geteuid() == 0

    def attempt(self, what, action):
        try:
            action()
        except (OSError, PermissionError) as error:
            if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL, errno.EOPNOTSUPP,
                                   errno.EFBIG, errno.ENOTTY):
                raise
            self.left_out.append(f"{what}: {error.strerror}")
            return False
        return True

    def bytes(self, size):
        """Half text that compresses, half noise."""
        if self.random.random() < 0.5:
            return self.random.randbytes(size)
        text = b" ".join(self.random.choice(WORDS) for _ in range(min(size, 2000) // 3 + 1))
        return (text * (size // len(text) + 1))[:size]

    def path(self, *parts):
        return b"/".join((self.root,) + parts)

    def file(self, *parts, size=None, content=None):
        path = self.path(*parts)
        if content is None:
            content = self.bytes(self.random.choice(SIZES) if size is None else size)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def folder(self, *parts):
        path = self.path(*parts)
        os.mkdir(path)
        return path

    def names(self):
        self.folder(b"names")
        for name in NAMES:
            self.file(b"names", name, size=self.random.randrange(200))
        for name in NAMES:
            self.folder(b"names", (b"d " + name)[:255])
            self.file(b"names", (b"d " + name)[:255], b"inner", size=10)

    def sizes(self):
        self.folder(b"sizes")
        for size in SIZES:
            self.file(b"sizes", b"%d" % size, size=size)
            self.file(b"sizes", b"zeros-%d" % size, content=bytes(size))

    def sparse(self):
        self.folder(b"sparse")
        layouts = {b"hole-first": [(1 << 20, 5000)], b"hole-last": [(0, 5000)], b"hole-middle": [(0, 4096), (1 << 21, 4096)],
                   b"all-hole": [], b"many": [(at << 17, 4096 + at) for at in range(40)],
                   b"odd": [(12345, 1), (3_000_001, 99)]}
        for name, writes in layouts.items():
            self.holes(self.path(b"sparse", name), 5 << 20, writes)
        self.attempt("a sparse file of 1 GiB", lambda: self.holes(
            self.path(b"sparse", b"huge"), 1 << 30, [(0, 4096), ((1 << 29) + 4096, 4096), ((1 << 30) - 4096, 4096)]))

    def holes(self, path, size, writes):
        with open(path, "wb") as out:
            for at, length in writes:
                out.seek(at)
                out.write(self.random.randbytes(length))
            out.truncate(size)

    def symlinks(self):
        self.folder(b"symlinks")
        targets = {b"relative": b"../sizes/100", b"absolute": b"/etc/hostname", b"dangling": b"nowhere/at all",
                   b"loop": b"loop", b"up": b"../../../../../..", b"bytes": b"\xff\xfe\n", b"long": b"x/" * 2000 + b"end",
                   b"folder": b"../names"}
        for name, target in targets.items():
            os.symlink(target, self.path(b"symlinks", name))

    def hard_links(self):
        self.folder(b"links")
        self.folder(b"links", b"other")
        first = self.file(b"links", b"first", size=70_000)
        for parts in ((b"second",), (b"other", b"third"), (b"zz",)):
            os.link(first, self.path(b"links", *parts))
        os.link(self.file(b"links", b"small", size=30), self.path(b"links", b"other", b"small too"))
        os.link(self.file(b"links", b"empty", size=0), self.path(b"links", b"empty too"))
        os.symlink(b"target", self.path(b"links", b"symlink"))
        os.link(self.path(b"links", b"symlink"), self.path(b"links", b"symlink too"), follow_symlinks=False)
        os.mkfifo(self.path(b"links", b"fifo"))
        os.link(self.path(b"links", b"fifo"), self.path(b"links", b"fifo too"))

    def specials(self):
        self.folder(b"special")
        os.mkfifo(self.path(b"special", b"fifo"), 0o640)
        listener = socket.socket(socket.AF_UNIX)
        folder = os.open(self.path(b"special"), os.O_RDONLY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/socket")
        finally:
            listener.close()
            os.close(folder)
        for name, mode, device in ((b"null", 0o020666, (1, 3)), (b"disk", 0o060660, (7, 0)), (b"big", 0o020600, (511, 70000))):
            self.attempt("device nodes", lambda n=name, m=mode, d=device: os.mknod(
                self.path(b"special", n), m, os.makedev(*d)))

    def modes(self):
        self.folder(b"modes")
        for mode in (0o000, 0o400, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o1755, 0o7777, 0o111):
            path = self.file(b"modes", b"file-%04o" % mode, size=10)
            os.chmod(path, mode if self.is_root else mode | 0o400)
            os.chmod(self.folder(b"modes", b"dir-%04o" % mode), mode if self.is_root else mode | 0o500)

    def owners(self):
        self.folder(b"owners")
        for uid, gid in ((1, 1), (1000, 100), (65534, 65534), (4_000_000_000, 3_999_999_999), (0, 5)):
            name = b"%d-%d" % (uid, gid)
            path = self.file(b"owners", name, size=5)
            if not self.attempt("owners", lambda p=path, u=uid, g=gid: os.chown(p, u, g)):
                continue
            os.chmod(path, 0o6755)  # After chown, which takes these bits away.
            os.symlink(b"x", path + b"-link")
            os.chown(path + b"-link", uid, gid, follow_symlinks=False)
            os.chown(self.folder(b"owners", name + b"-dir"), uid, gid)

    def moments(self):
        self.folder(b"times")
        second = 1_000_000_000
        for name, ns in {b"epoch": 0, b"first-ns": 1, b"last-ns": second - 1, b"before": -1, b"1969": -123_456_789,
                         b"1901": -(1 << 31) * second, b"2038": ((1 << 31) + 5) * second + 999_999_999,
                         b"2106": (1 << 32) * second + 7, b"2446": 15_032_385_535 * second,
                         b"now": 1_790_000_000_123_456_789}.items():
            self.times.append((self.file(b"times", name, size=3), ns))
            self.times.append((self.folder(b"times", name + b"-dir"), ns))
            os.symlink(b"x", self.path(b"times", name + b"-link"))
            self.times.append((self.path(b"times", name + b"-link"), ns))

    def attributes(self):
        self.folder(b"xattrs")
        plain = self.file(b"xattrs", b"user", size=100)
        self.attempt("user xattrs", lambda: self.user_attributes(plain))
        folder = self.folder(b"xattrs", b"folder")
        self.attempt("user xattrs", lambda: os.setxattr(folder, "user.on-folder", b"yes"))
        access = self.file(b"xattrs", b"acl", size=100)
        self.attempt("ACLs", lambda: os.setxattr(access, "system.posix_acl_access", ACCESS_ACL))
        inherited = self.folder(b"xattrs", b"acl-folder")
        if self.attempt("ACLs", lambda: os.setxattr(inherited, "system.posix_acl_default", DEFAULT_ACL)):
            self.file(b"xattrs", b"acl-folder", b"inherits", size=10)
            self.folder(b"xattrs", b"acl-folder", b"inherits too")
        capable = self.file(b"xattrs", b"capability", size=100)
        self.attempt("capabilities", lambda: os.setxattr(capable, "security.capability", CAPABILITY))
        trusted = self.file(b"xattrs", b"trusted", size=100)
        self.attempt("trusted xattrs", lambda: os.setxattr(trusted, "trusted.holdfast", b"\x00\xff"))
        link = self.path(b"xattrs", b"symlink")
        os.symlink(b"nowhere", link)
        self.attempt("trusted xattrs", lambda: os.setxattr(link, "trusted.link", b"l", follow_symlinks=False))

    @staticmethod
    def user_attributes(path):
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "user.bytes", bytes(range(256)))
        os.setxattr(path, "user.name with space é", b"value")
        os.setxattr(path, "user.long", b"v" * 1500)

    def flagged(self):
        self.folder(b"flags")
        self.flags.append((self.file(b"flags", b"immutable", size=50), IMMUTABLE))
        self.flags.append((self.file(b"flags", b"append", size=50), APPEND_ONLY))
        self.flags.append((self.file(b"flags", b"nodump", size=50), NODUMP))
        folder = self.folder(b"flags", b"immutable-dir")
        self.file(b"flags", b"immutable-dir", b"inside", size=50)
        self.flags.append((folder, IMMUTABLE))

    def deep(self, levels=25):
        """A path of more than PATH_MAX bytes, made step by step."""
        here = os.open(self.folder(b"deep"), os.O_RDONLY)
        for level in range(levels):
            name = b"%02d-" % level + b"d" * 220
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        with open(os.open(b"bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here), "wb") as out:
            out.write(b"here\n")
        os.symlink(b"bottom", b"link", dir_fd=here)
        os.close(here)

    def crowd(self, count):
        """Many small files in one folder, as source trees and mail boxes have them; some alike."""
        self.folder(b"crowd")
        shared = self.bytes(2000)
        for number in range(count):
            content = shared if number % 10 == 0 else self.bytes(self.random.randrange(6000))
            self.file(b"crowd", b"f%06d" % number, content=content)

    def finish(self):
        for folder, folders, names in os.walk(self.root):
            for name in folders + names:
                path = os.path.join(folder, name)
                if len(path) < 4000 and not path.startswith(self.path(b"times")):
                    ns = self.random.randrange(1_000_000_000, 1_700_000_000) * 10**9 + self.random.randrange(10**9)
                    os.utime(path, ns=(ns, ns), follow_symlinks=False)
        for path, ns in self.times:
            self.attempt(f"a time of {ns} ns", lambda p=path, n=ns: os.utime(p, ns=(n, n), follow_symlinks=False))
        for path, bits in self.flags:
            self.attempt("inode flags", lambda p=path, b=bits: set_flags(p, b))


def set_flags(path, bits):
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        flags = array.array("l", [0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags, True)
        flags[0] = (flags[0] & ~(IMMUTABLE | APPEND_ONLY | NODUMP)) | bits
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, flags, True)
    finally:
        os.close(fd)


def make(root, seed=1, files=300):
    """Fills the folder `root`, which must not exist. Returns what could not be made here, as sentences."""
    maker = Maker(root, seed)
    os.mkdir(root)
    for part in (maker.names, maker.sizes, maker.sparse, maker.symlinks, maker.hard_links, maker.specials, maker.modes,
                 maker.owners, maker.moments, maker.attributes, maker.flagged, maker.deep):
        part()
    maker.crowd(files)
    maker.finish()
    return sorted(set(maker.left_out))


def remove(root):
    """Removes a tree, whatever flags and modes it has."""
    if not os.path.lexists(root):
        return
    for folder, folders, names in os.walk(os.fsencode(root)):
        for name in [b"."] + names:
            path = os.path.join(folder, name)
            if len(path) < 4000 and not os.path.islink(path) and (os.path.isdir(path) or os.path.isfile(path)):
                try:
                    set_flags(path, 0)
                except OSError:
                    pass  # No flags here.
    subprocess.run(["chmod", "-R", "u+rwX", "--", os.fsencode(root)], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["rm", "-rf", "--", os.fsencode(root)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", help="is made, and must not exist")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=300, help="small files beside one of each kind of thing")
    arguments = parser.parse_args()
    left_out = make(arguments.directory, arguments.seed, arguments.files)
    print(f"made {arguments.directory} with seed {arguments.seed}")
    for sentence in left_out:
        print(f"left out: {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
