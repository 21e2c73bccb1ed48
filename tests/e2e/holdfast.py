# SPDX-License-Identifier: Apache-2.0
"""Runs the program as a person or a script would: by its command line and nothing else."""

import json
import os
import signal
import subprocess
import time

DONE, FAILED, USAGE, SKIPS = 0, 1, 2, 3
NO_VAULT, BUSY, WRONG_KEY, DAMAGED, REFUSED, INTERRUPTED = 10, 11, 12, 20, 21, 130
PASSWORD = "correct horse battery staple"


class Outcome:
    """What one run of the program came to."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def errors(self):
        return self.err.decode("utf-8", "replace")

    def lines(self):
        """The JSON objects printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


class Holdfast:
    """One user of the program, with a home, a vault and a passphrase of its own."""

    def __init__(self, binary, place, vault, password=PASSWORD):
        self.binary = binary
        self.place = place
        self.vault = vault
        home = os.path.join(place, "home")
        os.makedirs(home, exist_ok=True)
        self.environment = {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8", "TZ": "UTC",
                            "XDG_CACHE_HOME": f"{home}/cache", "XDG_STATE_HOME": f"{home}/state",
                            "XDG_CONFIG_HOME": f"{home}/config"}
        if password is not None:
            self.environment["HOLDFAST_PASSWORD"] = password
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def command(self, arguments):
        vault = ["--vault", self.vault] if self.vault else []
        return [self.binary, *vault, *map(os.fsencode, map(str_or_bytes, arguments))]

    def start(self, *arguments, env=None, **options):
        """The program running; the caller waits for it or ends it."""
        return subprocess.Popen(self.command(arguments), env={**self.environment, **(env or {})},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, expect=DONE, env=None, stdin=b"", timeout=300, **options):
        command = self.command(arguments)
        done = subprocess.run(command, env={**self.environment, **(env or {})}, input=stdin, timeout=timeout,
                              capture_output=True, check=False, **options)
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        shown = " ".join(os.fsdecode(part) for part in command)
        told = f"{shown}\nexit {outcome.code}\n{outcome.text[-3000:]}\n{outcome.errors[-3000:]}"
        for word in ("Sanitizer", "runtime error:", "CHECK failed", "check failed", "terminate called"):
            assert word not in outcome.errors, told
        allowed = expect if isinstance(expect, (tuple, list)) else (expect,)
        assert outcome.code in allowed, told
        if outcome.code not in (DONE, SKIPS, DAMAGED, INTERRUPTED):
            assert outcome.errors.strip(), f"a failure without a message: {told}"
        return outcome

    def create(self, *arguments, **options):
        command = ["vault", "create", self.vault, *arguments]
        vault, self.vault = self.vault, None
        try:
            return self.run(*command, **options)
        finally:
            self.vault = vault

    def backup(self, *arguments, **options):
        """The summary of a backup: the last line of its --json output."""
        outcome = self.run("backup", "--json", *arguments, **options)
        return outcome.lines()[-1]

    def points(self, *arguments):
        return self.run("points", "--json", *arguments).lines()

    def restore(self, point, to, *arguments, **options):
        return self.run("restore", point, "--to", to, *arguments, **options)

    def objects(self):
        """Every object of the vault, by its path in it. What starts with "@" (locks, temporary files) is none."""
        found = []
        for folder, _, names in os.walk(self.vault):
            found += [os.path.relpath(os.path.join(folder, name), self.vault) for name in names]
        return sorted(name for name in found if not name.startswith("@"))


def str_or_bytes(argument):
    return argument if isinstance(argument, (str, bytes)) else str(argument)


def is_instrumented(binary):
    """Whether a sanitizer watches it: slower, larger, and not to be preloaded with anything."""
    with open(binary, "rb") as program:
        content = program.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def wait_until(condition, what, timeout_s=60):
    """Polls, since the program under test is another process; the time is a bound and not a measure."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


def stop(process, number=signal.SIGTERM, timeout_s=120):
    """Sends a signal and yields the outcome."""
    if process.poll() is None:
        process.send_signal(number)
    out, err = process.communicate(timeout=timeout_s)
    return Outcome(process.returncode, out, err)
