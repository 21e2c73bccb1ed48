# SPDX-License-Identifier: Apache-2.0
"""Repositories in a bucket: the tools that keep them there, a line that is slow, and the server by itself."""

import collections
import json
import os
import shutil
import socket
import subprocess
import threading
import time

from compare_lib import tools
from compare_lib.measure import run_quietly

BLOCK_BYTES = 256 << 10
QUEUE_BLOCKS_MAX = 64


class SlowLine:
    """Passes bytes on between its own port and the server's, each `delay_s` / 2 later, at any rate: what a server that
    is far away adds. Listens until stop()."""

    def __init__(self, server_port, delay_s):
        self.server_port_ = server_port
        self.one_way_s_ = delay_s / 2
        self.listener_ = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener_.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.listener_.shutdown(socket.SHUT_RDWR)
        self.listener_.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener_.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port_))
            except OSError:
                return
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        """Reads on while what was read before waits for its time."""
        blocks = collections.deque()
        changed = threading.Condition()

        def write():
            while True:
                with changed:
                    changed.wait_for(lambda: blocks)
                    due, block = blocks[0]
                pause = due - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                with changed:
                    blocks.popleft()
                    changed.notify()
                try:
                    if block:
                        sink.sendall(block)
                        continue
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    source.close()
                return

        threading.Thread(target=write, daemon=True).start()
        block = b"-"
        while block:
            try:
                block = source.recv(BLOCK_BYTES)
            except OSError:
                block = b""
            with changed:
                changed.wait_for(lambda: len(blocks) < QUEUE_BLOCKS_MAX)
                blocks.append((time.monotonic() + self.one_way_s_, block))
                changed.notify()


class Place:
    """A prefix in a bucket behind an address, and the keys to it."""

    def __init__(self, port, bucket, access_key, secret_key):
        self.address = f"127.0.0.1:{port}"
        self.bucket, self.access_key, self.secret_key = bucket, access_key, secret_key

    @property
    def endpoint(self):
        return f"http://{self.address}"

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "no_proxy": "127.0.0.1"}


class InBucket:
    """Mixed into a tool: its repository is beneath `prefix` of `place`, both set before fresh()."""

    place = None
    prefix = ""

    def settings(self):
        return {**super().settings(), **self.place.environment()}

    def move(self, place):
        """The same repository by another way."""
        self.place = place
        self.env.update(place.environment())


class Holdfast(InBucket, tools.Holdfast):
    def url(self):
        return f"s3://{self.place.bucket}/{self.prefix}?endpoint={self.place.endpoint}"

    def create(self):
        run_quietly([self.binary, "vault", "create", self.url()], self.env)

    def backup(self, path):
        return [self.binary, "--vault", self.url(), "backup", path]

    def restore(self, target):
        return [self.binary, "--vault", self.url(), "restore", "latest", "--to", target]


class Restic(InBucket, tools.Restic):
    def url(self):
        return f"s3:{self.place.endpoint}/{self.place.bucket}/{self.prefix}"

    def create(self):
        run_quietly([self.binary, "-r", self.url(), "init"], self.env)

    def backup(self, path):
        return [self.binary, "-r", self.url(), "backup", path]

    def restore(self, target):
        return [self.binary, "-r", self.url(), "restore", "latest", "--target", target]


class Kopia(InBucket, tools.Kopia):
    def arguments(self):
        return ["s3", "--bucket", self.place.bucket, "--prefix", self.prefix + "/", "--endpoint", self.place.address,
                "--disable-tls", "--access-key", self.place.access_key, "--secret-access-key", self.place.secret_key,
                "--region", "us-east-1"]

    def create(self):
        run_quietly([self.binary, "repository", "create", *self.arguments()], self.env)
        run_quietly([self.binary, "policy", "set", "--global", "--compression=zstd"], self.env)

    def move(self, place):
        super().move(place)
        run_quietly([self.binary, "repository", "connect", *self.arguments()], self.env)


class Rustic(InBucket, tools.Rustic):
    def settings(self):
        names = {"bucket": self.place.bucket, "root": "/" + self.prefix, "endpoint": self.place.endpoint,
                 "region": "us-east-1", "access_key_id": self.place.access_key,
                 "secret_access_key": self.place.secret_key}
        folder = os.path.join(self.home, "config", "rustic")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "rustic.toml"), "w", encoding="utf-8") as out:
            out.write("[repository]\nrepository = \"opendal:s3\"\n\n[repository.options]\n")
            out.writelines(f"{name} = {json.dumps(value)}\n" for name, value in names.items())
        settings = super().settings()
        del settings["RUSTIC_REPOSITORY"]
        return settings

    def move(self, place):
        super().move(place)
        self.settings()


TOOLS = [Holdfast, Restic, Kopia, Rustic]

UPLOAD = """
import sys, boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
endpoint, bucket, key, path = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1",
                  config=Config(s3={"addressing_style": "path"}, max_pool_connections=16,
                                request_checksum_calculation="when_required"))
s3.upload_file(path, bucket, key, Config=TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=16 << 20,
                                                         max_concurrency=8))
"""


def upload_alone(python, place, path):
    """Seconds in which the server takes the file at `path` in parts, eight at once."""
    env = {"PATH": os.environ.get("PATH", os.defpath), **place.environment()}
    argv = [python, "-c", UPLOAD, place.endpoint, place.bucket, "raw/upload", path]
    begun = time.perf_counter()
    subprocess.run(argv, env=env, check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - begun


def stored_in(server, bucket, prefix):
    """Bytes of the objects beneath a prefix, as the server's folder holds them."""
    folder = os.path.join(server.folder, "data", bucket, prefix)
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def empty(server, bucket):
    folder = os.path.join(server.folder, "data", bucket)
    for name in os.listdir(folder):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
