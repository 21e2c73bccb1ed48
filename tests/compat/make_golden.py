#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes golden vaults: small vaults of today's format, what was backed up as witnesses recorded it, what each command that
reads says of it, and the secrets that open it. Needs root, for devices and owners, and the servers of `scripts/deps test`.

    tests/compat/make_golden.py [--binary build/release/holdfast] [NAME...]

Makes those that are not there yet, and adds them to tests/compat/golden/SHA256SUMS. One that is there is never made anew:
every later program must read it as it stands. What is new in the format gets a golden vault of another name.
tests/e2e/golden_test.py reads them.
"""

import argparse
import base64
import glob
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
GOLDEN = HERE / "golden"
sys.path.insert(0, str(REPOSITORY / "tests/e2e"))
import s3_servers  # noqa: E402
import tree_maker  # noqa: E402
import tree_walker  # noqa: E402
from holdfast import PASSWORD, Holdfast, stop, wait_until  # noqa: E402

SECOND_PASSWORD = "a second one: ünïcode and blanks "
CHEAP = ("--kdf-memory", "1", "--kdf-iterations", "1")
RECIPIENT = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
# Where the vault is, and what time changes.
VOLATILE = ("store", "points_kept", "points_overdue")
KIND_AT = 82  # In a log record.
FAKETIME = sorted(glob.glob("/usr/lib/*/faketime/libfaketime.so.1"))
COMPRESSIONS = ("fast", "auto", "better", "max")


def make_small_tree(root, seed):
    """A few files, some in a bundle, one in chunks."""
    chance = random.Random(seed)
    os.makedirs(f"{root}/sub")
    for number in range(5):
        Path(f"{root}/sub/{number}").write_bytes(chance.randbytes(number * 300))
    Path(f"{root}/text").write_bytes(b"all work and no play\n" * 300)
    Path(f"{root}/in chunks").write_bytes(bytes(chance.choices(b"acgt", k=70_000)))
    os.symlink("text", f"{root}/link")


def make_rich_tree(root):
    """Every kind of thing, in few bytes."""
    maker = tree_maker.Maker(root, seed=1)
    os.mkdir(root)
    for part in (maker.names, maker.symlinks, maker.specials, maker.modes, maker.owners, maker.moments,
                 maker.attributes, maker.flagged):
        part()
    maker.deep(levels=3)
    maker.folder(b"content")
    maker.file(b"content", b"empty", size=0)
    maker.file(b"content", b"text", content=b"all work and no play\n" * 20_000)
    maker.file(b"content", b"chunks", content=bytes(random.Random(3).choices(b"acgt", k=70_000)))
    maker.file(b"content", b"zeros", content=bytes(1_000_000))
    maker.file(b"content", b"repeats", content=(b"x" * 997 + b"\n") * 1500)
    maker.holes(maker.path(b"content", b"sparse"), 5 << 20, [(1 << 20, 5000), (3_000_001, 99)])
    # More than 32 extents: its content is a tree.
    maker.holes(maker.path(b"content", b"many-extents"), 80 << 17, [(at << 17, 40) for at in range(80)])
    maker.folder(b"links")
    for name, size in ((b"first", 3_000), (b"empty", 0)):
        os.link(maker.file(b"links", name, size=size), maker.path(b"links", name + b" too"))
    os.symlink(b"target", maker.path(b"links", b"symlink"))
    os.link(maker.path(b"links", b"symlink"), maker.path(b"links", b"symlink too"), follow_symlinks=False)
    os.mkfifo(maker.path(b"links", b"fifo"))
    os.link(maker.path(b"links", b"fifo"), maker.path(b"links", b"fifo too"))
    maker.finish()
    assert not maker.left_out, f"this machine cannot make: {maker.left_out}"


def leave_a_session(user):
    """Of a backup that was killed while it waited for what it was to store."""
    before = len(user.objects())
    process = user.start("backup", "--stdin", stdin=subprocess.PIPE)
    wait_until(lambda: len(user.objects()) > before, "the session's record")
    stop(process, signal.SIGKILL)


class Golden:
    """One vault on its way into the archive. `vault` is its URL, in which PLACE stands for where it is unpacked."""

    def __init__(self, binary, place, vault="PLACE/vault"):
        self.binary, self.place = binary, place
        os.makedirs(f"{place}/vault" if vault != "PLACE/vault" else place, exist_ok=True)
        self.vault = vault
        self.user = Holdfast(binary, place, vault.replace("PLACE", place))
        self.points, self.said, self.left, self.buckets = [], [], {}, {}
        self.secrets = {"password": PASSWORD}

    def create(self, *arguments):
        self.user.create(*CHEAP, *arguments)

    def backup(self, tree, *arguments, user=None):
        record = tree_walker.walk(tree)
        summary = (user or self.user).backup(*arguments, tree)
        assert summary["skipped"] == 0, summary
        self.points.append({"id": summary["recovery_point_id"], "tree": tree, "entries": list(record.values())})
        return summary["recovery_point_id"]

    def forget(self, point):
        self.user.run("forget", point)
        self.points = [one for one in self.points if one["id"] != point]

    def says(self, *arguments, user=None):
        """What the command says now every later program must say: no field of a line of JSON may be missing or another,
        more may come."""
        lines = (user or self.user).run(*arguments, "--json").lines()
        assert lines, arguments
        lines = [{name: value for name, value in line.items() if name not in VOLATILE} for line in lines]
        self.said.append({"arguments": arguments, "lines": lines})

    def writes(self, *arguments):
        out = self.user.run(*arguments).out
        self.said.append({"arguments": arguments, "sha256": hashlib.sha256(out).hexdigest()})

    def look(self, tree, *names):
        """All that shows a file tree's points."""
        first, last = self.points[0]["id"], self.points[-1]["id"]
        for point in self.points:
            self.says("show", point["id"])
            self.says("ls", "-R", f"{point['id']}:{point['tree']}")
        for name in names:
            self.writes("cat", f"{last}:{tree}/{name}")
        self.says("find", "*t*", "--point", last)
        if first != last:
            self.says("diff", first, last)

    def archive(self, output):
        manifest = {"vault": self.vault, "points": self.points, "listed": self.user.points(), "said": self.said,
                    "buckets": self.buckets, "left": self.left, "secrets": self.secrets,
                    "made_by": self.user.run("version").text.strip()}
        with tarfile.open(output, "x:xz", preset=9) as archive:
            def add(name, content):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                archive.addfile(member, io.BytesIO(content))

            add("manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
            root = Path(self.place)
            for path in sorted(root.glob("vault/**/*")):
                if path.is_file():
                    add(str(path.relative_to(root)), path.read_bytes())


def make_rich(golden):
    """All keys and roles, every compression, what a collection leaves behind, and every kind of thing in a tree."""
    place, user = golden.place, golden.user
    tree, small = f"{place}/tree", f"{place}/small"
    make_rich_tree(tree)
    os.mkdir(small)
    Path(f"{small}/agents file").write_bytes(b"of the agent\n" * 1000)

    def change(number):
        Path(f"{tree}/content/added-{number}").write_bytes(bytes(random.Random(number).choices(b"acgt", k=2_000)))
        Path(f"{tree}/content/text").write_bytes(b"all work and %d play\n" % number * 20_000)

    def agent(name, *arguments, role="agent"):
        user.run("key", "agent", name, "--role", role, "--output", f"{place}/{name}.credential", *arguments)
        golden.secrets[f"{name}_credential"] = Path(f"{place}/{name}.credential").read_text(encoding="utf-8")
        os.mkdir(f"{place}/{name}")
        holder = Holdfast(golden.binary, f"{place}/{name}", user.vault, password=None)
        holder.environment["HOLDFAST_KEY_FILE"] = f"{place}/{name}.credential"
        return holder

    golden.create("--parity", "0")
    golden.secrets["second_password"] = SECOND_PASSWORD
    golden.secrets["recovery_key"] = user.run("key", "add", "--recovery", "--json").lines()[-1]["recovery_key"]
    user.run("key", "add", "--key-file-out", f"{place}/kit", "--name", "kit")
    golden.secrets["key_file"] = Path(f"{place}/kit").read_text(encoding="utf-8")
    user.run("key", "add", *CHEAP, "--name", "second", env={"HOLDFAST_NEW_PASSWORD": SECOND_PASSWORD})
    user.run("key", "add", "--recipient", RECIPIENT, "--name", "somebody")

    points = []
    for number, compression in enumerate(COMPRESSIONS):
        change(number)
        points.append(golden.backup(tree, "--compression", compression, "--host", "golden", "--tag", f"{compression},old",
                                    "--description", f"with {compression} compression"))
    golden.backup(small, "--host", "web", user=agent("web"))
    golden.backup(small, "--host", "guest", user=agent("guest", "--share-domain", "1"))
    sweeper = agent("sweeper", role="collector")
    user.run("key", "rotate")
    golden.forget(points[0])
    golden.forget(points[1])
    for _ in range(4):  # Repacks: records move, an origin is kept; segments are merged; packs condemned and purged.
        sweeper.run("collect", "--keep-deleted", "0")
    change(10)
    last = golden.backup(tree, "--host", "golden", "--tag", "after-rotation")
    golden.forget(points[2])
    sweeper.run("collect")  # Condemned, not removed;
    user.run("undelete", points[2])
    sweeper.run("collect", "--keep-deleted", "0")  # spared;
    user.run("forget", points[2])
    sweeper.run("collect")  # and condemned again.
    leave_a_session(user)
    sweeper.run("collect", "--fence", "all")
    golden.left["forgotten"] = points[2]
    gone = agent("gone")
    gone.backup("--host", "gone", small)
    key = [key for key in user.run("key", "list", "--json").lines() if key.get("name") == "gone"][0]
    user.run("key", "remove", key["id"])
    user.run("tag", points[3], "--add", "kept", "--remove", "old")
    user.run("backup", "--stdin", "--stdin-name", "dump.sql", stdin=b"select 1;\n" * 5000)
    user.run("forget", last)
    user.run("undelete", last)
    user.run("hold", "add", last, "--name", "case 17")
    user.run("hold", "add", points[3], "--name", "case 18")
    user.run("hold", "remove", points[3], "--name", "case 18")
    user.run("vault", "lock", "--governance", "--min-days", "36500")
    golden.left["held"] = last
    golden.look(tree, "content/text", "content/chunks", "content/many-extents")
    for command in (("key", "list"), ("hold", "list"), ("vault", "lock"), ("vault", "info")):
        golden.says(*command)
    # The checkpoint, 14, and clearing, 10, are other vaults'.
    kinds = {path.read_bytes()[KIND_AT] for path in Path(f"{place}/vault/log").rglob("0*") if path.is_file()}
    assert kinds == set(range(1, 14)) - {10}, kinds


def make_log(golden):
    """A log so long that a collection sums it up in a state object, and records behind that."""
    tree = f"{golden.place}/tree"
    os.mkdir(tree)
    Path(f"{tree}/file").write_bytes(b"of a long log\n")
    golden.create("--parity", "0")
    point = golden.backup(tree, "--host", "golden")
    for number in range(270):
        golden.user.run("tag", point, "--set", f"{number:03}")
    golden.user.run("collect")
    assert list(Path(f"{golden.place}/vault/state").rglob("0*")), "no state object was made"
    golden.backup(tree, "--host", "golden", "--tag", "behind it")
    golden.look(tree, "file")


def make_cleared(golden):
    """A log that says of purged packs that nothing of them is left (10), as a collection may months later."""
    tree, user = f"{golden.place}/tree", golden.user

    def go_to(day):
        user.environment.update({"LD_PRELOAD": FAKETIME[0], "FAKETIME": f"-{120 - day}d", "DONT_FAKE_MONOTONIC": "1",
                                 "FAKETIME_DONT_FAKE_MONOTONIC": "1"})

    go_to(day=0)
    make_small_tree(tree, 15)
    golden.create("--parity", "0")
    first = golden.backup(tree, "--host", "golden")
    Path(f"{tree}/in chunks").write_bytes(bytes(random.Random(16).choices(b"acgt", k=70_000)))
    last = golden.backup(tree, "--host", "golden")
    golden.forget(first)
    for _ in range(2):
        user.run("collect", "--keep-deleted", "0")
    for day in range(8, 112, 8):  # No record moves the log's clock by more than eight days.
        go_to(day)
        user.run("tag", last, "--set", f"day {day}")
    user.run("collect", "--keep-deleted", "0")
    kinds = {path.read_bytes()[KIND_AT] for path in Path(f"{golden.place}/vault/log").rglob("0*") if path.is_file()}
    assert {7, 9, 10} <= kinds, kinds
    golden.look(tree, "text", "in chunks")


def make_bucket_objects(s3, name, is_moto):
    """Versions, markers, headers, tags, locks, parts; on moto odd keys and storage classes."""
    def put(key, body, **more):
        s3.put_object(Bucket=name, Key=key, Body=body, **more)

    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=not is_moto)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": "backup"}]})
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.org"]}]})
    locked = {} if is_moto else {"ObjectLockMode": "GOVERNANCE", "ObjectLockLegalHoldStatus": "ON",
                                 "ObjectLockRetainUntilDate": "2040-02-03T04:05:06Z"}
    put("rich", b"rich" * 100, CacheControl="no-cache", ContentDisposition="attachment; filename=\"a b\"",
        ContentLanguage="de-AT", ContentEncoding="x-none", ContentType="text/x-odd; charset=utf-8",
        WebsiteRedirectLocation="/there", Metadata={"color": "blue"}, Tagging="k=v&with%20blank=a%2Bb&empty=", **locked)
    for number in range(3):
        put("history", b"state %d" % number, Metadata={"round": str(number)})
    s3.delete_object(Bucket=name, Key="history")
    put("history", b"last state")
    put("deleted", b"was here")
    s3.delete_object(Bucket=name, Key="deleted")
    put("folder/empty", b"")
    put("folder/umlaut-\u00e4\u20ac\U0001f600", b"unicode")
    put("checked", b"checked" * 20, ChecksumAlgorithm="SHA256")
    upload = s3.create_multipart_upload(Bucket=name, Key="parts", ContentType="a/b")["UploadId"]
    parts = []
    for number, body in enumerate((bytes(5 << 20), b"the rest"), 1):
        done = s3.upload_part(Bucket=name, Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    s3.complete_multipart_upload(Bucket=name, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    if is_moto:
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls={"Rules": [
            {"ObjectOwnership": "BucketOwnerEnforced"}]})
        for key in ("/leading", "double//slash", "ends/", "../up", "a\x01b", "k" * 1024):
            put(key, key.encode())
        put("colder", b"colder", StorageClass="STANDARD_IA")


def client_of(server):
    boto3, botocore = s3_servers.import_boto3()
    return boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1",
                        aws_access_key_id=s3_servers.ACCESS_KEY, aws_secret_access_key=s3_servers.SECRET_KEY,
                        config=botocore.config.Config(s3={"addressing_style": "path"}))


