# SPDX-License-Identifier: Apache-2.0
"""The five data sets. Each is made once from a seed or a named source and kept beneath the work folder.

A finished set leaves `<name>.json` beside it, which says what it is made of; without that file what lies
there is taken for half made, and made again.
"""

import contextlib
import glob
import json
import mmap
import os
import random
import re
import shutil
import subprocess
import sys

from compare_lib.measure import CommandFailed, run_quietly

SEED = 20240229
COPY_BYTES = 4 << 20
B_BYTES = 3_000_000_000
C_BYTES = 4_000_000_000
D_FOLDERS, D_FILES_PER_FOLDER, D_FILE_BYTES_MAX = 10_000, 100, 12 * 1024
SOURCE_TEXT = (".c", ".h", ".S", ".rst", ".txt", ".dts", ".dtsi", ".py", ".sh", ".yaml")
# Ten successive minor releases of one package: 75 to 85 MB and 5,000 files each.
E_PACKAGE = "grpcio"
E_VERSIONS = ["1.64.0", "1.65.1", "1.66.0", "1.67.0", "1.68.0", "1.69.0", "1.70.0", "1.71.0", "1.72.1", "1.73.0"]
E_MTIME_FIRST, E_MTIME_STEP = 1_600_000_000, 7 * 86_400


class SetUnavailable(Exception):
    """A set cannot be made here; the message says what is missing."""


class DataSet:
    """One set, ready on disk. `versions` is empty but for E."""

    def __init__(self, name, path, description, versions=()):
        self.name = name
        self.path = path
        self.description = description
        self.versions = list(versions)

    @contextlib.contextmanager
    def version_in_place(self, version):
        """Has `version` stand at self.path while the block runs: each backup is of the same path."""
        put_back(self.path)
        with open(marker_of(self.path), "w", encoding="utf-8") as file:
            file.write(version)
        os.rename(version, self.path)
        try:
            yield
        finally:
            put_back(self.path)


def marker_of(path):
    return path + ".is"


def put_back(path):
    """Undoes what a killed run may have left: the version at `path` goes back to its own name."""
    if os.path.isdir(path):
        with open(marker_of(path), encoding="utf-8") as file:
            os.rename(path, file.read())
    if os.path.exists(marker_of(path)):
        os.unlink(marker_of(path))


