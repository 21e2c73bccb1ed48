# SPDX-License-Identifier: Apache-2.0
"""Real S3 servers for tests, on ports that the kernel gives: versitygw, which checks signatures and has versions, and
moto, which allows odd keys; `scripts/deps test` installs both. Ceph's gateway, for the long run, comes with `scripts/deps
long`."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ceph_cluster import CephCluster
from holdfast import Holdfast

ACCESS_KEY = "holdfast-test"
SECRET_KEY = "correct-horse-battery"
BUCKET = "vaults"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30


def tools():
    """The folder where scripts/deps keeps what is not in the distribution."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(os.environ.get("HOLDFAST_TEST_TOOLS") or os.path.join(cache, "holdfast-test-tools"))


def tool(name):
    path = tools() / name
    assert path.exists(), f"{path} is missing: run 'scripts/deps test'"
    return str(path)


def tools_python():
    """A Python that has botocore and boto3."""
    return tool("venv/bin/python3")


def import_boto3():
    """boto3 and botocore, which are plain Python, whichever Python runs the tests."""
    places = sorted((tools() / "venv/lib").glob("python3*/site-packages"))
    assert places, f"{tools()}/venv is missing: run 'scripts/deps test'"
    if str(places[0]) not in sys.path:
        sys.path.append(str(places[0]))
    import boto3  # pylint: disable=import-outside-toplevel
    import botocore  # pylint: disable=import-outside-toplevel
    import botocore.config  # pylint: disable=import-outside-toplevel
    import botocore.exceptions  # pylint: disable=import-outside-toplevel
    return boto3, botocore


def listening_port(pid):
    """The TCP port on which the process listens, or None while it does not, or is no more."""
    inodes = set()
    try:
        lines = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    for fd in descriptors:
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for line in lines[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].split(":")[1], 16)
    return None


class Server:
    """A server process; `url` once it answers. Stopped by its pid."""

    def __init__(self, command, environment, folder, certificate=None):
        self.folder, self.certificate = folder, certificate
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                                            env={**os.environ, **environment})
        try:
            self.port = self.wait_for_port()
        except BaseException:
            self.stop_process()
            raise

    def wait_for_port(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            port = listening_port(self.process.pid)
            if port:
                return port
            time.sleep(0.02)
        raise AssertionError(f"no port after {START_TIMEOUT_S} s: {self.log()}")

    def log(self):
        return Path(self.folder, "log").read_text(encoding="utf-8", errors="replace")[-4000:]

    @property
    def endpoint(self):
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def stop(self):
        self.stop_process()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_process(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def make_certificate(folder):
    """A key and a certificate of its own making for 127.0.0.1, good for a day."""
    paths = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", paths[0], "-out", paths[1]],
                   check=True, capture_output=True, timeout=60)
    return paths


@contextlib.contextmanager
def new_folder(name):
    """For a server, which removes it in the end; removed here if none comes of it."""
    folder = tempfile.mkdtemp(prefix=f"holdfast-{name}-")
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def with_bucket(server):
    try:
        make_bucket(server.endpoint, BUCKET)
    except BaseException:
        server.stop()
        raise
    return server


def start_versitygw(encrypted=False):
    with new_folder("versitygw") as folder:
        return versitygw_in(folder, encrypted)


def versitygw_in(folder, encrypted):
    data, versions = os.path.join(folder, "data"), os.path.join(folder, "versions")
    os.makedirs(os.path.join(data, BUCKET))
    os.makedirs(versions)
    command = [tool("bin/versitygw"), "--keep-alive", "--quiet", "--port", "127.0.0.1:0"]
    certificate = None
    if encrypted:
        key, certificate = make_certificate(folder)
        command += ["--cert", certificate, "--key", key]
    command += ["posix", "--versioning-dir", versions, data]
    return Server(command, {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}, folder, certificate)


def start_moto():
    with new_folder("moto") as folder:
        return with_bucket(Server([tool("venv/bin/moto_server"), "-H", "127.0.0.1", "-p", "0"], {}, folder))


class Gateway(Server):
    """Ceph's, with the cluster behind it."""

    def __init__(self, cluster):
        self.cluster = cluster
        try:
            super().__init__(["radosgw", "-c", cluster.configuration, "-n", "client.gateway", "-f",
                              "--rgw-frontends=beast endpoint=127.0.0.1:0"], {}, cluster.folder)
            cluster.run("radosgw-admin", "-n", "client.gateway", "user", "create", "--uid", "tester", "--display-name",
                        "tester", "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
        except BaseException:
            self.stop_process()
            raise

    def stop_process(self):
        if hasattr(self, "process"):
            super().stop_process()
        self.cluster.stop()


def start_rgw():
    """Ready after about fifteen seconds."""
    with new_folder("ceph") as folder:
        return with_bucket(Gateway(CephCluster(folder)))


STARTS = {"versitygw": start_versitygw, "moto": start_moto, "rgw": start_rgw}


def make_bucket(endpoint, name):
    script = ("import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')"
              ".create_bucket(Bucket=sys.argv[2])")
    subprocess.run([tools_python(), "-c", script, endpoint, name], env=aws_environment(), check=True, timeout=120)


def aws_environment():
    """Keys for the servers above, and nothing of the machine's own settings."""
    return {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "no_proxy": "127.0.0.1"}


def make_user(binary, place):
    """Of a vault of their own, with those keys."""
    user = Holdfast(binary, place, os.path.join(place, "vault"))
    keys = aws_environment()
    # moto fails over what it does not know, and is asked again.
    user.environment.update({name: keys[name] for name in keys if name != "PATH"}, AWS_MAX_ATTEMPTS="2")
    user.create()
    return user


def store_url(endpoint, prefix, **options):
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"s3://{BUCKET}/{prefix}?endpoint={endpoint}{more}"