def make_parity(golden):
    """A folder with parity, as made without a word, and in it points of buckets."""
    tree = f"{golden.place}/tree"
    make_small_tree(tree, 11)
    golden.create()
    golden.backup(tree, "--host", "golden")
    golden.look(tree, "text", "in chunks")
    for kind, start in (("versitygw", s3_servers.start_versitygw), ("moto", s3_servers.start_moto)):
        server = start()
        try:
            name = f"golden-{kind}"
            make_bucket_objects(client_of(server), name, kind == "moto")
            keys = s3_servers.aws_environment()
            golden.user.environment.update({name: keys[name] for name in keys if name != "PATH"})
            summary = golden.user.backup("--host", "golden", f"s3://{name}?endpoint={server.endpoint}", expect=(0, 3))
            assert summary["skipped"] == 0 or kind == "moto", summary
        finally:
            server.stop()
        point = summary["recovery_point_id"]
        golden.says("show", point)
        golden.says("ls", "--versions", "-l", point)
        golden.says("find", "*", "--point", point)
        golden.writes("cat", f"{point}:history")
        to = f"{golden.place}/files-{kind}"
        golden.user.restore(point, to, expect=(0, 3))
        files = {str(path.relative_to(to)): hashlib.sha256(path.read_bytes()).hexdigest()
                 for path in Path(to).rglob("*") if path.is_file()}
        golden.buckets[kind] = {"id": point, "files": files}


