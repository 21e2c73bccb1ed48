#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes each safeguard of collections out of the code in turn and runs the tests that must then fail.

    collection_mutants.py --check             every safeguard still stands where the list says
    collection_mutants.py --run BUILD [NAME]  builds each mutant beneath BUILD and runs its tests; prints who caught it
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 1800  # Of a test on the code as it is.
SIMULATION = ("sim_test", "--seeds", "400")
UNIT = ("job_test",)
MODEL_OF_LOG = ("vault_test", "--gtest_filter=Log*:Session*")


class Mutant:
    """One or more places changed at once, and the tests one of which must fail."""

    def __init__(self, name, changes, tests):
        self.name, self.changes, self.tests = name, changes, tests


MUTANTS = [
    Mutant("what was condemned is purged while older sessions are at work, which rely on what they found",
           [("src/job/collect.cc", "&& pack.number < oldest_session) ready.emplace", ") ready.emplace"),
            ("src/vault/session.cc", "    if (!domain_.log().state().purged().contains(pack.id)) continue;\n", "    continue;\n")],
           [SIMULATION, UNIT]),
    Mutant("what was condemned is purged while older sessions are at work",
           [("src/job/collect.cc", "&& pack.number < oldest_session) ready.emplace", ") ready.emplace")],
           [UNIT, SIMULATION]),
    Mutant("a refused collection writes a checkpoint over the alarms it was refused for",
           [("src/vault/log.cc", "if (is_damaged_ || alarms_.size() > terms.alarms_accepted)", "if (is_damaged_)")],
           [MODEL_OF_LOG, UNIT]),
    Mutant("what was condemned is not marked again before it is purged",
           [("src/job/collect.cc", "  for (const ObjectId& id : needed) ready.erase(id);\n  TRY_DO(spare(needed));\n",
             "  (void)needed;\n  TRY_DO(spare({}));\n")],
           [SIMULATION, UNIT]),
    Mutant("a purge is not refused though others purged since the marks",
           [("src/job/collect.cc", "state.last_purge() == last_purge && state.last_undelete()",
             "((void)last_purge, true) && state.last_undelete()")],
           [SIMULATION, UNIT]),
    Mutant("a purge is not refused though somebody brought a point back",
           [("src/job/collect.cc", "&& state.last_undelete() == last_undelete &&",
             "&& ((void)last_undelete, true) &&")],
           [SIMULATION, UNIT]),
    Mutant("a purge is not refused though its packs were spared or condemned anew",
           [("src/job/collect.cc",
             "        is_unchanged &= condemned != state.condemned().end() && condemned->second.number == pack->second.number;\n",
             "        (void)condemned;\n")],
           [SIMULATION, UNIT]),
    Mutant("points that were added while others were marked are not looked at",
           [("src/job/mark.cc", "    TRY_DO(log.refresh());\n    TRY_DO(domain_.load_index());\n    live_->add_new", "    live_->add_new")],
           [SIMULATION, UNIT]),
    Mutant("marks are made in what an earlier mark knew of the index",
           [("src/job/mark.cc", "  TRY_DO(domain_.reload_index());\n", "  TRY_DO(domain_.load_index_once());\n")],
           [SIMULATION, UNIT]),
    Mutant("packs of a session at work are condemned as orphans, and nobody waits for it",
           [("src/job/collect.cc", "return fates.contains(pack.id) || at_work.contains(vault::AuthorId{pack.author});",
             "return fates.contains(pack.id);"),
            ("src/job/collect.cc", "&& pack.number < oldest_session) ready.emplace", ") ready.emplace")],
           [SIMULATION, UNIT]),
    Mutant("a fenced session commits",
           [("src/vault/session.cc", "  if (domain_.log().is_fenced(id_)) {\n", "  if (false) {\n"),
            ("src/vault/log_state.cc", "    sessions_.erase(session);\n  }\n  return {};\n}\n\nLogState::Ignored LogState::apply_annotate",
             "  }\n  return {};\n}\n\nLogState::Ignored LogState::apply_annotate")],
           [SIMULATION, MODEL_OF_LOG, UNIT]),
    Mutant("a session commits though the point it builds upon was forgotten",
           [("src/vault/session.cc", "    if (domain_.log().was_forgotten(point)) {\n", "    if (false) {\n")],
           [SIMULATION, UNIT, MODEL_OF_LOG]),
    Mutant("a writer takes up what is condemned",
           [("src/vault/session.cc", "if (home.is_condemned || (", "if ((")],
           [SIMULATION, UNIT, MODEL_OF_LOG]),
    Mutant("the commit record comes before packs and index",
           [("src/vault/session.cc", "  CHECK(!ended_);\n  TRY_DO(flush());\n  if (Status there", "  CHECK(!ended_);\n  if (Status there")],
           [UNIT, SIMULATION]),
    Mutant("an undelete does not look whether all is there",
           [("src/job/undelete.cc", "    TRY_DO(check_whole(vault, domain, points, observer, stop));\n", ""),
            ("src/vault/log_state.cc", "    if (point.second.number > newest_condemned) return false;\n", "    return false;\n")],
           [SIMULATION, UNIT]),
    Mutant("an undelete is not refused though somebody purged since it looked",
           [("src/job/undelete.cc", "if (all_forgotten && state.last_purge() == last_purge) return {};",
             "(void)all_forgotten;\n      (void)state;\n      (void)last_purge;\n      return {};"),
            ("src/vault/log_state.cc", "    if (point.second.number > newest_condemned) return false;\n", "    return false;\n")],
           [SIMULATION, UNIT]),
    Mutant("merged segments keep one home of an id",
           [("src/job/index_merger.cc", "    if (clashes(draft.chunks, chunk.id, chunk)) return false;\n",
             "    (void)chunk;\n")],
           [SIMULATION, UNIT]),
    Mutant("packs are removed before a record says so",
           [("src/job/collect.cc", "    const Status purged = append(format::LogKind::purge, format::encode(body), admit);\n",
             "    for (auto pack = first; pack != next; ++pack) (void)vault_.store().remove(key_of(pack->second.name));\n"
             "    const Status purged = append(format::LogKind::purge, format::encode(body), admit);\n")],
           [SIMULATION, UNIT]),
    Mutant("a collection that moves records has no session others wait for",
           [("src/job/collect.cc", "  TRY_DO(append(format::LogKind::session, format::encode(body), admit_all));\n  return fence();",
             "  return fence();"),
            ("src/job/collect.cc", "&& pack.number < oldest_session) ready.emplace", ") ready.emplace")],
           [SIMULATION, UNIT]),
    Mutant("a damaged pack is moved under a new, good name",
           [("src/job/collect.cc", "if (!whole || ObjectId::from(crypto::hash(*whole)) != pack.info.id ||", "if (!whole ||")],
           [UNIT]),
    Mutant("a domain with a damaged log is collected",
           [("src/job/mark.cc", "if (log.is_damaged() || (!log.alarms().empty() && !accept_alarms)) {", "if (false) {")],
           [UNIT, ("tamper_test",)]),
    Mutant("a domain with a damaged index is collected",
           [("src/job/mark.cc", "if (const auto damage = domain_.index_damage(); !damage.empty()) {",
             "if (const auto damage = domain_.index_damage(); false) {")],
           [UNIT, ("tamper_test",)]),
    Mutant("a domain with a point that cannot be read is collected",
           [("src/job/mark.cc", "    return Refusal{visitor.point, walked.error()};\n", "    continue;\n")],
           [UNIT, ("tamper_test",)]),
    Mutant("a lock or a hold does not keep points",
           [("src/vault/log_state.cc", "    if (const auto reason = kept_by(point->second, entry.time)) {\n",
             "    if (const auto reason = std::optional<std::string>()) {\n")],
           [UNIT, ("tamper_test",), MODEL_OF_LOG]),
    Mutant("the log's clock believes any jump",
           [("src/vault/log_state.h", "step_ns_max = 8ll * 86'400", "step_ns_max = 80'000ll * 86'400")],
           [UNIT, MODEL_OF_LOG, ("tamper_test",)]),
]


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


