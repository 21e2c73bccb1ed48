# SPDX-License-Identifier: Apache-2.0
"""What is taken into a backup and what is not."""

import os
import shutil
import subprocess
import threading

import pytest
import tree_walker
from holdfast import DONE, FAILED, SKIPS, USAGE, Holdfast, stop, wait_until

IS_ROOT = os.geteuid() == 0
NOBODY = 65534


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


@pytest.fixture(name="nobody")
def fixture_nobody(user, plain, place):
    """Runs the program as a user whom modes of files bind. Owns all that the test has made so far."""
    if not IS_ROOT:
        return user
    for folder, folders, names in os.walk(place):
        for name in [".", *folders, *names]:
            os.chown(os.path.join(folder, name), NOBODY, NOBODY, follow_symlinks=False)
    with open(f"{place}/holdfast", "wb") as out, open(user.binary, "rb") as program:
        shutil.copyfileobj(program, out)
    os.chmod(f"{place}/holdfast", 0o755)
    user.binary = f"{place}/holdfast"
    run = user.run
    user.run = lambda *arguments, **options: run(*arguments, user=NOBODY, group=NOBODY, extra_groups=[], **options)
    return user


def test_an_unreadable_folder_is_a_skip_that_the_point_tells_of(nobody, plain, place):
    nobody.backup(plain)
    os.chmod(f"{plain}/sub", 0)
    told = nobody.run("backup", "--json", plain, expect=SKIPS)
    assert told.lines()[-1]["skipped"] == 1
    assert [line["path"] for line in told.lines() if line["type"] == "skip"] == [f"{plain}/sub"]
    first, second = nobody.points()
    assert (first["skipped"], second["skipped"]) == (0, 1)
    shown = nobody.run("show", second["id"]).text
    assert f"skipped {plain}/sub: " in shown and "not in this point" in shown
    # The earlier point keeps what lay there; the later one does not claim to know of it.
    nobody.restore(f"{first['id']}:{plain}", f"{place}/one")
    nobody.restore(f"{second['id']}:{plain}", f"{place}/two")
    assert os.path.exists(f"{place}/one/sub/deeper/four.log")
    assert os.stat(f"{place}/two/sub").st_mode & 0o7777 == 0
    os.chmod(f"{place}/two/sub", 0o755)
    assert os.listdir(f"{place}/two/sub") == []
    assert os.path.exists(f"{place}/two/one.txt")
    os.chmod(f"{plain}/sub", 0o755)
    # What it does not claim to know of it does not take away either.
    with open(f"{plain}/extra", "wb"):
        pass
    nobody.restore(f"{second['id']}:{plain}", plain, "--delete")
    os.chmod(f"{plain}/sub", 0o755)
    assert os.path.exists(f"{plain}/sub/deeper/four.log") and not os.path.exists(f"{plain}/extra")
    assert nobody.backup(plain)["skipped"] == 0
    nobody.restore(f"latest:{plain}", f"{place}/three")
    assert os.path.exists(f"{place}/three/sub/deeper/four.log")


def test_the_vault_and_what_the_program_keeps_are_left_out_and_told_of(user, plain, place):
    told = user.run("backup", "--json", place)
    left_out = {line["path"] for line in told.lines() if line["type"] == "left_out"}
    assert left_out == {user.vault, f"{place}/home/state/holdfast", f"{place}/home/cache/holdfast"}
    listed = user.run("ls", "latest").text
    assert "four.log" in listed and "/vault/" not in listed and "/holdfast/" not in listed
    assert user.vault in user.run("backup", place).text
    # By another name it is the same folder.
    os.symlink(user.vault, f"{place}/elsewhere")
    vault, user.vault = user.vault, f"{place}/elsewhere"
    told = user.run("backup", "--json", place)
    assert vault in {line["path"] for line in told.lines() if line["type"] == "left_out"}
    assert told.lines()[-1]["new"] == 1
    user.vault = vault
    assert "is the vault" in user.run("backup", user.vault, expect=(FAILED, USAGE)).errors