def make_devices(golden):
    """2 + 1 devices."""
    tree = f"{golden.place}/tree"
    make_small_tree(tree, 12)
    golden.create()
    golden.backup(tree, "--host", "golden")
    Path(f"{tree}/sub/added").write_bytes(b"later\n" * 300)
    golden.backup(tree, "--host", "golden", "--tag", "later")
    golden.look(tree, "text", "in chunks")


def make_archive(golden):
    """What 'export --archive' writes."""
    tree = f"{golden.place}/tree"
    make_small_tree(tree, 13)
    golden.user.vault = f"{golden.place}/source"
    golden.create()
    golden.backup(tree, "--host", "golden", "--tag", "exported")
    golden.user.run("export", "latest", "--archive", f"{golden.place}/vault/point.holdfast")
    golden.user.vault = golden.vault.replace("PLACE", golden.place)
    golden.points[0]["id"] = golden.user.points()[0]["id"]
    golden.look(tree, "text", "in chunks")


def make_bucket(golden):
    """A vault in a bucket, object by object, with the metadata that the store wrote."""
    tree = f"{golden.place}/tree"
    make_small_tree(tree, 14)
    server = s3_servers.start_versitygw()
    try:
        keys = s3_servers.aws_environment()
        golden.user.environment.update({name: keys[name] for name in keys if name != "PATH"})
        golden.user.vault = s3_servers.store_url(server.endpoint, "golden")
        golden.create()
        golden.backup(tree, "--host", "golden")
        Path(f"{tree}/sub/added").write_bytes(b"later\n" * 300)
        golden.backup(tree, "--host", "golden", "--tag", "later")
        golden.look(tree, "text", "in chunks")
        s3, objects = client_of(server), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=s3_servers.BUCKET):
            for one in page["Contents"]:
                got = s3.get_object(Bucket=s3_servers.BUCKET, Key=one["Key"])
                objects[one["Key"]] = {"metadata": got["Metadata"], "bytes": base64.b64encode(got["Body"].read()).decode()}
        listed = golden.user.points()
    finally:
        server.stop()
    Path(f"{golden.place}/vault/objects.json").write_text(json.dumps(objects, indent=1, sort_keys=True), encoding="utf-8")
    golden.user.points = lambda: listed


