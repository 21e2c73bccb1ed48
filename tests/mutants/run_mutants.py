#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes each safeguard of the lists out of the code in turn and runs the tests one of which must then fail.

    run_mutants.py --check             every safeguard still stands where the lists say
    run_mutants.py --run BUILD [NAME]  builds each mutant beneath BUILD and runs its tests; prints who caught it. NAME: a
                                       list, or a part of what a mutant is called
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import change_feed
import collection
import devices
import inventory

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 1800  # Of a test on the code as it is.


class Mutant:
    """One or more places changed at once, and the tests one of which must fail."""

    def __init__(self, group, name, changes, tests):
        self.group, self.name, self.changes, self.tests = group, name, changes, tests

    def is_meant(self, name):
        return name == self.group or (name not in GROUPS and name in self.name)


LISTS = (collection, devices, change_feed, inventory)
GROUPS = [module.__name__ for module in LISTS]
MUTANTS = [Mutant(module.__name__, *one) for module in LISTS for one in module.MUTANTS]


def check():
    """Every text to be changed stands in its file just once."""
    wrong = []
    for mutant in MUTANTS:
        for path, text, _ in mutant.changes:
            count = (ROOT / path).read_text(encoding="utf-8").count(text)
            if count != 1:
                wrong.append(f"{path}: {count} times, not once: {text.strip()[:90]!r} ({mutant.name})")
    return wrong


def copy_tree(build):
    """The sources as they are now, in a folder of the mutants' own."""
    tree = build / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def run(command, log, cwd, seconds_max=None):
    """The exit code; nothing if it took too long."""
    try:
        return subprocess.run(command, cwd=cwd, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=seconds_max,
                              env={**os.environ, "GTEST_FAIL_FAST": "1"}).returncode
    except subprocess.TimeoutExpired:
        return None


def find(binaries, name):
    for place in (binaries / "tests" / name, binaries / name):
        if place.exists():
            return place
    found = [path for path in binaries.rglob(name) if path.is_file() and os.access(path, os.X_OK)]
    return found[0] if found else binaries / name


def build_test(test, tree, binaries, log):
    jobs = str(os.cpu_count() or 1)
    return run(["cmake", "--build", str(binaries), "-j", jobs, "--target", test[0]], log, tree) == 0


def run_test(test, tree, binaries, log, seconds_max):
    return run([str(find(binaries, test[0])), *test[1:]], log, tree, seconds_max)


def run_unmutated(tests, tree, binaries, log):
    """Seconds each test takes on the code as it is, where it must pass: one that always fails would catch everything."""
    seconds = {}
    for test in tests:
        if not build_test(test, tree, binaries, log):
            raise RuntimeError(f"{test[0]} does not build as it is; see {log.name}")
        log.flush()
        begun, place = time.monotonic(), os.path.getsize(log.name)
        if run_test(test, tree, binaries, log, SECONDS_MAX) != 0:
            raise RuntimeError(f"{' '.join(test)} fails on the code as it is; see {log.name}")
        seconds[test] = time.monotonic() - begun
        with open(log.name, encoding="utf-8", errors="replace") as told:
            told.seek(place)
            if not re.search(r"\[  PASSED  \] [1-9]", told.read()):
                raise RuntimeError(f"{' '.join(test)} runs no test; see {log.name}")
    return seconds


def who_failed(log, place):
    """What a test program said that failed, of its output from there on."""
    log.flush()
    with open(log.name, encoding="utf-8", errors="replace") as told:
        told.seek(place)
        found = re.search(r"\[  FAILED  \] (\S+\.[^\s,]+)", told.read())
    return found[1] if found else ""


def try_mutant(mutant, tree, binaries, log, seconds):
    """What became of it, and whether that is well."""
    originals = {}
    for path, text, instead in mutant.changes:
        file = tree / path
        originals.setdefault(file, file.read_text(encoding="utf-8"))
        file.write_text(file.read_text(encoding="utf-8").replace(text, instead), encoding="utf-8")
    try:
        for test in sorted(mutant.tests, key=seconds.get):
            if not build_test(test, tree, binaries, log):
                return "DOES NOT BUILD", False
            log.flush()
            place = os.path.getsize(log.name)
            code = run_test(test, tree, binaries, log, 60 + 10 * seconds[test])
            if code == 0:
                continue
            # A check of the program's own ends it, and one that has no end is caught as well; all else is the machine's.
            failed = who_failed(log, place)
            if failed or code in (None, -signal.SIGABRT, -signal.SIGSEGV):
                return f"caught by {test[0]} {failed}".rstrip(), True
            return f"DIED with {code} in {test[0]}", False
        return "SURVIVED", False
    finally:
        for file, text in originals.items():
            file.write_text(text, encoding="utf-8")


def run_all(build, names):
    """Whether all were caught."""
    build.mkdir(parents=True, exist_ok=True)
    unknown = [name for name in names if not any(mutant.is_meant(name) for mutant in MUTANTS)]
    if unknown:
        raise RuntimeError(f"no mutant is called {', '.join(unknown)}")
    chosen = [mutant for mutant in MUTANTS if not names or any(map(mutant.is_meant, names))]
    caught = {mutant.group: [] for mutant in chosen}
    with open(build / "log", "w", encoding="utf-8") as log:
        tree = copy_tree(build)
        # As everything else is built; a mutant may leave something unused.
        if run(["cmake", "--preset", "release", "-DHOLDFAST_WERROR=OFF"], log, tree) != 0:
            raise RuntimeError(f"cmake failed; see {log.name}")
        binaries = tree / "build" / "release"
        seconds = run_unmutated(sorted({test for mutant in chosen for test in mutant.tests}), tree, binaries, log)
        for mutant in chosen:
            outcome, is_well = try_mutant(mutant, tree, binaries, log, seconds)
            caught[mutant.group].append(is_well)
            print(f"{outcome}: {mutant.name}", flush=True)
    for group, each in caught.items():
        print(f"counts: {sum(each)} of {len(each)} mutants caught, of the list {group}")
    return all(map(all, caught.values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--run", metavar="BUILD")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    wrong = check()
    for line in wrong:
        print(line)
    if wrong or not options.run:
        return 1 if wrong else 0
    return 0 if run_all(Path(options.run).resolve(), options.names) else 1


if __name__ == "__main__":
    sys.exit(main())