class Maker:
    """Makes sets beneath `folder`. `quick` makes them small: for trying the script, not for figures."""

    def __init__(self, folder, readers, quick, a_source=None, b_sources=(), e_source=None):
        self.folder_ = folder
        self.readers_ = readers
        self.quick_ = quick
        self.a_source_ = a_source
        self.b_sources_ = list(b_sources) or ["/usr"]
        self.e_source_ = e_source
        os.makedirs(folder, exist_ok=True)

    def make(self, name):
        return {"A": self.make_a, "B": self.make_b, "C": self.make_c, "D": self.make_d, "E": self.make_e}[name]()

    def once(self, key, build):
        """Runs build(path) unless `key` is there already; returns (path, what build said of it)."""
        path = os.path.join(self.folder_, key)
        note = path + ".json"
        if not os.path.exists(note):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            print(f"making set {key}", file=sys.stderr)
            said = build(path)
            os.sync()
            with open(note, "w", encoding="utf-8") as file:
                json.dump(said, file)
        with open(note, encoding="utf-8") as file:
            return path, json.load(file)

    def scaled(self, number, quick_number):
        return quick_number if self.quick_ else number

    def key(self, name):
        return name + ("-quick" if self.quick_ else "")

    # A: a Linux kernel source tree -----------------------------------------------------------------

    def make_a(self):
        path, said = self.once("A", self.unpack_a)
        if not self.quick_:
            return DataSet("A", os.path.join(path, said["top"]), f"Linux source tree ({said['top']})")
        return DataSet("A", os.path.join(path, said["top"], "fs"), f"fs/ of a Linux source tree ({said['top']})")

    def unpack_a(self, path):
        source = self.a_source_
        if source is None:
            tarballs = sorted(glob.glob("/usr/src/linux-source-*.tar.xz"))
            if not tarballs:
                raise SetUnavailable("no /usr/src/linux-source-*.tar.xz: apt-get install linux-source")
            source = tarballs[-1]
        run_quietly(["tar", "-xf", source, "-C", path])
        return {"top": os.listdir(path)[0]}

    # B: one compressible file ----------------------------------------------------------------------

    def make_b(self):
        size = self.scaled(B_BYTES, 64_000_000)
        path, said = self.once(self.key("B"), lambda path: self.tar_b(path, size))
        return DataSet("B", path, f"one file of {size / 1e9:g} GB: {said['made_of']}")

    def tar_b(self, path, size_bytes):
        """The tars of the sources, one after another, cut at size_bytes."""
        left, used = size_bytes, 0
        with open(os.path.join(path, "usr.tar"), "wb") as out:
            for source in self.b_sources_:
                if left == 0:
                    break
                used += 1
                with subprocess.Popen(["tar", "--sort=name", "-C", source, "-cf", "-", "."], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL) as tar:
                    while left > 0 and (block := tar.stdout.read(min(left, COPY_BYTES))):
                        out.write(block)
                        left -= len(block)
                    tar.kill()
        if left > 0:
            raise SetUnavailable(f"{left} bytes short of {size_bytes}: name more folders by --b-source")
        more = f" and {used - 1} more trees" if used > 1 else ""
        return {"made_of": f"a tar of {'/usr' if self.b_sources_[0] == '/usr' else 'a tree'}{more}, cut at its size"}

    # C: random bytes -------------------------------------------------------------------------------

    def make_c(self):
        size = self.scaled(C_BYTES, 64_000_000)
        path, _ = self.once(self.key("C"), lambda path: self.encrypt_c(path, size))
        return DataSet("C", path, f"one file of {size / 1e9:g} GB of random bytes")

    def encrypt_c(self, path, size_bytes):
        """AES-128-CTR over zeros: as random as any, the same every time, and fast."""
        with open(os.path.join(path, "random.bin"), "wb") as out, subprocess.Popen(
                ["openssl", "enc", "-aes-128-ctr", "-K", f"{SEED:032x}", "-iv", "0" * 32, "-in", "/dev/zero"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as stream:
            left = size_bytes
            while left > 0:
                block = stream.stdout.read(min(left, COPY_BYTES))
                if not block:
                    raise SetUnavailable("openssl enc ended early")
                out.write(block)
                left -= len(block)
            stream.kill()
        return {}

    # D: a million small files ----------------------------------------------------------------------

    def make_d(self):
        folders = self.scaled(D_FOLDERS, 100)
        path, said = self.once(self.key("D"), lambda path: self.write_d(path, folders))
        return DataSet("D", path, f"{said['files']:,} files of source text in {folders:,} folders, "
                                  f"{said['bytes'] / said['files'] / 1000:.1f} KB on average")

    def write_d(self, path, folders):
        tree, _ = self.once("A", self.unpack_a)
        corpus = os.path.join(self.folder_, "D.corpus")
        gather_source_text(tree, corpus)
        per_task = max(1, folders // 200)
        tasks = [(corpus, path, first, min(first + per_task, folders)) for first in range(0, folders, per_task)]
        total = sum(self.readers_.map(write_folders, tasks))
        os.unlink(corpus)
        return {"files": folders * D_FILES_PER_FOLDER, "bytes": total}

    # E: ten versions of one tree -------------------------------------------------------------------

    def make_e(self):
        path, said = self.once("E", self.unpack_e)
        put_back(os.path.join(path, "tree"))
        versions = sorted(entry.path for entry in os.scandir(path) if entry.is_dir())
        versions = versions[:self.scaled(len(versions), 3)]
        return DataSet("E", os.path.join(path, "tree"), f"{len(versions)} successive versions of {said['of']}",
                       versions)

    def unpack_e(self, path):
        if self.e_source_:
            for number, name in enumerate(sorted(os.listdir(self.e_source_), key=natural)):
                shutil.copytree(os.path.join(self.e_source_, name), os.path.join(path, f"{number:02}"), symlinks=True)
            what = "a given tree"
        else:
            for number, version in enumerate(E_VERSIONS):
                download_release(version, os.path.join(path, f"{number:02}"))
            what = f"the {E_PACKAGE} sources, from {E_VERSIONS[0]} on"
        for number, folder in enumerate(sorted(entry.path for entry in os.scandir(path))):
            touch_all(folder, E_MTIME_FIRST + number * E_MTIME_STEP)
        return {"of": what}


def natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def gather_source_text(tree, corpus):
    """Every source text of the tree, in the order of names, as one file."""
    with open(corpus, "wb") as out:
        for folder, folders, names in os.walk(tree):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(SOURCE_TEXT) and not os.path.islink(path):
                    with open(path, "rb") as text:
                        shutil.copyfileobj(text, out)


def write_folders(task):
    """Writes folders [first, last) of D. Sizes are 12 KiB times the square of a uniform number, which
    spreads them over 0 to 12 KiB with a mean of 4 KiB; each file is a slice from anywhere in the text."""
    corpus, path, first, last = task
    total = 0
    with open(corpus, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        end = len(text) - D_FILE_BYTES_MAX
        for number in range(first, last):
            chance = random.Random(SEED * 1_000_003 + number)
            folder = os.path.join(path, f"{number:05}")
            os.mkdir(folder)
            for file_number in range(D_FILES_PER_FOLDER):
                size = int(D_FILE_BYTES_MAX * chance.random() ** 2)
                offset = int(end * chance.random())
                descriptor = os.open(f"{folder}/{file_number:02}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                os.write(descriptor, text[offset:offset + size])
                os.close(descriptor)
                total += size
    return total


def download_release(version, target):
    """Fetches one release's sources with pip and unpacks them as `target`."""
    scratch = target + ".download"
    os.makedirs(scratch)
    constraint = os.path.join(scratch, "constraint.txt")
    with open(constraint, "w", encoding="utf-8") as file:
        file.write("setuptools<75\n")  # the older releases' setup.py, which pip runs for its metadata, needs one
    try:
        run_quietly([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", E_PACKAGE,
                     "-d", scratch, f"{E_PACKAGE}=={version}"], {**os.environ, "PIP_CONSTRAINT": constraint})
        os.mkdir(target)
        archive = glob.glob(os.path.join(scratch, f"{E_PACKAGE}-*.tar.gz"))[0]
        run_quietly(["tar", "-xf", archive, "-C", target, "--strip-components=1", "--no-same-owner"])
    except (CommandFailed, IndexError) as problem:
        raise SetUnavailable(f"{E_PACKAGE} {version} cannot be fetched ({problem}); give --e-source") from problem
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def touch_all(root, seconds):
    """Sets every modification time beneath root: what unpacking a release over another does."""
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(os.path.join(folder, name), (seconds, seconds), follow_symlinks=False)
        os.utime(folder, (seconds, seconds))