MAKERS = {
    "rich-1": (make_rich, "PLACE/vault"),
    "log-1": (make_log, "PLACE/vault"),
    "cleared-1": (make_cleared, "PLACE/vault"),
    "parity-1": (make_parity, "PLACE/vault"),
    "devices-1": (make_devices, "devices:PLACE/vault/a,PLACE/vault/b,PLACE/vault/c?data=2&parity=1"),
    "archive-1": (make_archive, "PLACE/vault/point.holdfast"),
    "bucket-1": (make_bucket, "s3://vaults/golden?endpoint=ENDPOINT"),
}


def make(name, binary):
    output = GOLDEN / f"{name}.tar.xz"
    maker, vault = MAKERS[name]
    place = os.path.realpath(tempfile.mkdtemp(prefix="holdfast-golden-"))
    try:
        golden = Golden(binary, place, vault)
        maker(golden)
        golden.archive(output)
    finally:
        tree_maker.remove(place)
        shutil.rmtree(place, ignore_errors=True)
    content = output.read_bytes()
    with open(GOLDEN / "SHA256SUMS", "a", encoding="utf-8") as sums:
        sums.write(f"{hashlib.sha256(content).hexdigest()}  {output.name}\n")
    print(f"{output}: {len(content)} bytes, {len(golden.points)} points, {len(golden.said)} answers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(REPOSITORY / "build/release/holdfast"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MAKERS)} (those that are not there)")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("make_golden: needs root, for devices and owners", file=sys.stderr)
        return 1
    GOLDEN.mkdir(exist_ok=True)
    for name in arguments.names or MAKERS:
        if (GOLDEN / f"{name}.tar.xz").exists():
            print(f"{name} is there, and stays as it is")
            continue
        make(name, str(Path(arguments.binary).resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
