# SPDX-License-Identifier: Apache-2.0
"""What is taken into a backup and what is not."""

import os
import shutil
import subprocess
import threading

import pytest
from holdfast import DONE, FAILED, SKIPS, USAGE, stop, wait_until

IS_ROOT = os.geteuid() == 0


def kept(user, place, root, name="back"):
    """The relative names of what the newest point holds beneath `root`."""
    to = f"{place}/{name}"
    user.restore(f"latest:{root}", to)
    found = set()
    for folder, folders, names in os.walk(to):
        found |= {os.path.relpath(os.path.join(folder, name), to) for name in folders + names}
    return found


def fill(root, *names):
    for name in names:
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(name)


CASES = {
    # patterns -> names that must be gone, out of FILES. What has a slash before its end is a full path.
    ("*.log",): {"a.log", "sub/b.log", "sub/deep/c.log"},
    ("/a.log",): set(),
    ("{root}/a.log",): {"a.log"},
    ("sub/",): {"sub", "sub/b.log", "sub/b.txt", "sub/deep", "sub/deep/c.log", "sub/deep/keep.me", "other/sub",
                "other/sub/x"},
    ("{root}/sub",): {"sub", "sub/b.log", "sub/b.txt", "sub/deep", "sub/deep/c.log", "sub/deep/keep.me"},
    ("sub/*.log",): set(),
    ("{root}/sub/*.log",): {"sub/b.log"},
    ("**/sub/*.log",): {"sub/b.log"},
    ("**/deep",): {"sub/deep", "sub/deep/c.log", "sub/deep/keep.me"},
    ("{root}/sub/**/*.log",): {"sub/b.log", "sub/deep/c.log"},
    ("*.log", "!{root}/sub/b.log"): {"a.log", "sub/deep/c.log"},
    ("[ab].*",): {"a.log", "a.txt", "sub/b.log", "sub/b.txt"},
    ("?.txt",): {"a.txt", "sub/b.txt"},
    (r"\#odd",): {"#odd"},
}
FILES = ("a.log", "a.txt", "sub/b.log", "sub/b.txt", "sub/deep/c.log", "sub/deep/keep.me", "other/sub/x", "#odd")
ALL = {"sub", "sub/deep", "other", "other/sub", *FILES}


@pytest.mark.parametrize("patterns", CASES)
def test_excludes_follow_gitignore(user, place, patterns):
    root = f"{place}/root"
    fill(root, *FILES)
    user.backup(*[option for pattern in patterns for option in ("--exclude", pattern.replace("{root}", root))], root)
    assert kept(user, place, root) == ALL - CASES[patterns]


def test_excludes_come_from_a_file(user, place):
    root = f"{place}/root"
    fill(root, *FILES)
    with open(f"{place}/patterns", "w", encoding="ascii") as out:
        out.write("# a comment\n\n*.log\n!a.log\n")
    user.backup("--exclude-file", f"{place}/patterns", root)
    assert kept(user, place, root) == ALL - {"sub/b.log", "sub/deep/c.log"}


def test_what_is_newly_excluded_leaves_the_next_point(user, place):
    root = f"{place}/root"
    fill(root, *FILES)
    user.backup(root)
    user.backup("--exclude", "*.log", root)
    assert kept(user, place, root, "one") == ALL - CASES[("*.log",)]
    user.backup(root)
    assert kept(user, place, root, "two") == ALL


def test_caches_are_left_out_but_for_their_tag(user, place):
    root = f"{place}/root"
    fill(root, "a", "cache/x", "cache/sub/y", "fake/z")
    with open(f"{root}/cache/CACHEDIR.TAG", "w", encoding="ascii") as out:
        out.write("Signature: 8a477f597d28d172789f06886806bc55\n# more\n")
    with open(f"{root}/fake/CACHEDIR.TAG", "w", encoding="ascii") as out:
        out.write("Signature: wrong")
    user.backup("--exclude-caches", root)
    assert kept(user, place, root) == {"a", "cache", "cache/CACHEDIR.TAG", "fake", "fake/z", "fake/CACHEDIR.TAG"}


def test_large_files_are_left_out_on_request(user, place):
    root = f"{place}/root"
    fill(root, "small")
    with open(f"{root}/large", "wb") as out:
        out.write(bytes(range(256)) * 5000)
    user.backup("--exclude-larger-than", "1M", root)
    assert kept(user, place, root) == {"small"}


@pytest.mark.skipif(not IS_ROOT, reason="mounting needs root")
def test_one_file_system_stops_at_mount_points(user, place):
    root = f"{place}/root"
    fill(root, "a")
    os.mkdir(f"{root}/mounted")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", f"{root}/mounted"], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.decode().strip()}")
    try:
        fill(root, "mounted/inside")
        user.backup("--one-file-system", root)
        assert kept(user, place, root, "one") == {"a", "mounted"}
        user.backup(root)
        assert kept(user, place, root, "two") == {"a", "mounted", "mounted/inside"}
    finally:
        subprocess.run(["umount", f"{root}/mounted"], check=True)


