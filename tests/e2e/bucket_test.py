# SPDX-License-Identifier: Apache-2.0
"""Buckets backed up and restored, on two servers: versitygw, which checks signatures, and moto, which takes odd keys. What
came back is compared by a walker that shares no code with Holdfast: every version, marker, header, tag and lock."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
import s3_servers
from holdfast import DONE, FAILED, REFUSED, SKIPS, Holdfast, stop, wait_until


class Bucket:
    """A bucket on a server, seen by boto3."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def tool(self, what, *rest):
        script = str(Path(__file__).with_name("bucket_tool.py"))
        done = subprocess.run([s3_servers.tools_python(), script, what, self.server.endpoint, self.name, *rest],
                              env=s3_servers.aws_environment(), capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def walk(self):
        walked = json.loads(self.tool("walk"))
        if self.server.kind == "rgw":
            # It tells nobody the sizes of parts: such objects come back in one, with other ETags.
            for key in (key for key in walked["keys"] if "parts/" in key):
                walked["keys"][key] = [{name: value for name, value in version.items() if name not in ("etag", "parts")}
                                       for version in walked["keys"][key]]
        return walked

    def url(self, prefix=""):
        return f"s3://{self.name}{prefix}?endpoint={self.server.endpoint}"


class Server:
    made = 0  # Buckets, on all servers: one of them serves all tests.

    def __init__(self, kind, process):
        self.kind, self.process, self.endpoint = kind, process, process.endpoint
        self.filled_count = 0  # What a test's buckets hold hangs on no other test.

    def bucket(self):
        """A name that no other test has."""
        Server.made += 1
        return Bucket(self, f"bucket-{Server.made}")

    def filled(self, *options):
        bucket = self.bucket()
        odd = ["odd"] if self.kind != "versitygw" else []
        self.filled_count += 1
        bucket.tool("make", str(self.filled_count), *odd, *options)
        return bucket


@pytest.fixture(name="ceph", scope="module")
def fixture_ceph():
    server = s3_servers.start_rgw()
    yield server
    server.stop()


# One for each test: moto keeps a copy of every object on the disk for every listing of versions, 30 GB for this file.
# But Ceph takes a while to start.
@pytest.fixture(name="server", params=["versitygw", "moto", pytest.param("rgw", marks=pytest.mark.long)])
def fixture_server(request):
    is_shared = request.param == "rgw"
    server = request.getfixturevalue("ceph") if is_shared else s3_servers.STARTS[request.param]()
    yield Server(request.param, server)
    if not is_shared:
        server.stop()


@pytest.fixture(name="user")
def fixture_user(binary, place):
    return s3_servers.make_user(binary, place)


def differences(before, after):
    """What differs between two walks, readable."""
    found = []
    for key in sorted(set(before) | set(after)):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if old is None or new is None or len(old) != len(new):
            found.append(f"{key!r}: {len(old or [])} versions before, {len(new or [])} after")
            continue
        for number, (one, other) in enumerate(zip(old, new)):
            fields = [field for field in sorted(set(one) | set(other)) if one.get(field) != other.get(field)]
            found += [f"{key!r} version {number} {field}: {one.get(field)!r} became {other.get(field)!r}"
                      for field in fields]
    return found


def restore(user, point, bucket, *options, prefix="", **more):
    """The summary of a restore."""
    return user.run("restore", "--json", point, "--to", bucket.url(prefix), *options, **more).lines()[-1]


def current(keys):
    """The newest state of each key that is not deleted."""
    return {key: versions[-1:] for key, versions in keys.items() if versions and "marker" not in versions[-1]}


def same(before, after):
    found = differences(before, after)
    assert not found, "\n".join(found)


def back_up(user, bucket, *arguments):
    """The summary. Everything is stored, and nothing is missing but what moto fails to tell (HTTP 500): locks, where
    there are none."""
    is_moto = bucket.server.kind == "moto"
    lines = user.run("backup", "--json", *arguments, bucket.url(), expect=(DONE, SKIPS) if is_moto else DONE).lines()
    skips = [line for line in lines if line["type"] == "skip"]
    assert all("stored without its lock, as all" in skip["message"] for skip in skips), skips
    assert len(skips) <= 1 and lines[-1]["skipped"] == len(skips)
    return lines[-1]


def test_every_version_comes_back_in_a_new_bucket(server, user):
    bucket = server.filled("lock")
    bucket.tool("configure")
    before = bucket.walk()
    point = back_up(user, bucket)
    user.run("verify", "--data")
    copy = server.bucket()
    outcome = user.run("restore", "--json", point["recovery_point_id"], "--to", copy.url()).lines()
    after = copy.walk()
    same(before["keys"], after["keys"])
    assert outcome[-1]["skipped"] == 0
    remarks = {line["what"] for line in outcome if line["type"] == "remark"}
    etags = {"versions have another ETag"} if server.kind == "rgw" else set()
    assert remarks == {"versions have a new date and version id"} | etags
    assert after["configuration"] == json.loads(json.dumps(before["configuration"]).replace(bucket.name, copy.name))
    # Once more over what is there: nothing to do, but for what has another ETag now and is not known again by it.
    again = restore(user, point["recovery_point_id"], copy)
    unknown = {"parts/three", "parts/uneven"} if server.kind == "rgw" else set()
    assert again["kept"] == again["entries"] - len(unknown), again
    assert (again["bytes_written"] == 0) == (not unknown), again
    known = {key: versions for key, versions in after["keys"].items() if key not in unknown}
    same(known, {key: versions for key, versions in copy.walk()["keys"].items() if key not in unknown})


def test_an_unchanged_bucket_costs_no_object_requests(server, user):
    bucket = server.filled()
    first = back_up(user, bucket)
    second = back_up(user, bucket)
    assert (second["new"], second["changed"], second["bytes_read"]) == (0, 0, 0), second
    assert second["unchanged"] == first["new"]


def test_a_bucket_goes_back_to_what_it_was_in_place(server, user):
    bucket = server.filled()
    before = bucket.walk()
    first = back_up(user, bucket)
    bucket.tool("change")
    changed = bucket.walk()
    second = back_up(user, bucket)
    assert second["new"] >= 4 and second["changed"] == 0, second  # versitygw dates what is replaced anew.
    restored = restore(user, first["recovery_point_id"], bucket, "--delete")
    assert restored["skipped"] == 0
    after = bucket.walk()
    same(current(before["keys"]), current(after["keys"]))
    for key, versions in changed["keys"].items():  # Nothing that was there is gone.
        assert after["keys"][key][:len(versions)] == versions, key
    # The newest state once more where it was covered, and a marker over what the point does not have.
    assert sum(len(versions) for versions in after["keys"].values()) == sum(map(len, changed["keys"].values())) + 4


@pytest.mark.parametrize("server", ["moto"], indirect=True)  # versitygw has no classes.
def test_delete_spares_what_the_backup_could_not_read(server, user):
    bucket = server.filled()
    bucket.tool("archive", "cold")
    point = user.run("backup", "--json", bucket.url(), expect=SKIPS).lines()[-1]
    bucket.tool("put", "extra", "x")
    restore(user, point["recovery_point_id"], bucket, "--delete")
    markers = {key: json.loads(bucket.tool("markers", key)) for key in ("cold", "extra")}
    assert markers == {"cold": [False], "extra": [True, False]}


# versitygw dates a version anew when it is replaced: nobody could tell what was current when.
@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_a_bucket_that_lost_everything_is_restored_to_a_moment(server, user):
    bucket = server.filled()
    bucket.tool("wait")  # Versions are known by whole seconds.
    moment = bucket.tool("now").strip()
    before = bucket.walk()
    bucket.tool("wait")
    bucket.tool("change")
    point = back_up(user, bucket)
    bucket.tool("empty")
    assert bucket.walk()["keys"] == {}
    restore(user, point["recovery_point_id"], bucket, "--at", moment)
    after = bucket.walk()["keys"]
    same(current(before["keys"]), current(after))
    assert all(len(versions) == 1 for versions in after.values())


def test_a_key_a_version_and_a_prefix_are_restored_alone(server, user):
    bucket = server.filled()
    before = bucket.walk()["keys"]
    point = back_up(user, bucket)["recovery_point_id"]
    copy = server.bucket()
    restore(user, f"{point}:history", copy)
    restore(user, f"{point}:parts/", copy, prefix="/beneath")
    after = copy.walk()["keys"]
    same({"history": before["history"], **{f"beneath/{key}": before[key] for key in before if key.startswith("parts/")}},
         after)
    oldest = bucket.tool("oldest", "history").strip()
    other = server.bucket()
    restore(user, f"{point}:history", other, "--version-id", oldest)
    same({"history": before["history"][:1]}, other.walk()["keys"])
    assert "no such key" in user.run("restore", f"{point}:nothing", "--to", copy.url(), expect=FAILED).errors


def test_a_bucket_without_versions(server, user):
    bucket = server.filled("plain")
    before = bucket.walk()["keys"]
    first = back_up(user, bucket)
    bucket.tool("put", "a", "changed")
    second = back_up(user, bucket)
    assert (second["new"], second["changed"]) == (1, 0), second
    bucket.tool("put", "a.b", "worse")
    restore(user, first["recovery_point_id"], bucket)
    same(before, bucket.walk()["keys"])


def test_a_dry_run_changes_nothing(server, user, place):
    bucket = server.filled()
    assert user.run("backup", "--json", "--dry-run", bucket.url()).lines()[-1]["new"] > 0
    point = back_up(user, bucket)["recovery_point_id"]
    before = bucket.walk()
    bucket.tool("change")
    changed = bucket.walk()
    plan = restore(user, point, bucket, "--dry-run", "--delete")
    assert plan["bytes_written"] > 0
    same(changed["keys"], bucket.walk()["keys"])
    absent = server.bucket()
    # Every bucket of Ceph's has a setting that says of public access that it is not blocked.
    settings = 1 if server.kind == "rgw" else 0
    assert restore(user, point, absent, "--dry-run")["entries"] == sum(map(len, before["keys"].values())) + settings
    # Nor does who asks for what is not there, or may not read it.
    user.run("restore", f"{point}:nothing", "--to", absent.url(), expect=FAILED)
    user.run("restore", f"{point}:history", "--version-id", "none", "--to", absent.url(), expect=FAILED)
    user.run("key", "agent", "worker", "--output", f"{place}/credential")
    agent = Holdfast(user.binary, f"{place}/agent", user.vault, password=None)
    agent.environment.update({name: value for name, value in user.environment.items() if name.startswith("AWS_")},
                             HOLDFAST_KEY_FILE=f"{place}/credential")
    agent.run("backup", bucket.url(), expect=(DONE, SKIPS))
    agent.run("restore", "latest", "--to", absent.url(), expect=REFUSED)
    assert absent.name not in absent.tool("buckets").split()


def test_current_versions_only(server, user):
    bucket = server.filled()
    before = bucket.walk()["keys"]
    point = back_up(user, bucket, "--current-only")
    copy = server.bucket()
    restore(user, point["recovery_point_id"], copy)
    same(current(before), copy.walk()["keys"])


def test_files_and_buckets_are_not_mixed_up(server, user, plain):
    point = user.backup(plain)["recovery_point_id"]
    assert "into a bucket" in user.run("restore", point, "--to", server.bucket().url(), expect=FAILED).errors
    bucket = server.filled()
    point = back_up(user, bucket)["recovery_point_id"]
    for option in (["--delete"], ["--version-id", "x"]):
        user.run("restore", f"{point}:a", "--to", "/nowhere", *option, expect=FAILED)
    assert "there is no bucket" in user.run("backup", server.bucket().url(), expect=FAILED).errors


def as_files(keys):
    """What of these keys can be files, by path, and the names that cannot be there."""
    files, impossible = {}, set()
    for key, versions in current(keys).items():
        *folders, name = parts = key.split("/")
        bad = [at for at, part in enumerate(parts if name else folders)
               if part in ("", ".", "..") or len(part.encode()) > 255]
        if bad:
            impossible.add("/".join(parts[:bad[0] + 1]))
        elif any(other.startswith(key + "/") for other in current(keys)) or (not name and versions[0]["size"] > 0):
            impossible.add(key)
        elif name:
            files[key] = versions[0]["sha256"]
    return files, len(impossible)


def files_beneath(folder):
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def test_current_objects_as_files_in_a_folder_a_tar_archive_and_a_mount(server, user, place):
    bucket = server.filled()
    expected, left_out = as_files(bucket.walk()["keys"])
    assert (left_out > 0) == (server.kind != "versitygw")
    point = back_up(user, bucket)["recovery_point_id"]
    code = SKIPS if left_out else DONE

    summary = user.run("restore", "--json", point, "--to", f"{place}/out", expect=code).lines()[-1]
    assert summary["skipped"] == left_out and files_beneath(f"{place}/out") == expected
    user.run("restore", f"{point}:folder", "--to", f"{place}/part")
    assert set(files_beneath(f"{place}/part")) == {"b", "sub/c"}
    user.run("restore", point, "--to", f"{place}/then", "--at", "2001-01-01T00:00:00Z")
    assert not files_beneath(f"{place}/then")

    user.run("export", point, "--output", f"{place}/objects.tar", expect=code)
    with tarfile.open(f"{place}/objects.tar") as archive:
        told = {one.name: hashlib.sha256(archive.extractfile(one).read()).hexdigest() for one in archive if one.isfile()}
    assert told == expected

    if not os.path.exists("/dev/fuse"):
        return
    os.mkdir(f"{place}/mounted")
    process = user.start("mount", f"{place}/mounted")
    try:
        wait_until(lambda: os.path.ismount(f"{place}/mounted") or process.poll() is not None, "the mount")
        assert files_beneath(f"{place}/mounted/latest/") == expected
    finally:
        subprocess.run([shutil.which("fusermount3") or "fusermount", "-u", f"{place}/mounted"], check=False)
        stop(process, signal.SIGKILL)
