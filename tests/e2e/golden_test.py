# SPDX-License-Identifier: Apache-2.0
"""The golden vaults: what earlier programs wrote, this one opens by every kind of key, lists, verifies, restores, and goes
on with. docs/format.md 14: version 1 is frozen, so a failure here is a fault of the program and never of the vault."""

import base64
import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import s3_servers
import tree_walker
from conftest import REPOSITORY, make_place
from holdfast import DAMAGED, REFUSED, Holdfast
from tree_maker import remove

GOLDEN = sorted((REPOSITORY / "tests/compat/golden").glob("*.tar.xz"))
ADVICE = "a golden vault is not read as it was written: mend the program, never the vault"
# What only root can restore.
ROOT_FIELDS = () if os.geteuid() == 0 else ("uid", "gid", "mode", "xattrs", "rdev", "flags")
ROOT_TYPES = () if os.geteuid() == 0 else ("char", "block", "socket")
ALMOST = (0, 3) if ROOT_FIELDS else 0


class Opened:
    """A golden vault unpacked, and how to open it."""

    def __init__(self, binary, archive):
        self.binary, self.place, self.server = binary, make_place(), None
        with tarfile.open(archive) as packed:
            packed.extractall(self.place)
        self.manifest = json.loads(Path(self.place, "manifest.json").read_text(encoding="utf-8"))
        vault = self.manifest["vault"].replace("PLACE", self.place)
        if "ENDPOINT" in vault:
            self.server = s3_servers.start_versitygw()
            self.load_objects()
            vault = vault.replace("ENDPOINT", self.server.endpoint)
        self.vault = vault
        self.user = self.open_with(HOLDFAST_PASSWORD=self.secret("password"))

    def load_objects(self):
        boto3, botocore = s3_servers.import_boto3()
        s3 = boto3.client("s3", endpoint_url=self.server.endpoint, region_name="us-east-1",
                          aws_access_key_id=s3_servers.ACCESS_KEY, aws_secret_access_key=s3_servers.SECRET_KEY,
                          config=botocore.config.Config(s3={"addressing_style": "path"}))
        objects = json.loads(Path(self.place, "vault/objects.json").read_text(encoding="utf-8"))
        for key, one in objects.items():
            s3.put_object(Bucket=s3_servers.BUCKET, Key=key, Body=base64.b64decode(one["bytes"]), Metadata=one["metadata"])

    def close(self):
        if self.server:
            self.server.stop()
        remove(self.place)

    def secret(self, name):
        return self.manifest["secrets"][name]

    def open_with(self, **environment):
        user = Holdfast(self.binary, self.place, self.vault, password=None)
        keys = s3_servers.aws_environment()
        user.environment.update({name: keys[name] for name in keys if name != "PATH"})
        user.environment.update(environment)
        return user

    def file(self, secret):
        path = Path(self.place) / secret
        path.write_text(self.secret(secret), encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    def home_of(self, name):
        os.mkdir(f"{self.place}/home-{name}")
        return {"HOME": f"{self.place}/home-{name}", "XDG_STATE_HOME": f"{self.place}/home-{name}/state",
                "XDG_CACHE_HOME": f"{self.place}/home-{name}/cache"}

    def expect_tree(self, point, folder, changed=()):
        expected = {entry["path"]: entry for entry in point["entries"]}
        actual = tree_walker.walk(folder)
        expected, actual = ({path: entry for path, entry in tree.items()
                             if entry["type"] not in ROOT_TYPES and path not in changed} for tree in (expected, actual))
        assert tree_walker.compare(expected, actual, ignore=ROOT_FIELDS) == [], f"{ADVICE}: point {point['id']}"


@pytest.fixture(name="golden", params=GOLDEN, ids=lambda path: path.name.split(".")[0], scope="module")
def fixture_golden(request, binary):
    """For what only reads."""
    golden = Opened(binary, request.param)
    yield golden
    golden.close()


@pytest.fixture(name="copy", params=GOLDEN, ids=lambda path: path.name.split(".")[0])
def fixture_copy(request, binary):
    """For what writes."""
    golden = Opened(binary, request.param)
    yield golden
    golden.close()


def says(expected, actual):
    """Whether the lines are those that were recorded; they may have more fields."""
    return len(expected) == len(actual) and all(
        {name: now.get(name) for name in then} == then for then, now in zip(expected, actual))


def files_in(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in Path(folder).rglob("*") if path.is_file()}


def test_every_form_of_a_vault_is_there():
    names = {path.name.split(".")[0] for path in GOLDEN}
    assert {"rich-1", "log-1", "cleared-1", "parity-1", "devices-1", "archive-1", "bucket-1"} <= names


def test_commands_say_what_they_said(golden):
    assert says(golden.manifest["listed"], golden.user.points()), ADVICE
    for said in golden.manifest["said"]:
        outcome = golden.user.run(*said["arguments"], *(["--json"] if "lines" in said else []))
        if "lines" in said:
            assert says(said["lines"], outcome.lines()), f"{ADVICE}: {said['arguments']}"
        else:
            assert hashlib.sha256(outcome.out).hexdigest() == said["sha256"], f"{ADVICE}: {said['arguments']}"


def test_it_is_verified_whole(golden):
    outcome = golden.user.run("verify", "--data", "--json", expect=(0, 1, 10, 12, 20))
    assert outcome.code == 0, f"{ADVICE}\n{outcome.text}{outcome.errors}"


def test_every_point_is_restored_as_it_was(golden):
    for number, point in enumerate(golden.manifest["points"]):
        to = f"{golden.place}/back-{number}"
        golden.user.restore(f"{point['id']}:{point['tree']}", to, expect=ALMOST)
        golden.expect_tree(point, to)
    for kind, bucket in golden.manifest["buckets"].items():
        to = f"{golden.place}/files-{kind}"
        golden.user.restore(bucket["id"], to, expect=(0, 3))
        assert files_in(to) == bucket["files"], f"{ADVICE}: the bucket of {kind}"


def test_it_is_recovered_without_an_index(golden):
    to = f"{golden.place}/recovered"
    # Keys that no file can have are told as lost; so is what only root restores.
    outcome = golden.user.run("recover", "--all", "--json", "--to", to, expect=(0, DAMAGED))
    assert outcome.code == 0 or ROOT_FIELDS or golden.manifest["buckets"], outcome.text
    folders = {point["recovery_point_id"]: point["directory"] for point in outcome.lines() if point["type"] == "point"}
    assert set(folders) == {point["id"] for point in golden.manifest["listed"]}
    for point in golden.manifest["points"]:
        golden.expect_tree(point, folders[point["id"]] + point["tree"])
    for kind, bucket in golden.manifest["buckets"].items():
        assert files_in(folders[bucket["id"]]) == bucket["files"], f"{ADVICE}: the bucket of {kind}"


def test_it_goes_on_being_used(copy, plain):
    if copy.vault.endswith(".holdfast"):
        assert "can only be read" in copy.user.run("backup", plain, expect=REFUSED).errors
        return
    left = copy.manifest["left"]
    if "held" in left:
        copy.user.run("forget", left["held"], expect=REFUSED)
        copy.user.run("hold", "remove", left["held"], "--name", "case 17")
        copy.user.run("forget", left["held"], expect=REFUSED)  # The lock is still there.
        copy.user.run("vault", "lock", "--off")
        copy.user.run("undelete", left["forgotten"])
    first, last = copy.manifest["points"][0], copy.manifest["points"][-1]
    shutil.copytree(plain, f"{copy.place}/again")
    copy.user.backup("--host", "golden", plain)
    copy.user.backup("--host", "golden", f"{copy.place}/again")
    if first is not last:
        copy.user.run("forget", first["id"])
    for _ in range(2):
        copy.user.run("collect", "--keep-deleted", "0")
    if copy.vault.startswith("devices:"):
        copy.user.run("scrub")
    copy.user.restore(f"{last['id']}:{last['tree']}", f"{copy.place}/back", expect=ALMOST)
    copy.expect_tree(last, f"{copy.place}/back")
    go_on_from(copy, last)
    copy.user.run("verify", "--data")


def go_on_from(copy, point):
    """Backs up what stands in a point of then, where it stood then: so it is compared with that point's entries, and built
    upon its trees."""
    tree = point["tree"]
    assert not os.path.exists(os.path.dirname(tree)), tree
    try:
        os.makedirs(os.path.dirname(tree))
        copy.user.restore(f"{point['id']}:{tree}", tree, expect=ALMOST)
        Path(f"{tree}/one more").write_bytes(b"since then\n" * 500)
        summary = copy.user.backup("--host", "golden", "--parent", point["id"], tree)
        # Inodes are others than then, so all is read; but it is there.
        assert summary["new"] == 1 and summary["bytes_stored"] < 20_000, (ADVICE, summary)
        lines = copy.user.run("diff", point["id"], summary["recovery_point_id"], tree, "--json").lines()
        # Of hard links only that they belong together stays the same.
        linked = {f"{tree}/{one['path']}" for one in point["entries"] if one.get("links")}
        changes = {line["path"]: line["modifier"] for line in lines if line["type"] == "change"}
        others = {path: modifier for path, modifier in changes.items() if path not in linked or modifier != "U"}
        assert ROOT_FIELDS or others == {tree: "U", f"{tree}/one more": "+"}, (ADVICE, others)
        to = f"{copy.place}/on-top"
        copy.user.restore(f"{summary['recovery_point_id']}:{tree}", to, expect=ALMOST)
        copy.expect_tree(point, to, changed=(".", "one more"))
    finally:
        remove(os.path.dirname(tree))


@pytest.fixture(name="rich")
def fixture_rich(binary):
    golden = Opened(binary, REPOSITORY / "tests/compat/golden/rich-1.tar.xz")
    yield golden
    golden.close()


def test_every_kind_of_key_opens_it(rich):
    keys = {"password": {"HOLDFAST_PASSWORD": rich.secret("second_password")},
            "recovery": {"HOLDFAST_RECOVERY_KEY_FILE": rich.file("recovery_key")},
            "kit": {"HOLDFAST_KEY_FILE": rich.file("key_file")},
            "sweeper": {"HOLDFAST_KEY_FILE": rich.file("sweeper_credential")},
            "web": {"HOLDFAST_KEY_FILE": rich.file("web_credential")},
            "guest": {"HOLDFAST_KEY_FILE": rich.file("guest_credential")}}
    domains = {"web": 2, "guest": 1}
    for name, environment in keys.items():
        ids = [point["id"] for point in rich.open_with(**environment, **rich.home_of(name)).points()]
        listed = [point["id"] for point in rich.manifest["listed"]
                  if name not in domains or point["domain"] == domains[name]]
        assert ids == listed and ids, f"{ADVICE}: key {name}"
    removed = rich.open_with(HOLDFAST_KEY_FILE=rich.file("gone_credential"), **rich.home_of("gone"))
    removed.run("points", expect=12)


def test_agents_go_on_with_their_credentials(rich, plain):
    for name in ("web", "guest"):
        agent = rich.open_with(HOLDFAST_KEY_FILE=rich.file(f"{name}_credential"), **rich.home_of(name))
        agent.backup("--host", name, plain)
    rich.user.run("verify", "--data")
