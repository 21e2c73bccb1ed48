# SPDX-License-Identifier: Apache-2.0
"""A server that means harm: whatever it answers, the program says something true or fails with a message, in bounded
time and memory, and its signatures go to no other place."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import s3_hostile
import s3_proxy
import s3_servers
from holdfast import DAMAGED, DONE, SKIPS, is_instrumented
from s3_faults_test import Workload
from s3_vault_test import BucketUser

TIME_S_MAX = 60  # The machine may be busy; alone it takes a second or two.
MEMORY_BYTES_MAX = 256 << 20
# Runs a command and writes its exit code and its peak memory in KiB to a file. In a process of its own: what the kernel
# says of a child's peak begins at its parent's size.
MEASURE = """
import os, sys
child = os.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as report:
    report.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}")
"""


class Elsewhere:
    """A port that must stay untouched."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.visitors = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.visitors += 1
            connection.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class World:
    def __init__(self, binary, place):
        self.server = s3_servers.start_versitygw()
        self.proxy = s3_proxy.Proxy(self.server.port)
        self.elsewhere = Elsewhere()
        self.memory_bytes_max = MEMORY_BYTES_MAX * (3 if is_instrumented(binary) else 1)
        self.work = Workload(binary, place, self.proxy, 1)
        self.user = self.work.user
        self.user.environment["AWS_MAX_ATTEMPTS"] = "2"
        self.points = sorted(point["id"] for point in self.user.points())

    def stop(self):
        self.elsewhere.stop()
        self.proxy.stop()
        self.server.stop()

    def spoiled(self, act):
        """The case's answers, with the port's number filled in."""
        port = str(self.elsewhere.port)

        def answer(request, forward):
            said = act(request, forward)
            if isinstance(said, bytes):
                return said.replace(b"ELSEWHERE", port.encode())
            said.headers = [(name, value.replace("ELSEWHERE", port)) for name, value in said.headers]
            said.body = said.body and said.body.replace(b"ELSEWHERE", port.encode())
            return said.encode()
        return answer

    def run(self, *arguments):
        """Code, output, errors, seconds and the most memory it had."""
        self.work.without_cache()
        shutil.rmtree(self.user.environment["XDG_STATE_HOME"], ignore_errors=True)
        begun = time.monotonic()
        report = os.path.join(self.work.place, "measured")
        process = subprocess.Popen([sys.executable, "-S", "-E", "-c", MEASURE, report, *self.user.command(arguments)],
                                   env=self.user.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        timer = threading.Timer(TIME_S_MAX, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            out, err = process.communicate()
        finally:
            timer.cancel()
        assert process.returncode == 0, f"killed after {TIME_S_MAX} s"
        with open(report, encoding="utf-8") as measured:
            code, memory_kib = map(int, measured.read().split())
        return code, out, err.decode("utf-8", "replace"), time.monotonic() - begun, memory_kib * 1024


@pytest.fixture(name="world", scope="module")
def fixture_world(binary):
    from conftest import make_place  # pylint: disable=import-outside-toplevel
    place = make_place()
    world = World(binary, place)
    yield world
    world.stop()
    shutil.rmtree(place, ignore_errors=True)


def test_there_are_enough_cases(counts):
    names = [case.name for case in s3_hostile.CASES]
    assert len(names) >= 60 and len(set(names)) == len(names)
    counts("hostile S3 servers", kinds_of_answers=len(names))


@pytest.mark.parametrize("case", s3_hostile.CASES, ids=lambda case: case.name)
def test_hostile_answers_do_no_harm(case, world):
    back = os.path.join(world.work.place, "back")
    point = next(reversed(world.work.acknowledged))
    for arguments in (["points", "--json"], ["restore", f"{point}:{world.work.tree}", "--to", back]):
        world.proxy.reset(world.spoiled(case.act))
        code, out, errors, seconds, memory_bytes = world.run(*arguments)
        told = f"{case.name}, {arguments[0]}: exit {code}, {seconds:.1f} s, {memory_bytes >> 20} MiB\n{errors[-2000:]}"
        assert code >= 0 and "terminate called" not in errors and "CHECK" not in errors, told
        assert seconds < TIME_S_MAX and memory_bytes < world.memory_bytes_max, told
        assert world.elsewhere.visitors == 0, told
        assert "\x1b" not in errors, told
        if code == DONE and arguments[0] == "points":
            listed = sorted(line.split(b'"id":"')[1].split(b'"')[0].decode() for line in out.splitlines() if b'"id":"' in line)
            assert listed == world.points, told
        if code == DONE and arguments[0] == "restore":
            assert world.work.contents(back) == world.work.acknowledged[point], told
        if case.must_fail and arguments[0] == "restore":
            assert code != DONE, told
        if code not in (DONE, SKIPS, DAMAGED):
            assert errors.strip(), told
        shutil.rmtree(back, ignore_errors=True)
    world.proxy.reset()


def test_the_vault_is_whole_afterwards(world):
    world.work.check_all("hostile answers")
    BucketUser.run(world.user, "verify", "--data")
