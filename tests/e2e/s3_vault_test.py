# SPDX-License-Identifier: Apache-2.0
"""Vaults in a bucket, on a real server that checks signatures: the whole path, the number of requests, and what becomes
of a run when the way to the server is bad."""

import os

import pytest
import s3_proxy
import s3_servers
import tree_maker
import tree_walker
from holdfast import FAILED, NO_VAULT, Holdfast

# Besides one PUT a pack. The mark of parity, two records of the log, an index segment and three looks at the whole bucket.
# The most frugal peer needs 21, 7 and 16 for a source tree of nine packs; here that makes 16, 6 and 13.
REQUESTS_OF_FIRST_BACKUP_MAX, REQUESTS_OF_UNCHANGED_BACKUP_MAX = 7, 6
# A folder above the tree that was touched meanwhile, as happens where other tests run, is a change: a pack and a segment.
REQUESTS_OF_TOUCHED_FOLDER_MAX = 2
# Besides one GET a pack: the mark of parity and three listings.
REQUESTS_OF_RESTORE_MAX = 4


class BucketUser(Holdfast):
    """A user of a vault in a bucket, with keys for it."""

    def __init__(self, binary, place, vault):
        super().__init__(binary, place, vault)
        keys = s3_servers.aws_environment()
        self.environment.update({name: keys[name] for name in keys if name != "PATH"})


@pytest.fixture(name="proxy", scope="module")
def fixture_proxy(signing):
    proxy = s3_proxy.Proxy(signing.port)
    yield proxy
    proxy.stop()


@pytest.fixture(name="user")
def fixture_user(binary, place, proxy):
    proxy.reset()
    user = BucketUser(binary, place, s3_servers.store_url(proxy.endpoint, os.path.basename(place)))
    user.create()
    return user


def test_a_tree_survives_in_a_bucket(user, place):
    tree = os.path.join(place, "tree")
    tree_maker.make(tree, seed=5, files=300)
    before = tree_walker.walk(tree)
    first = user.backup(tree)
    assert first["bytes_read"] > 0
    with open(os.path.join(tree, "added"), "wb") as out:
        out.write(os.urandom(200_000))
    second = user.backup(tree)
    assert second["new"] == 1
    user.run("verify", "--data")
    user.restore(f"{first['recovery_point_id']}:{tree}", os.path.join(place, "back"))
    os.unlink(os.path.join(tree, "added"))
    differences = tree_walker.compare(before, tree_walker.walk(os.path.join(place, "back")))
    assert not differences, differences
    user.run("forget", first["recovery_point_id"])
    user.run("collect")
    user.run("verify", "--data")
    assert [point["id"] for point in user.points()] == [second["recovery_point_id"]]


def test_requests_are_few(user, proxy, place, plain):
    with open(os.path.join(plain, "large"), "wb") as out:
        out.write(os.urandom(150 << 20))  # Five packs.
    proxy.reset()
    user.backup(plain)
    packs = packs_sent(proxy)
    assert len(packs) >= 5
    assert proxy.count() <= len(packs) + REQUESTS_OF_FIRST_BACKUP_MAX, proxy.log
    user.backup(plain)  # Files too young to be trusted when they were first seen are read again once.
    proxy.reset()
    user.backup(plain)
    print("unchanged:", proxy.log)
    touched = REQUESTS_OF_TOUCHED_FOLDER_MAX if packs_sent(proxy) else 0
    assert proxy.count() <= REQUESTS_OF_UNCHANGED_BACKUP_MAX + touched, proxy.log
    proxy.reset()
    user.restore("latest", os.path.join(place, "back"))
    print("restore:", proxy.log)
    assert proxy.count() <= len(packs) + REQUESTS_OF_RESTORE_MAX, proxy.log


def packs_sent(proxy):
    return [line for line in proxy.log if line.startswith("PUT ") and ("/data/" in line or "/meta/" in line)]


def test_one_file_of_many_is_not_paid_for_with_whole_packs(user, proxy, place, plain):
    with open(os.path.join(plain, "large"), "wb") as out:
        out.write(os.urandom(100 << 20))
    user.backup(plain)
    proxy.reset()
    user.restore(f"latest:{plain}/one.txt", os.path.join(place, "back"))
    assert proxy.count() <= 1 + REQUESTS_OF_RESTORE_MAX, proxy.log
    assert proxy.sent_bytes < 8 << 20, (proxy.sent_bytes, proxy.log)


def test_an_empty_place_is_no_vault(binary, place, signing):
    user = BucketUser(binary, place, s3_servers.store_url(signing.endpoint, "nothing-here"))
    assert "no vault at" in user.run("points", expect=NO_VAULT).errors


def test_a_wrong_secret_is_said_to_be_one(user):
    outcome = user.run("points", expect=FAILED, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert "SignatureDoesNotMatch" in outcome.errors


def test_a_vault_is_made_once(user):
    assert "already" in user.create(expect=FAILED).errors


def test_a_server_is_trusted_by_its_certificate_only(binary, place, plain):
    server = s3_servers.start_versitygw(encrypted=True)
    try:
        stranger = BucketUser(binary, place, s3_servers.store_url(server.endpoint, "vault"))
        assert "certificate" in stranger.create(expect=FAILED).errors
        user = BucketUser(binary, place, s3_servers.store_url(server.endpoint, "vault", ca=server.certificate))
        user.create()
        user.backup(plain)
        user.run("verify", "--data")
    finally:
        server.stop()
