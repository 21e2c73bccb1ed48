# SPDX-License-Identifier: Apache-2.0
"""The smallest Ceph there is, for the S3 gateway: one monitor and one OSD that keeps everything in memory, in a folder of
their own, on loopback. No manager and no systemd: nothing that the gateway asks for needs them."""

import glob
import os
import socket
import subprocess
import uuid
from pathlib import Path

COMMAND_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30
MEMORY_BYTES = 6 << 30
# An OSD looks for its classes where the distribution's build did not put them unless it is told.
CLASSES = "/usr/lib/*/rados-classes"

CONFIGURATION = """[global]
fsid = {fsid}
mon host = [v2:{address}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
log file = {folder}/$name.log
mon data = {folder}/mon
mon data avail crit = 1
mon allow pool size one = true
mon max pg per osd = 1000
osd data = {folder}/osd
osd class dir = {classes}
osd objectstore = memstore
memstore device bytes = {memory_bytes}
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
"""
CAPABILITIES = {"mon.": {"mon": "allow *"}, "client.admin": {"mon": "allow *", "osd": "allow *"},
                "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
                "client.gateway": {"mon": "allow rw", "osd": "allow rwx"}}


def reserved_port():
    """A socket with a port of its own, since a monitor's is written down before the monitor begins. While it is open the
    kernel gives that port to nobody who asks for any; who asks for this one, as monitors do (with SO_REUSEADDR), can
    listen there, since this socket never does."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


class CephCluster:
    """Runs until stop(). Its daemons are children of this process."""

    def __init__(self, folder):
        classes = glob.glob(CLASSES)
        assert classes, f"nothing at {CLASSES}: run 'scripts/deps long'"
        self.folder, self.daemons = folder, []
        self.configuration = os.path.join(folder, "ceph.conf")
        self.reserved = reserved_port()
        fsid, address = str(uuid.uuid4()), "%s:%d" % self.reserved.getsockname()
        Path(self.configuration).write_text(CONFIGURATION.format(
            fsid=fsid, address=address, folder=folder, classes=classes[0], memory_bytes=MEMORY_BYTES), encoding="ascii")
        try:
            for name in ("mon", "osd"):
                os.mkdir(os.path.join(folder, name))
            self.make_keys()
            self.start_monitor(fsid, address)
            self.start_osd()
        except BaseException:
            self.stop()
            raise

    def run(self, program, *arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False,
                              cwd=self.folder, env={**os.environ, "CEPH_CONF": self.configuration})
        assert done.returncode == 0, f"{program} {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def start(self, program, *arguments):
        with open(os.path.join(self.folder, f"{program}.log"), "wb") as log:
            self.daemons.append(subprocess.Popen([program, "-c", self.configuration, "-f", *arguments], stdout=log,
                                                 stderr=subprocess.STDOUT, cwd=self.folder))

    def make_keys(self):
        keyring = os.path.join(self.folder, "keyring")
        Path(keyring).touch(mode=0o600)
        for name, capabilities in CAPABILITIES.items():
            given = [word for what, allowed in capabilities.items() for word in ("--cap", what, allowed)]
            self.run("ceph-authtool", keyring, "--gen-key", "-n", name, *given)

    def start_monitor(self, fsid, address):
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:{address}]", f"{self.folder}/monmap")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", f"{self.folder}/monmap", "--keyring", f"{self.folder}/keyring")
        self.start("ceph-mon", "-i", "a")

    def start_osd(self):
        name = str(uuid.uuid4())
        self.run("ceph", "osd", "new", name, "0")
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", name)
        self.start("ceph-osd", "-i", "0")
        self.run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here")

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []
        self.reserved.close()
