#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on whatever would make the house hard to live in: see RULES below and layers.txt beside this file."""

import argparse
import fnmatch
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cpp_scan  # noqa: E402

RULES = {
    "layer": "an include that points upward or sideways (layers.txt)",
    "include": "an include that names no file of ours, or is not written from src/",
    "function-length": "a function of more than 70 lines",
    "file-length": "a file of more than 500 lines (tests apart)",
    "line-length": "a line of more than 120 columns (tests apart)",
    "braces": "braces that do not pair up, so that functions cannot be measured",
    "dead-source": "a .cc that no CMake target lists",
    "dead-header": "a .h that nothing includes",
    "exception": "throw, try or catch",
    "seam": "time, randomness, environment or files reached past os/ and base/seams.h",
    "sleep": "a sleep",
    "detach": "a detached thread",
    "open-end": "work left for later in the source",
    "license": "a first line that is not the SPDX line",
    "machine-path": "a path that exists on one machine only",
    "test-name": "a test whose name is not a snake_case sentence",
    "unused-exception": "a line of allowed.txt that excuses nothing",
}

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
LINE_COLUMNS_MAX = 120
ROOMS_OF_CODE = ("src", "apps", "tests", "fuzz", "bench")
CPP = (".cc", ".h")
SCRIPTS = (".py", ".sh")
TEXTS = CPP + SCRIPTS + (".cmake", ".c", ".md", ".txt", ".json", ".yml", ".yaml", ".toml", ".in", "")
LICENSE = "SPDX-License-Identifier: Apache-2.0"
LEFT_FOR_LATER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:work|root|home/[a-z]\w*)/[\w.]")
INCLUDE = re.compile(r'(?m)^[ \t]*#[ \t]*include[ \t]*"([^"]+)"')
TEST_MACRO = re.compile(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|RC_GTEST_PROP)"
                        r"\(\s*\w+,\s*(\w+)\s*[,)]")
# Written with :: in front, or of a name that means nothing else.
SYSTEM_CALL = ("open openat read pread write pwrite close fsync fdatasync rename renameat unlink unlinkat mkdir "
               "mkdirat rmdir stat lstat fstat fstatat link linkat symlink symlinkat chmod chown lchown fchmod fchown ftruncate "
               "mmap munmap ioctl fcntl fork kill getpid poll select socket connect getrandom time gettimeofday "
               "clock_gettime isatty sysconf").split()
BARE_SYSTEM_CALL = ("openat fstatat unlinkat mkdirat renameat renameat2 linkat symlinkat pread pwrite fdatasync ioctl "
                    "fcntl mmap getrandom clock_gettime").split()
SEAMS = [
    re.compile(r"\b(?:system_clock|steady_clock|high_resolution_clock|file_clock)::now\b"),
    re.compile(r"\brandom_device\b"),
    re.compile(r"\b(?:secure_)?getenv\s*\("),
    re.compile(r"\bstd::[io]?fstream\b|\bfopen\s*\(|\bfreopen\s*\("),
    re.compile(r"\bstd::filesystem\b"),
    re.compile(r"\b(?:s?rand|localtime)\s*\("),
    re.compile(r"\b(?:std::)?(?:system|popen|execv[pe]*)\s*\(\s*[\"c]"),
    re.compile(r"(?<![\w>)])::(?:" + "|".join(SYSTEM_CALL) + r")\s*\("),
    re.compile(r"(?<![\w.:>])(?:" + "|".join(BARE_SYSTEM_CALL) + r")\s*\("),
    re.compile(r"#[ \t]*include[ \t]*<(?:fcntl\.h|unistd\.h|sys/(?:mman|ioctl|socket|wait|file|xattr|vfs)\.h"
               r"|dirent\.h|fstream|filesystem|liburing\.h|linux/[\w/]+\.h)>"),
]
SLEEP = re.compile(r"\bthis_thread::sleep_(?:for|until)\b|\b(?:u|nano)sleep\s*\(|(?<![\w.>])::?sleep\s*\(")
EXCEPTION = re.compile(r"\b(?:throw|try|catch|rethrow_exception)\b")


class Violation(NamedTuple):
    rule: str
    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def is_test(path):
    name = path.rsplit("/", 1)[-1]
    return (path.startswith(("tests/", "fuzz/", "bench/"))
            or bool(re.search(r"(_test\.(cc|h|py)|(^|_)testing\.(h|cc)|^conformance.*\.(h|cc))$", name)))