def lose_a_pack(user, kind):
    packs = [name for name in user.objects() if name.startswith(kind)]
    os.unlink(f"{user.vault}/{packs[0]}")


@pytest.mark.parametrize("kind", ["data/", "meta/"])
def test_a_lost_pack_is_told_of_and_what_it_held_is_read_again(user, plain, place, kind):
    user.backup(plain)
    lose_a_pack(user, kind)
    outcome = user.run("backup", "--json", plain)
    assert "has lost 1 pack" in outcome.errors
    losses, summary = outcome.lines()[-2:]
    assert losses["lost_packs"] == 1 and losses["healed_contents"] == losses["lost_contents"]
    assert summary["bytes_read"] > 0
    # A tree is put together again only if all in it, down to the times of the folders above, is as it was.
    for point in user.points() if kind == "data/" else user.points()[-1:]:
        to = f"{place}/{point['id']}"
        user.restore(f"{point['id']}:{plain}", to)
        assert tree_walker.compare(tree_walker.walk(plain), tree_walker.walk(to)) == []
    assert user.backup(plain)["bytes_read"] == 0


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


def test_a_hook_after_the_backup_hears_how_it_went(user, plain, place):
    tell = f'echo "$HOLDFAST_EXIT_CODE $HOLDFAST_POINT" >> {place}/told'
    summary = user.backup("--after", tell, plain)
    user.run("backup", "--after", tell, f"{place}/nowhere", expect=FAILED)
    with open(f"{place}/told", encoding="ascii") as told:
        assert told.read().splitlines() == [f"0 {summary['recovery_point_id']}", "1 "]
    # One that fails is told of and undoes nothing.
    outcome = user.run("backup", "--after", "exit 9", plain)
    assert "after the backup failed" in outcome.errors
    assert len(user.points()) == 2


def test_options_choose_what_is_left_out_and_what_counts_as_changed(user, place):
    root = f"{place}/root"
    fill(root, "A.LOG", "kept", "held/.nobackup", "held/x")
    os.mkfifo(f"{root}/pipe")
    os.symlink("kept", f"{root}/link")
    user.backup("--iexclude", "*.log", "--exclude-if-present", ".nobackup", "--exclude-type", "fifo",
                "--exclude-type", "symlink", root)
    assert kept(user, place, root) - {"held/.nobackup"} == {"kept", "held"}
    def read_again():
        return user.backup("--change-detection", "ignore-ctime", root)["bytes_read"]
    wait_until(lambda: read_again() == 0, "files to be old enough to be believed")
    os.chmod(f"{root}/kept", os.stat(f"{root}/kept").st_mode & 0o7777)  # Sets ctime and nothing else.
    assert read_again() == 0
    assert user.backup("--force", root)["bytes_read"] > 0
    user.run("backup", "--change-detection", "magic", root, expect=(FAILED, USAGE))


def test_a_point_says_what_it_was_told_to_say(user, plain):
    first = user.backup("--time", 1_600_000_000, "--host", "elsewhere", "--tag", "a", "--description", "why", plain)
    point = user.points()[0]
    assert point["id"] == first["recovery_point_id"] and point["time"].startswith("2020-09-13T12:26:40")
    assert (point["host"], point["tags"], point["description"]) == ("elsewhere", ["a"], "why")
    # Another host has no parent here, unless it is told of one.
    assert user.backup(plain)["new"] > 0
    assert user.backup("--host", "third", "--parent", first["recovery_point_id"], plain)["new"] == 0


def test_effort_is_a_choice_between_time_and_bytes(binary, place):
    root = f"{place}/root"
    os.mkdir(root)
    with open(f"{root}/text", "w", encoding="ascii") as out:
        out.writelines(f"{line * line:x} {line:o}\n" for line in range(200_000))
    stored = {}
    for effort in ("fast", "auto", "better", "max"):
        user = Holdfast(binary, place, f"{place}/vault-{effort}")
        user.create()
        stored[effort] = user.backup("--compression", effort, "--workers", 1, root)["bytes_stored"]
    assert stored["max"] < stored["fast"]
    user.run("backup", "--compression", "much", root, expect=(FAILED, USAGE))


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