def test_standard_input_becomes_one_file(user, place):
    data = os.urandom(3_000_000)
    summary = user.backup("--stdin", "--stdin-name", "dump.sql", stdin=data)
    assert summary["bytes_read"] == len(data)
    listed = user.run("ls", "latest").text.split()
    name = next(word for word in listed if word.endswith("dump.sql"))
    assert user.run("cat", f"latest:{name}").out == data


def test_paths_come_from_a_file_and_from_standard_input(user, plain, place):
    names = f"{plain}/one.txt\n{plain}/sub/deeper\n"
    with open(f"{place}/names", "w", encoding="utf-8") as out:
        out.write(names)
    user.backup("--files-from", f"{place}/names")
    user.restore("latest", f"{place}/one")
    assert sorted(os.listdir(f"{place}/one{plain}")) == ["one.txt", "sub"]
    assert os.listdir(f"{place}/one{plain}/sub") == ["deeper"]
    assert os.listdir(f"{place}/one{plain}/sub/deeper") == ["four.log"]
    user.backup("--files-from", "-", stdin=names.encode())
    assert user.points()[-1]["paths"] == user.points()[0]["paths"]


def test_a_root_that_is_not_there_is_told_and_the_rest_is_backed_up(user, plain, place):
    outcome = user.run("backup", "--json", plain, f"{place}/nowhere", expect=(SKIPS, FAILED))
    assert "nowhere" in outcome.text + outcome.errors
    if outcome.code == SKIPS:
        assert outcome.lines()[-1]["skipped"] == 1
        user.restore(f"latest:{plain}", f"{place}/back")


def test_no_root_at_all_is_a_mistake_of_usage(user):
    user.run("backup", expect=(FAILED, USAGE))


def test_an_unreadable_folder_is_a_skip_and_is_tried_again(user, plain):
    if IS_ROOT:
        pytest.skip("root reads everything")
    os.chmod(f"{plain}/sub", 0)
    assert user.backup(plain, expect=SKIPS)["skipped"] == 1
    os.chmod(f"{plain}/sub", 0o755)
    assert user.backup(plain)["skipped"] == 0
    assert "four.log" in user.run("ls", "latest").text


def test_files_that_change_and_vanish_while_read_harm_nothing(user, place):
    root = f"{place}/root"
    os.mkdir(root)
    stopping = threading.Event()

    def meddle():
        number = 0
        while not stopping.is_set():
            number += 1
            with open(f"{root}/growing", "ab") as out:
                out.write(b"x" * 1000)
            with open(f"{root}/v{number % 50}", "wb") as out:
                out.write(b"y" * (number % 5000))
            if number % 50 == 0:
                for name in range(0, 50, 2):
                    os.path.exists(f"{root}/v{name}") and os.unlink(f"{root}/v{name}")
            if os.path.getsize(f"{root}/growing") > 5_000_000:
                os.truncate(f"{root}/growing", 10)

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        for _ in range(4):
            user.backup(root, expect=(DONE, SKIPS))
    finally:
        stopping.set()
        meddler.join()
    user.run("verify", "--data")
    user.restore("latest", f"{place}/back")


def test_hooks_run_before_and_after_and_a_failing_one_before_stops_the_backup(user, plain, place):
    user.backup("--before", f"echo before >> {place}/told", "--after", f"echo after >> {place}/told", plain)
    with open(f"{place}/told", encoding="ascii") as told:
        assert told.read().split() == ["before", "after"]
    user.run("backup", "--before", "exit 7", plain, expect=FAILED)
    assert len(user.points()) == 1


def test_a_bandwidth_limit_is_kept(user, place):
    root = f"{place}/root"
    os.mkdir(root)
    with open(f"{root}/noise", "wb") as out:
        out.write(os.urandom(3 << 20))
    summary = user.backup("--limit-upload", 1024, root)
    assert summary["seconds"] >= 1.5


def test_two_backups_at_once_both_succeed_or_one_says_busy(user, plain, place):
    shutil.copytree(plain, f"{place}/other", symlinks=True)
    running = [user.start("backup", "--json", root) for root in (plain, f"{place}/other")]
    outcomes = [stop_when_done(process) for process in running]
    assert all(outcome.code in (0, 11) for outcome in outcomes)
    assert any(outcome.code == 0 for outcome in outcomes)
    assert len(user.points()) == sum(outcome.code == 0 for outcome in outcomes)
    user.run("verify", "--data")


def stop_when_done(process):
    wait_until(lambda: process.poll() is not None or drained(process), "a backup", 120)
    return stop(process)


def drained(process):
    """Small outputs fit the pipe, so that waiting does not block the program."""
    return process.poll() is not None