class House:
    """The files of one checkout, read once."""

    def __init__(self, root):
        self.root = Path(root)
        self.texts = {}
        skipped = {".git", "build", "__pycache__", "node_modules", "testdata", "golden", "corpus", ".cache"}
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if name not in skipped)
            for name in sorted(names):
                path = Path(folder) / name
                if name != ".git" and path.suffix in TEXTS and not path.is_symlink() and path.is_file():
                    try:
                        self.texts[path.relative_to(self.root).as_posix()] = path.read_text(encoding="utf-8")
                    except UnicodeDecodeError:
                        continue  # Not a text.
        self.cpp = {path: text for path, text in self.texts.items()
                    if path.endswith(CPP) and path.startswith(ROOMS_OF_CODE)}
        self.code = {path: cpp_scan.strip(text) for path, text in self.cpp.items()}


class Layers:
    """layers.txt: which room a file is in and which rooms it may include."""

    def __init__(self, text):
        self.may = {}
        self.height = {}
        for number, line in enumerate(text.splitlines()):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            rooms, _, below = line.partition(":")
            for room in rooms.split():
                self.may[room] = below.split()
                self.height[room] = number

    def room(self, path):
        """'store', 'store/posix', 'job'...; None for what layers.txt does not know."""
        parts = path.split("/")
        if parts[0] == "src":
            parts = parts[1:]
        if len(parts) > 2 and parts[0] + "/*" in self.may:
            return "/".join(parts[:2])
        return parts[0] if parts[0] in self.may else None

    @staticmethod
    def is_leaf(room):
        return "/" in room

    def key(self, room):
        return room.split("/")[0] + "/*" if self.is_leaf(room) else room

    def allows(self, path, other):
        """May the file at `path`, in its room, include a header of the room `other`?"""
        room = self.room(path)
        may = self.may[self.key(room)]
        if other == room or "*" in may or other in may:
            return True
        if not is_test(path):
            return False
        return self.is_leaf(other) or self.height[self.key(other)] < self.height[self.key(room)]


def check_layers(house, layers):
    for path, text in house.cpp.items():
        room = layers.room(path)
        if room is None:
            yield Violation("layer", path, 1, "no line of layers.txt names this room")
            continue
        for match in INCLUDE.finditer(cpp_scan.strip(text, keep_strings=True)):
            line = text.count("\n", 0, match.start()) + 1
            target = match.group(1)
            full = next((base + target for base in ("src/", "") if base + target in house.texts), None)
            if full is None:
                yield Violation("include", path, line, f'"{target}" is no file beneath src/')
                continue
            other = layers.room(full)
            if other is None or not layers.allows(path, other):
                yield Violation("layer", path, line, f"{room} may not include {target}")


