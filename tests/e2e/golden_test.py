# SPDX-License-Identifier: Apache-2.0
"""The golden vaults: what earlier programs wrote, this one opens by every kind of key, verifies and restores.

Until the format is frozen, a change of it makes the golden vault anew: `tests/compat/make_golden.py`, in the same commit.
"""

import json
import os
import tarfile
from pathlib import Path

import pytest
import tree_walker
from conftest import REPOSITORY
from holdfast import Holdfast

GOLDEN = sorted((REPOSITORY / "tests/compat/golden").glob("*.tar.xz"))
ADVICE = ("the golden vault is not read as it was written. If the format was changed on purpose (it is not frozen yet), "
          "run tests/compat/make_golden.py and commit what it makes; otherwise a fault was found")
# What only root can restore.
ROOT_FIELDS = () if os.geteuid() == 0 else ("uid", "gid", "mode", "xattrs", "rdev")
ROOT_TYPES = () if os.geteuid() == 0 else ("char", "block", "socket")


class Opened:
    """A golden vault unpacked, and how to open it."""

    def __init__(self, binary, archive, place):
        with tarfile.open(archive) as packed:
            packed.extractall(place)
        self.binary = binary
        self.place = place
        self.manifest = json.loads((Path(place) / "manifest.json").read_text(encoding="utf-8"))
        self.user = self.open_with(HOLDFAST_PASSWORD=self.secret("password"))

    def secret(self, name):
        return self.manifest["secrets"][name]

    def open_with(self, **environment):
        user = Holdfast(self.binary, self.place, f"{self.place}/vault", password=None)
        user.environment.update(environment)
        return user

    def file(self, secret):
        path = Path(self.place) / secret
        path.write_text(self.secret(secret), encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    def home_of(self, name):
        os.mkdir(f"{self.place}/{name}")
        return {"HOME": f"{self.place}/{name}", "XDG_STATE_HOME": f"{self.place}/{name}/state",
                "XDG_CACHE_HOME": f"{self.place}/{name}/cache"}


@pytest.fixture(name="golden", params=GOLDEN, ids=lambda path: path.name)
def fixture_golden(request, binary, place):
    return Opened(binary, request.param, place)


def test_there_is_a_golden_vault():
    assert GOLDEN


def test_its_points_are_listed_as_they_were(golden):
    assert golden.user.points() == golden.manifest["listed"], ADVICE


def test_it_is_verified_whole(golden):
    outcome = golden.user.run("verify", "--data", "--json", expect=(0, 1, 10, 12, 20))
    assert outcome.code == 0, f"{ADVICE}\n{outcome.text}{outcome.errors}"


def test_every_point_is_restored_as_it_was(golden):
    for number, point in enumerate(golden.manifest["points"]):
        to = f"{golden.place}/back-{number}"
        golden.user.restore(f"{point['id']}:{point['tree']}", to, expect=(0, 3) if ROOT_FIELDS else 0)
        expected = {entry["path"]: entry for entry in point["entries"] if entry["type"] not in ROOT_TYPES}
        actual = {path: entry for path, entry in tree_walker.walk(to).items() if entry["type"] not in ROOT_TYPES}
        assert tree_walker.compare(expected, actual, ignore=ROOT_FIELDS) == [], f"{ADVICE}: point {point['id']}"


def test_every_kind_of_key_opens_it(golden):
    keys = {"password": {"HOLDFAST_PASSWORD": golden.secret("second_password")},
            "recovery": {"HOLDFAST_RECOVERY_KEY_FILE": golden.file("recovery_key")},
            "kit": {"HOLDFAST_KEY_FILE": golden.file("key_file")},
            "sweeper": {"HOLDFAST_KEY_FILE": golden.file("sweeper_credential")},
            "web": {"HOLDFAST_KEY_FILE": golden.file("web_credential")}}
    for name, environment in keys.items():
        ids = [point["id"] for point in golden.open_with(**environment, **golden.home_of(name)).points()]
        listed = [point["id"] for point in golden.manifest["listed"]
                  if name != "web" or point["host"] == "web"]
        assert ids == listed and ids, f"{ADVICE}: key {name}"
    removed = golden.open_with(HOLDFAST_KEY_FILE=golden.file("gone_credential"), **golden.home_of("gone"))
    removed.run("points", expect=12)


def test_it_goes_on_being_used(golden, plain):
    golden.user.backup(plain)
    golden.user.run("forget", golden.manifest["points"][0]["id"])
    golden.user.run("collect")
    golden.user.run("verify", "--data")
    last = golden.manifest["points"][-1]
    golden.user.restore(f"{last['id']}:{last['tree']}", f"{golden.place}/again", expect=(0, 3) if ROOT_FIELDS else 0)