def try_mutant(mutant, tree, binaries, log, seconds):
    """What caught it, or nothing."""
    originals = {}
    for path, text, instead in mutant.changes:
        file = tree / path
        originals.setdefault(file, file.read_text(encoding="utf-8"))
        file.write_text(file.read_text(encoding="utf-8").replace(text, instead), encoding="utf-8")
    try:
        for test in sorted(mutant.tests, key=seconds.get):
            if not build_test(test, tree, binaries, log):
                raise RuntimeError(f"the mutant does not build: {mutant.name}; see {log.name}")
            # One that has no end is caught as well.
            if run_test(test, tree, binaries, log, 60 + 10 * seconds[test]) != 0:
                return test[0]
        return None
    finally:
        for file, text in originals.items():
            file.write_text(text, encoding="utf-8")


def run_all(build, names):
    build.mkdir(parents=True, exist_ok=True)
    survivors = []
    with open(build / "log", "w", encoding="utf-8") as log:
        tree = copy_tree(build)
        # As everything else is built; a mutant may leave something unused.
        if run(["cmake", "--preset", "release", "-DHOLDFAST_WERROR=OFF"], log, tree) != 0:
            raise RuntimeError(f"cmake failed; see {log.name}")
        binaries = tree / "build" / "release"
        chosen = [mutant for mutant in MUTANTS if not names or any(name in mutant.name for name in names)]
        seconds = run_unmutated(sorted({test for mutant in chosen for test in mutant.tests}), tree, binaries, log)
        for mutant in chosen:
            caught = try_mutant(mutant, tree, binaries, log, seconds)
            print(f"{'caught by ' + caught if caught else 'SURVIVED'}: {mutant.name}", flush=True)
            if not caught:
                survivors.append(mutant.name)
    print(f"counts: {len(chosen) - len(survivors)} of {len(chosen)} mutants of the collection's code caught")
    return survivors


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
    return 1 if run_all(Path(options.run).resolve(), options.names) else 0


if __name__ == "__main__":
    sys.exit(main())
