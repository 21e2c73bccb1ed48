# SPDX-License-Identifier: Apache-2.0
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import s3_servers
import tree_maker
import tree_walker
from holdfast import Holdfast

REPOSITORY = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the tests that take minutes")
    parser.addoption("--seed", type=int, default=None, help="seed of the random tests")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long: run with --long"))


@pytest.fixture(name="counts")
def fixture_counts(request):
    """counts("faults", requests=3): how often the test did what. The run ends with the sums over all tests."""
    def tell(about, **numbers):
        request.node.user_properties.append(("counts", [about, numbers]))
    return tell


def pytest_terminal_summary(terminalreporter):
    sums = {}
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        for name, value in report.user_properties:
            if name == "counts":
                sums.setdefault(value[0], Counter()).update(value[1])
    for about, numbers in sums.items():
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in numbers.items())
        terminalreporter.write_line(f"counts: {about}: {told}")


@pytest.fixture(name="binary", scope="session")
def fixture_binary():
    binary = os.environ.get("HOLDFAST_BINARY", str(REPOSITORY / "build/release/holdfast"))
    assert os.access(binary, os.X_OK), f"no program at {binary}: build it, or set HOLDFAST_BINARY"
    return binary


@pytest.fixture(name="seed")
def fixture_seed(request):
    """A new seed a run, printed, so that a failure can be had again with --seed."""
    seed = request.config.getoption("--seed")
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return seed


def make_place():
    return os.path.realpath(tempfile.mkdtemp(prefix="holdfast-e2e-"))


@pytest.fixture(name="place")
def fixture_place():
    """An empty folder of the test's own."""
    place = make_place()
    yield place
    tree_maker.remove(place)


@pytest.fixture(name="signing", scope="module", params=["versitygw", pytest.param("rgw", marks=pytest.mark.long)])
def fixture_signing(request):
    """An S3 server that checks signatures; Ceph's gateway in the long run only."""
    server = s3_servers.STARTS[request.param]()
    server.kind = request.param
    yield server
    server.stop()


@pytest.fixture(name="is_long")
def fixture_is_long(request, signing):
    """Whether faults strike at every request: on one server they do in the long run, on others at a few."""
    return request.config.getoption("--long") and signing.kind == "versitygw"


@pytest.fixture(name="user")
def fixture_user(binary, place):
    """A user with a new, empty vault."""
    user = Holdfast(binary, place, os.path.join(place, "vault"))
    user.create()
    return user


@pytest.fixture(name="plain")
def fixture_plain(place):
    """A small tree without anything unusual."""
    root = Path(place) / "plain"
    (root / "sub/deeper").mkdir(parents=True)
    (root / "one.txt").write_bytes(b"one\n" * 1000)
    (root / "two.bin").write_bytes(random.Random(2).randbytes(300_000))
    (root / "sub/three").write_bytes(b"three")
    (root / "sub/deeper/four.log").write_bytes(b"four")
    (root / "empty").write_bytes(b"")
    (root / "link").symlink_to("sub/three")
    return str(root)


class Library:
    """A vault with two points of one tree that holds every kind of thing; for tests that change nothing."""

    def __init__(self, binary):
        self.place = make_place()
        self.tree = os.path.join(self.place, "tree")
        self.left_out = tree_maker.make(self.tree, seed=11, files=200)
        print("left out:", self.left_out)
        self.user = Holdfast(binary, self.place, os.path.join(self.place, "vault"))
        self.user.create()
        self.before = tree_walker.walk(self.tree)
        self.first = self.user.backup("--tag", "first", self.tree)
        with open(f"{self.tree}/crowd/f000005", "ab") as out:
            out.write(b"more")
        os.unlink(f"{self.tree}/crowd/f000006")
        with open(f"{self.tree}/crowd/added", "wb") as out:
            out.write(b"added later\n")
        self.after = tree_walker.walk(self.tree)
        self.second = self.user.backup("--tag", "second", self.tree)

    def remove(self):
        tree_maker.remove(self.place)


@pytest.fixture(name="library", scope="session")
def fixture_library(binary):
    library = Library(binary)
    yield library
    library.remove()