def check_sizes(house):
    for path, text in house.texts.items():
        if not path.endswith(CPP + (".py",)):
            continue
        lines = text.splitlines()
        if len(lines) > FILE_LINES_MAX and not is_test(path):
            yield Violation("file-length", path, FILE_LINES_MAX + 1, f"{len(lines)} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_COLUMNS_MAX and not is_test(path):
                yield Violation("line-length", path, number, f"{len(line)} columns")
    for path, text in house.cpp.items():
        try:
            for function in cpp_scan.functions(text):
                if function.line_count > FUNCTION_LINES_MAX:
                    yield Violation("function-length", path, function.first_line,
                                    f"{function.name} has {function.line_count} lines")
        except cpp_scan.Unbalanced as reason:
            yield Violation("braces", path, 1, str(reason))


def listed_sources(house):
    """Every source that some CMake file names, seen from its folder or from the root."""
    listed = set()
    for path, text in house.texts.items():
        if not (path.endswith("CMakeLists.txt") or path.endswith(".cmake")):
            continue
        folder = path.rpartition("/")[0]
        text = re.sub(r"(?m)#.*$", "", text)
        for token in re.findall(r"[^\s()\"]+\.(?:cc|h|cpp)\b", text):
            token = re.sub(r"^\$\{(?:CMAKE_SOURCE_DIR|PROJECT_SOURCE_DIR)\}/", "/", token)
            token = re.sub(r"^\$\{CMAKE_CURRENT_(?:SOURCE|LIST)_DIR\}/", "", token)
            joined = token[1:] if token.startswith("/") else os.path.join(folder, token)
            listed.add(os.path.normpath(joined))
    return listed


def check_dead(house):
    listed = listed_sources(house)
    included = {match.group(1) for text in house.cpp.values() for match in INCLUDE.finditer(text)}
    for path in house.cpp:
        if path.endswith(".cc") and path not in listed:
            yield Violation("dead-source", path, 1, "no CMake target lists it")
        if path.endswith(".h") and path not in listed and \
                path.removeprefix("src/") not in included and path not in included:
            yield Violation("dead-header", path, 1, "nothing includes it")


def matches(house, path, pattern):
    code = house.code[path]
    for match in pattern.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match.group().strip()


def check_bans(house):
    for path in house.cpp:
        for line, found in matches(house, path, EXCEPTION):
            yield Violation("exception", path, line, f"{found}: errors are values here (STYLE.md, Errors)")
        for line, found in matches(house, path, re.compile(r"\.detach\(\)")):
            yield Violation("detach", path, line, found)
        if path.startswith("src/os/"):
            continue
        for line, found in matches(house, path, SLEEP):
            yield Violation("sleep", path, line, found)
        if is_test(path):
            continue
        for pattern in SEAMS:
            for line, found in matches(house, path, pattern):
                yield Violation("seam", path, line, f"{found} belongs in os/")


def check_texts(house):
    for path, text in house.texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if LEFT_FOR_LATER.search(line):
                yield Violation("open-end", path, number, line.strip())
            if MACHINE_PATH.search(line):
                yield Violation("machine-path", path, number, line.strip())
        lines = text.splitlines() or [""]
        script = path.endswith(SCRIPTS) or lines[0].startswith("#!")
        if path.endswith(CPP) or script:
            first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
            wanted = ("// " if path.endswith(CPP) else "# ") + LICENSE
            if first != wanted:
                yield Violation("license", path, 1, f"should be: {wanted}")
    for path in house.cpp:
        for match in TEST_MACRO.finditer(house.code[path]):
            if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", match.group(1)):
                line = house.code[path].count("\n", 0, match.start()) + 1
                yield Violation("test-name", path, line, match.group(1))


class Allowed:
    """allowed.txt: what is excused, and whether each line still excuses something."""

    def __init__(self, path, text):
        self.path = path
        self.lines = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            match = re.fullmatch(r"(\S+) (\S+): (\S.*)", line)
            if not match or match.group(1) not in RULES:
                raise SystemExit(f"{path}:{number}: not of the form 'rule path: reason'")
            self.lines.append([number, match.group(1), match.group(2), 0])

    def excuses(self, violation):
        for entry in self.lines:
            if entry[1] == violation.rule and fnmatch.fnmatchcase(violation.path, entry[2]):
                entry[3] += 1
                return True
        return False

    def unused(self):
        for number, rule, pattern, uses in self.lines:
            if not uses:
                yield Violation("unused-exception", self.path, number, f"{rule} {pattern}")


def check(root, settings=None):
    """All violations of the checkout at `root`; `settings` is the folder of layers.txt and allowed.txt."""
    settings = Path(settings or Path(root) / "tests/structure")
    house = House(root)
    layers = Layers((settings / "layers.txt").read_text(encoding="utf-8"))
    allowed = Allowed("tests/structure/allowed.txt", (settings / "allowed.txt").read_text(encoding="utf-8"))
    found = [violation
             for part in (check_layers(house, layers), check_sizes(house), check_dead(house), check_bans(house),
                          check_texts(house))
             for violation in part if not allowed.excuses(violation)]
    return sorted(set(found + list(allowed.unused())))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", default=str(Path(__file__).resolve().parents[2]))
    arguments = parser.parse_args()
    violations = check(arguments.root)
    for violation in violations:
        print(violation)
    if violations:
        rules = sorted({violation.rule for violation in violations})
        print(f"\n{len(violations)} violations. The rules broken:")
        for rule in rules:
            print(f"  {rule}: {RULES[rule]}")
        print("Where a rule must give way, tests/structure/allowed.txt takes a line with the reason.")
        return 1
    print("structure: nothing to object to")
    return 0


if __name__ == "__main__":
    sys.exit(main())
