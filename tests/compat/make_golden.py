#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden vault anew: a small vault of today's format with every kind of entry, key and record in it, what was
backed up as the witness recorded it, and the secrets that open it. Needs root, for devices and owners.

    tests/compat/make_golden.py [--binary build/release/holdfast] [--output tests/compat/golden/vault-1.tar.xz]

tests/e2e/golden_test.py reads it with every later program. Once the format is frozen, no golden vault is made anew:
another one is added.
"""

import argparse
import io
import json
import os
import random
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "tests/e2e"))
import tree_maker  # noqa: E402
import tree_walker  # noqa: E402
from holdfast import PASSWORD, Holdfast  # noqa: E402

SECOND_PASSWORD = "a second one: ünïcode and blanks "


def make_tree(root):
    """Every kind of thing, in few bytes."""
    maker = tree_maker.Maker(root, seed=1)
    os.mkdir(root)
    for part in (maker.names, maker.symlinks, maker.specials, maker.modes, maker.owners, maker.moments,
                 maker.attributes):
        part()
    maker.deep(levels=3)
    maker.crowd(12)
    maker.folder(b"content")
    maker.file(b"content", b"empty", size=0)
    maker.file(b"content", b"text", content=b"all work and no play\n" * 20_000)
    maker.file(b"content", b"large", content=maker.random.randbytes(70_000))
    maker.file(b"content", b"zeros", content=bytes(1_000_000))
    maker.holes(maker.path(b"content", b"sparse"), 5 << 20, [(1 << 20, 5000), (3_000_001, 99)])
    # More than 32 extents: its content is a tree.
    maker.holes(maker.path(b"content", b"many-extents"), 80 << 17, [(at << 17, 40) for at in range(80)])
    maker.folder(b"links")
    first = maker.file(b"links", b"first", size=3_000)
    os.link(first, maker.path(b"links", b"second"))
    os.mkfifo(maker.path(b"links", b"fifo"))
    os.link(maker.path(b"links", b"fifo"), maker.path(b"links", b"fifo too"))
    maker.finish()
    return maker.left_out


class Golden:
    def __init__(self, binary, place):
        self.place = place
        self.binary = binary
        self.user = Holdfast(binary, place, f"{place}/vault")
        self.points = []
        self.secrets = {"password": PASSWORD, "second_password": SECOND_PASSWORD}

    def backup(self, user, tree, *arguments):
        record = tree_walker.walk(tree)
        summary = user.backup(*arguments, tree)
        assert summary["skipped"] == 0, summary
        self.points.append({"id": summary["recovery_point_id"], "tree": tree, "entries": list(record.values())})

    def drop(self, point):
        self.user.run("forget", point["id"])
        self.points.remove(point)

    def file(self, name):
        return (Path(self.place) / name).read_text(encoding="utf-8")

    def agent(self, name, tree, role="agent"):
        self.user.run("key", "agent", name, "--role", role, "--output", f"{self.place}/{name}.credential")
        self.secrets[f"{name}_credential"] = self.file(f"{name}.credential")
        if role != "agent":
            return
        os.mkdir(f"{self.place}/{name}")
        agent = Holdfast(self.binary, f"{self.place}/{name}", self.user.vault, password=None)
        agent.environment["HOLDFAST_KEY_FILE"] = f"{self.place}/{name}.credential"
        self.backup(agent, tree, "--host", name)

    def keys(self):
        added = self.user.run("key", "add", "--recovery", "--json").lines()[-1]
        self.secrets["recovery_key"] = added["recovery_key"]
        self.user.run("key", "add", "--key-file-out", f"{self.place}/owner.keyfile", "--name", "kit")
        self.secrets["key_file"] = self.file("owner.keyfile")
        self.user.run("key", "add", "--name", "second", env={"HOLDFAST_NEW_PASSWORD": SECOND_PASSWORD})

    def change(self, tree, number):
        chance = random.Random(number)
        with open(f"{tree}/content/large", "r+b") as out:
            out.seek(20_000)
            out.write(chance.randbytes(1000))
        with open(f"{tree}/crowd/added-{number}", "wb") as out:
            out.write(chance.randbytes(1500))
        os.unlink(f"{tree}/crowd/f00000{number}")

    def make(self):
        tree, small = f"{self.place}/tree", f"{self.place}/small"
        left_out = make_tree(tree)
        assert not left_out, f"this machine cannot make: {left_out}"
        os.mkdir(small)
        Path(f"{small}/agents file").write_bytes(b"of the agent\n" * 1000)
        self.user.create()
        self.keys()
        self.backup(self.user, tree, "--tag", "first", "--host", "golden")
        self.change(tree, 1)
        self.backup(self.user, tree, "--tag", "forgotten", "--host", "golden")
        self.agent("web", small)
        self.agent("sweeper", small, role="collector")
        self.user.run("key", "rotate")
        self.change(tree, 2)
        self.backup(self.user, tree, "--host", "golden", "--tag", "after-rotation")
        self.drop(self.points[1])
        self.user.run("collect")  # Repacks: records moved, an origin kept, segments merged.
        self.change(tree, 3)
        self.backup(self.user, tree, "--host", "golden")
        self.drop(self.points[-2])  # Forgotten, not collected.
        self.agent("gone", small)
        agents = [key for key in self.user.run("key", "list", "--json").lines() if key.get("name") == "gone"]
        self.user.run("key", "remove", agents[0]["id"])
        self.user.run("tag", self.points[0]["id"], "--add", "kept", "--remove", "first")
        self.user.run("backup", "--stdin", "--stdin-name", "dump.sql", stdin=b"select 1;\n" * 5000)
        self.user.run("verify", "--data")

    def manifest(self):
        listed = {point["id"]: point for point in self.user.points()}
        for point in self.points:
            point["listed"] = listed[point["id"]]
        return {"points": self.points, "listed": list(listed.values()), "secrets": self.secrets,
                "made_by": self.user.run("version").text.strip()}


def write_archive(golden, output):
    """The manifest and the vault's folder; the same bytes for the same vault."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(output, "w:xz", preset=9) as archive:
        def add(name, content):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))

        add("manifest.json", json.dumps(golden.manifest(), indent=1, sort_keys=True).encode())
        vault = Path(golden.user.vault)
        for path in sorted(vault.rglob("*")):
            if path.is_file():
                add(f"vault/{path.relative_to(vault)}", path.read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(REPOSITORY / "build/release/holdfast"))
    parser.add_argument("--output", type=Path, default=HERE / "golden/vault-1.tar.xz")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("make_golden: needs root, for devices and owners", file=sys.stderr)
        return 1
    place = os.path.realpath(tempfile.mkdtemp(prefix="holdfast-golden-"))
    try:
        golden = Golden(str(Path(arguments.binary).resolve()), place)
        golden.make()
        write_archive(golden, arguments.output)
        objects = golden.user.objects()
        print(f"{arguments.output}: {arguments.output.stat().st_size} bytes, {len(objects)} objects, "
              f"{len(golden.points)} points, {sum(len(point['entries']) for point in golden.points)} entries")
    finally:
        tree_maker.remove(place)
        shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
