# SPDX-License-Identifier: Apache-2.0
"""Buckets that are backed up: what copies them to a folder and back, what it takes to list one, and what follows."""

import os
import random
import shutil
import statistics

from compare_lib import report, s3, tools
from compare_lib.measure import run_quietly

SOURCE = "source"
KEYS_IN_FOLDER = 1_000
LISTING_THREADS = 8
# How many times as fast as the fastest peer at least; how much of a bare listing's time an unchanged backup may take.
TIMES_MIN = {"first": 1.0, "restore": 1.0}
UNCHANGED_TO_LISTING_MAX = 1.2


class BucketSet:
    """So many objects of one size, random bytes from a fixed seed, in folders of a thousand; made as files in `path`."""

    def __init__(self, name, count, size_bytes, folder):
        self.name, self.count, self.size_bytes = name, count, size_bytes
        self.path = os.path.join(folder, f"bucket-{name}-{count}-{size_bytes}")
        self.description = f"{count:,} objects of {size_bytes / 1e3:,.0f} kB"

    @property
    def folders(self):
        return [f"{number:05d}" for number in range(-(-self.count // KEYS_IN_FOLDER))]

    def make(self):
        if os.path.isdir(self.path):
            return
        unfinished = self.path + ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        generator = random.Random(f"{self.name} {self.count} {self.size_bytes}")
        for folder in self.folders:
            os.makedirs(os.path.join(unfinished, folder))
        for number in range(self.count):
            name = os.path.join(unfinished, self.folders[number // KEYS_IN_FOLDER], f"{number:07d}")
            with open(name, "wb") as out:
                out.write(generator.randbytes(self.size_bytes))
        os.rename(unfinished, self.path)


class Holdfast(s3.InBucket, tools.Holdfast):
    """With the vault on the local disk."""

    def url(self, bucket):
        return f"s3://{bucket}?endpoint={self.place.endpoint}"

    def backup(self, bucket):
        return super().backup(self.url(bucket))

    def restore(self, bucket):
        return super().restore(self.url(bucket))


class FolderCopy(tools.Tool):
    """Copies a bucket to the folder `repository`, and a folder to a bucket: no history, no encryption."""

    def settings(self):
        return {}

    def create(self):
        os.mkdir(self.repository)

    def restore(self, bucket):
        return self.upload(self.repository, bucket)

    def upload(self, folder, bucket):
        """The command line that copies what is in `folder` into a bucket."""
        raise NotImplementedError


class Rclone(s3.InBucket, FolderCopy):
    name = "rclone"
    options = ()

    def version_arguments(self):
        return ["version"]

    def settings(self):
        return {**super().settings(), "RCLONE_CONFIG": os.path.join(self.home, "rclone.conf"),
                "RCLONE_CONFIG_GW_TYPE": "s3", "RCLONE_CONFIG_GW_PROVIDER": "Other", "RCLONE_CONFIG_GW_ENV_AUTH": "true",
                "RCLONE_CONFIG_GW_ENDPOINT": self.place.endpoint, "RCLONE_CONFIG_GW_REGION": "us-east-1"}

    def backup(self, bucket):
        return [self.binary, *self.options, "sync", f"gw:{bucket}", self.repository]

    def upload(self, folder, bucket):
        return [self.binary, *self.options, "copy", folder, f"gw:{bucket}"]

    def listing(self, bucket):
        return [self.binary, "--checkers", "32", "lsf", "-R", "--files-only", f"gw:{bucket}"]


class RcloneWide(Rclone):
    """As many requests at once as Holdfast has."""

    name = "rclone-wide"
    program = "rclone"
    options = ("--transfers", "32", "--checkers", "32")


class AwsCli(s3.InBucket, FolderCopy):
    name = "aws"

    def settings(self):
        return {**super().settings(), "AWS_ENDPOINT_URL": self.place.endpoint}

    def backup(self, bucket):
        return [self.binary, "s3", "sync", "--only-show-errors", f"s3://{bucket}", self.repository]

    def upload(self, folder, bucket):
        return [self.binary, "s3", "sync", "--only-show-errors", folder, f"s3://{bucket}"]


TOOLS = [Holdfast, Rclone, RcloneWide, AwsCli]

# Counts keys without reading anything else of them: what a listing costs that nobody makes anything of. Times itself, since
# loading botocore takes longer than all of it.
LISTER = """
import concurrent.futures, http.client, re, sys, time, urllib.parse
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.session import Session
address, bucket, threads, versions, *folders = sys.argv[1:]
credentials = Session().get_credentials().get_frozen_credentials()
token = re.compile(rb"<NextContinuationToken>(.*?)</NextContinuationToken>")
marker = re.compile(rb"<NextKeyMarker>(.*?)</NextKeyMarker>")

def page(connection, parameters):
    request = AWSRequest("GET", "http://%s/%s?%s" % (address, bucket, urllib.parse.urlencode(parameters)))
    S3SigV4QueryAuth(credentials, "s3", "us-east-1").add_auth(request)
    connection.request("GET", request.url[len("http://" + address):])
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:300]
    return body

def keys_of(folder):
    connection, count = http.client.HTTPConnection(address), 0
    parameters = {"versions": ""} if versions == "versions" else {"list-type": "2"}
    parameters["prefix"] = folder + "/"
    while True:
        body = page(connection, parameters)
        count += body.count(b"<Key>")
        found = marker.search(body) if versions == "versions" else token.search(body)
        if b"<IsTruncated>true" not in body:
            return count
        parameters["key-marker" if versions == "versions" else "continuation-token"] = found.group(1).decode()

keys_of("warm")
begun = time.perf_counter()
with concurrent.futures.ThreadPoolExecutor(int(threads)) as pool:
    count = sum(pool.map(keys_of, folders))
print(count, time.perf_counter() - begun)
"""


def list_bare(python, place, bucket, folders, versions):
    """(keys, seconds) of a listing of the bucket, each folder's by itself, several at once."""
    env = {"PATH": os.environ.get("PATH", os.defpath), **place.environment()}
    said = run_quietly([python, "-c", LISTER, place.address, bucket, str(LISTING_THREADS),
                        "versions" if versions else "current", *folders], env)
    count, seconds = said.split()
    return int(count), float(seconds)


def judge(medians, listings):
    """The bounds, each with what was measured."""
    mine = medians.get("holdfast", {})
    verdicts = []
    for what, bound in TIMES_MIN.items():
        peer, theirs = report.best_peer(medians, what)
        if peer is not None and what in mine:
            ratio = theirs / mine[what]
            verdicts.append({"what": report.WORDS[what], "beside": peer, "ratio": ratio, "bound": bound, "met": ratio >= bound})
    if listings and "unchanged" in mine:
        kind = min(listings, key=listings.get)
        ratio = mine["unchanged"] / listings[kind]
        verdicts.append({"what": "unchanged backup, to a bare listing", "beside": kind, "ratio": ratio,
                         "bound": UNCHANGED_TO_LISTING_MAX, "met": ratio <= UNCHANGED_TO_LISTING_MAX})
    if mine:
        verdicts.append({"what": "peak memory, to 512 MiB", "beside": "", "ratio": mine["rss"] / report.RSS_BYTES_MAX,
                         "bound": 1.0, "met": mine["rss"] < report.RSS_BYTES_MAX})
    return verdicts


def conclude(results):
    """Fills in medians and verdicts from the samples."""
    for one in results["sets"].values():
        one["medians"] = report.medians_of(one["samples"])
        one["listing_medians"] = {kind: statistics.median(times) for kind, times in one["listings"].items() if times}
        one["bounds"] = judge(one["medians"], one["listing_medians"])


def markdown(results):
    parts = report.heading(results)
    for name, one in results["sets"].items():
        rows = [[tool, str(values["rounds"]), *(report.seconds_text(values.get(phase)) for phase in
                 ("first", "unchanged", "restore", "first_cpu", "restore_cpu")), report.bytes_text(values["stored"]),
                 report.memory_text(values["rss"])] for tool, values in one["medians"].items()]
        rows += [[f"listing: {kind}", "", "", report.seconds_text(seconds), "", "", "", "", ""]
                 for kind, seconds in one["listing_medians"].items()]
        parts.append(f"**{name}**: {one['description']}")
        parts.append(report.table(["tool", "rounds", "first", "unchanged", "into an empty bucket", "CPU of first",
                                   "CPU of restore", "stored", "peak memory"], rows))
        parts.append("\n".join(report.verdict_line(verdict) for verdict in one["bounds"]))
        parts += [f"{tool} failed: `{' '.join(problem.split())[-300:]}`" for tool, problem in one["failed"].items()]
    return "\n\n".join(parts) + "\n"
