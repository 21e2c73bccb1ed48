# SPDX-License-Identifier: Apache-2.0
"""Points: how they are listed, named, tagged and summed up."""

import datetime
import os
import platform

import tree_walker
from holdfast import FAILED, USAGE

SUMMARY = ["type", "recovery_point_id", "bytes_read", "bytes_stored", "new", "changed", "unchanged", "skipped", "seconds"]


def test_the_last_line_of_a_backup_is_the_summary_with_exactly_its_fields(user, plain):
    summary = user.backup(plain)
    assert list(summary) == SUMMARY
    assert summary["type"] == "summary"
    assert isinstance(summary["recovery_point_id"], str) and len(summary["recovery_point_id"]) >= 8
    for field in SUMMARY[2:-1]:
        assert isinstance(summary[field], int), field
    assert summary["bytes_read"] == 4000 + 300_000 + 5 + 4
    assert summary["changed"] == summary["unchanged"] == summary["skipped"] == 0
    assert summary["bytes_stored"] > 300_000
    assert 0 < summary["seconds"] < 600


def test_new_changed_and_unchanged_entries_are_counted(user, plain):
    user.backup(plain)
    with open(f"{plain}/one.txt", "ab") as out:
        out.write(b"more")
    with open(f"{plain}/sub/new", "wb") as out:
        out.write(b"new")
    summary = user.backup(plain)
    assert summary["new"] == 1
    assert summary["changed"] >= 1
    assert summary["unchanged"] >= 4
    assert summary["bytes_read"] <= 4004 + 3 + 9


def test_points_are_objects_one_a_line_and_oldest_first(user, plain):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
    ids = [user.backup("--tag", "a", "--tag", "b", plain)["recovery_point_id"], user.backup(plain)["recovery_point_id"]]
    after = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    points = user.points()
    assert [point["id"] for point in points] == ids
    for point in points:
        assert {"id", "time", "host", "paths", "tags", "bytes", "entries"} <= set(point)
        moment = datetime.datetime.fromisoformat(trimmed(point["time"]))
        assert before <= moment <= after
        assert point["host"] == platform.node()
        assert point["paths"] == [plain]
        assert point["bytes"] == 4000 + 300_000 + 5 + 4
        assert point["entries"] >= 8
    assert sorted(points[0]["tags"]) == ["a", "b"]
    assert points[1]["tags"] == []


def trimmed(time):
    """RFC 3339 as Python 3.9 reads it: no Z, at most microseconds."""
    body = time.removesuffix("Z")
    assert body != time or body[-6] in "+-", f"{time} names no offset"
    offset = "" if time.endswith("Z") else body[-6:]
    body = body.removesuffix(offset) if offset else body
    seconds, _, fraction = body.partition(".")
    return f"{seconds}.{(fraction + '000000')[:6]}{offset or '+00:00'}"


def test_an_empty_vault_lists_no_points(user):
    assert user.points() == []


def test_points_are_filtered_by_host_path_and_tag(user, plain):
    one = user.backup("--host", "alpha", "--tag", "x,y", plain)["recovery_point_id"]
    two = user.backup("--host", "beta", f"{plain}/sub")["recovery_point_id"]
    assert [point["id"] for point in user.points("--host", "alpha")] == [one]
    assert [point["id"] for point in user.points("--host", "beta")] == [two]
    assert [point["id"] for point in user.points("--tag", "x")] == [one]
    assert [point["id"] for point in user.points("--tag", "y,x")] == [one]
    assert [point["id"] for point in user.points("--path", f"{plain}/sub")] == [two]
    assert user.points("--host", "gamma") == []


def test_latest_is_the_newest_after_filters(user, plain, place):
    user.backup("--host", "alpha", plain)
    os.unlink(f"{plain}/one.txt")
    user.backup("--host", "beta", plain)
    user.restore("latest", f"{place}/new")
    assert not os.path.exists(f"{place}/new{plain}/one.txt")
    user.restore("latest", f"{place}/old", "--host", "alpha")
    assert os.path.exists(f"{place}/old{plain}/one.txt")


def test_latest_of_an_empty_vault_is_an_error(user, place):
    outcome = user.run("restore", "latest", "--to", f"{place}/back", expect=FAILED)
    assert "latest" in outcome.errors or "point" in outcome.errors


def test_a_point_is_named_by_its_id_or_a_unique_prefix(user, plain):
    point = user.backup(plain)["recovery_point_id"]
    for name in (point, point[:10]):
        assert "one.txt" in user.run("ls", name).text


def test_an_ambiguous_prefix_and_an_unknown_id_are_errors(user, plain):
    ids = [user.backup(plain)["recovery_point_id"] for _ in range(17)]
    firsts = [name[0] for name in ids]
    shared = next(first for first in firsts if firsts.count(first) > 1)  # 17 ids, 16 digits.
    ambiguous = user.run("ls", shared, expect=(FAILED, USAGE)).errors
    unknown = user.run("ls", "ffffffffffffffffffffffff", expect=(FAILED, USAGE)).errors
    assert ambiguous != unknown
    assert "fffffff" in unknown


def test_what_lies_beneath_a_path_is_restored_into_the_folder(user, plain, place):
    os.chmod(f"{plain}/sub", 0o2750)
    user.backup(plain)
    user.restore(f"latest:{plain}/sub", f"{place}/back")
    assert tree_walker.compare(tree_walker.walk(f"{plain}/sub"), tree_walker.walk(f"{place}/back")) == []


def test_a_path_that_is_not_in_the_point_is_an_error(user, plain, place):
    user.backup(plain)
    outcome = user.run("restore", f"latest:{plain}/nowhere", "--to", f"{place}/back", expect=FAILED)
    assert "nowhere" in outcome.errors


def test_tags_are_added_and_removed_and_survive(user, plain):
    point = user.backup("--tag", "old", plain)["recovery_point_id"]
    user.run("tag", point, "--add", "keep", "--add", "yearly")
    assert sorted(user.points()[0]["tags"]) == ["keep", "old", "yearly"]
    user.run("tag", point, "--remove", "old")
    assert sorted(user.points()[0]["tags"]) == ["keep", "yearly"]
    assert len(user.points()) == 1
    user.run("verify", "--data")


def test_show_tells_of_one_point(user, plain):
    point = user.backup("--tag", "shown", plain)["recovery_point_id"]
    told = user.run("show", "latest").text
    for word in (point[:8], plain, "shown", platform.node()):
        assert word in told
    assert user.run("show", "latest", "--json").lines()[0]["id"] == point


def test_a_dry_run_stores_nothing(user, plain):
    before = user.objects()
    outcome = user.run("backup", "--dry-run", "--json", plain)
    assert outcome.lines()[-1]["new"] >= 7
    assert user.points() == []
    assert [name for name in user.objects() if name not in before] == []


def test_the_parent_is_the_newest_point_of_the_same_host_and_roots(user, plain):
    user.backup("--host", "alpha", plain)
    assert user.backup("--host", "beta", plain)["unchanged"] == 0
    assert user.backup("--host", "alpha", f"{plain}/sub")["unchanged"] == 0
    assert user.backup("--host", "alpha", plain)["new"] == 0
