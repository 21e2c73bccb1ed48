# SPDX-License-Identifier: Apache-2.0
"""The tools under comparison: how each creates a repository, backs a path up, and restores the newest.

All run encrypted, with their default compression (Kopia, whose default is none, with zstd), as root,
with nothing tuned. Each gets a folder of its own for repository, cache and configuration, and an
environment that holds nothing of the person who runs the benchmark.
"""

import json
import os
import shutil
import sys

from compare_lib.measure import CommandFailed, run_quietly

PASSPHRASE = "correct horse battery staple"


class Tool:
    """One backup program. A subclass gives the commands; `fresh` must be called before any of them."""

    name = ""
    program = None  # The name of the program to run; the tool's own where nothing is said.

    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        self.version = self.ask_version()
        self.home = ""
        self.repository = ""
        self.env = {}

    def ask_version(self):
        said = run_quietly([self.binary, *self.version_arguments()]).split()
        return next((word.lstrip("v") for word in said if word.lstrip("v")[:1].isdigit()), said[0])

    def version_arguments(self):
        return ["--version"]

    def fresh(self, home):
        """Forgets everything and makes an empty repository beneath `home`. Not timed."""
        shutil.rmtree(home, ignore_errors=True)
        self.home = home
        self.repository = os.path.join(home, "repository")
        temporary = os.path.join(home, "tmp")
        os.makedirs(temporary)
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            "XDG_CACHE_HOME": os.path.join(home, "cache"),
            "XDG_CONFIG_HOME": os.path.join(home, "config"),
            "XDG_DATA_HOME": os.path.join(home, "data"),
            "XDG_STATE_HOME": os.path.join(home, "state"),
            "TMPDIR": temporary,
            "LC_ALL": "C.UTF-8",
            **self.settings(),
        }
        self.create()

    def settings(self):
        """What the tool reads from the environment."""
        raise NotImplementedError

    def create(self):
        raise NotImplementedError

    def backup(self, path):
        """The command line that backs `path` up."""
        raise NotImplementedError

    def restore(self, target):
        """The command line that restores the newest backup into the empty folder `target`, which is also
        its working directory. May ask the repository for the backup's name first: that is not timed."""
        raise NotImplementedError

    def restore_first(self, _target):
        """The command line that restores the oldest backup, or None where that is not measured."""
        return None


class Holdfast(Tool):
    name = "holdfast"

    def version_arguments(self):
        return ["version"]

    def settings(self):
        return {"HOLDFAST_PASSWORD": PASSPHRASE}

    # No peer stores anything beside its data that mends it, so that is left out of the comparison.
    parity = ("--parity", "0")

    def create(self):
        run_quietly([self.binary, "vault", "create", *self.parity, self.repository], self.env)

    def backup(self, path):
        return [self.binary, "--vault", self.repository, "backup", path]

    def restore(self, target):
        return [self.binary, "--vault", self.repository, "restore", "latest", "--to", target]

    def restore_first(self, target):
        points = run_quietly([self.binary, "--vault", self.repository, "points", "--json"], self.env)
        oldest = json.loads(points.splitlines()[0])["id"]
        return [self.binary, "--vault", self.repository, "restore", oldest, "--to", target]


class HoldfastParity(Holdfast):
    """As people use it: with the parity that a vault has by default. Held against Holdfast without, not against peers."""

    name = "holdfast-parity"
    program = "holdfast"
    parity = ()


class Restic(Tool):
    name = "restic"

    def version_arguments(self):
        return ["version"]

    def settings(self):
        return {"RESTIC_PASSWORD": PASSPHRASE, "RESTIC_CACHE_DIR": os.path.join(self.home, "cache")}

    def create(self):
        run_quietly([self.binary, "-r", self.repository, "init"], self.env)

    def backup(self, path):
        return [self.binary, "-r", self.repository, "backup", path]

    def restore(self, target):
        return [self.binary, "-r", self.repository, "restore", "latest", "--target", target]


class Borg(Tool):
    name = "borg"

    def fresh(self, home):
        self.archives_ = 0
        super().fresh(home)

    def settings(self):
        return {"BORG_PASSPHRASE": PASSPHRASE, "BORG_BASE_DIR": self.home}

    def create(self):
        run_quietly([self.binary, "init", "--encryption=repokey", self.repository], self.env)

    def backup(self, path):
        self.archives_ += 1
        return [self.binary, "create", f"{self.repository}::archive-{self.archives_}", path]

    def restore(self, target):
        return [self.binary, "extract", f"{self.repository}::archive-{self.archives_}"]


class Kopia(Tool):
    name = "kopia"

    def settings(self):
        return {
            "KOPIA_PASSWORD": PASSPHRASE,
            "KOPIA_CONFIG_PATH": os.path.join(self.home, "repository.config"),
            "KOPIA_CACHE_DIRECTORY": os.path.join(self.home, "cache", "kopia"),
            "KOPIA_LOG_DIR": os.path.join(self.home, "log"),
            "KOPIA_CHECK_FOR_UPDATES": "false",
        }

    def create(self):
        run_quietly([self.binary, "repository", "create", "filesystem", "--path", self.repository], self.env)
        run_quietly([self.binary, "policy", "set", "--global", "--compression=zstd"], self.env)

    def backup(self, path):
        return [self.binary, "snapshot", "create", path, "--no-progress"]

    def restore(self, target):
        snapshots = json.loads(run_quietly([self.binary, "snapshot", "list", "--all", "--json"], self.env))
        newest = max(snapshots, key=lambda snapshot: snapshot["startTime"])
        return [self.binary, "restore", newest["id"], target]


class Rustic(Tool):
    name = "rustic"

    def settings(self):
        return {
            "RUSTIC_PASSWORD": PASSPHRASE,
            "RUSTIC_REPOSITORY": self.repository,
            "RUSTIC_CACHE_DIR": os.path.join(self.home, "cache"),
            "RUSTIC_NO_PROGRESS": "true",
        }

    def create(self):
        run_quietly([self.binary, "init"], self.env)

    def backup(self, path):
        return [self.binary, "backup", path]

    def restore(self, target):
        return [self.binary, "restore", "latest", target]


TOOLS = [Holdfast, HoldfastParity, Restic, Borg, Kopia, Rustic]


def choose_tools(options, kinds, default_holdfast):
    """find_tools() as the command line says: `--tools`, and an option for each program. Those missing are told."""
    wanted = [name for name in options.tools.split(",") if name] or [kind.name for kind in kinds]
    paths = {kind.name: getattr(options, kind.name) for kind in kinds if not kind.program}
    found, missing = find_tools(paths, wanted, default_holdfast, kinds)
    for name, why in missing.items():
        print(f"without {name}: {why}", file=sys.stderr)
    return found, missing


def find_tools(paths, wanted, default_holdfast, kinds):
    """Returns the tools that can be run and a note for each one that cannot.

    `paths` maps a tool's name to a given path or None; then PATH is searched, and for Holdfast the
    release build of this tree before it."""
    found, missing = [], {}
    for kind in kinds:
        if kind.name not in wanted:
            continue
        program = kind.program or kind.name
        binary = paths.get(program) or shutil.which(program)
        if program == Holdfast.name and not paths.get(program) and os.access(default_holdfast, os.X_OK):
            binary = default_holdfast
        if not binary or not os.access(binary, os.X_OK):
            missing[kind.name] = f"no such program: {os.path.basename(binary)}" if binary else "not on PATH"
            continue
        try:
            found.append(kind(binary))
        except (CommandFailed, OSError, IndexError) as problem:
            missing[kind.name] = f"does not run: {problem}"
    return found, missing
