# SPDX-License-Identifier: Apache-2.0
"""What starts servers for tests leaves nothing behind when they do not start."""

import os
import socket
import tempfile

import ceph_cluster
import pytest
import s3_servers


@pytest.mark.parametrize("kind", s3_servers.STARTS)
def test_a_server_that_does_not_start_leaves_nothing(kind, place, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", place)
    monkeypatch.setattr(s3_servers, "tool", lambda name: "/bin/false")
    monkeypatch.setattr(ceph_cluster, "CLASSES", "/nowhere/*")
    with pytest.raises(AssertionError):
        s3_servers.STARTS[kind]()
    assert os.listdir(place) == []


def test_a_server_without_its_bucket_is_stopped(place, monkeypatch):
    def fail(*_):
        raise AssertionError("no bucket")
    monkeypatch.setattr(tempfile, "tempdir", place)
    monkeypatch.setattr(s3_servers, "make_bucket", fail)
    started = []
    monkeypatch.setattr(s3_servers.Server, "stop_process", lambda server, stop=s3_servers.Server.stop_process:
                        (started.append(server), stop(server)))
    with pytest.raises(AssertionError):
        s3_servers.start_moto()
    assert os.listdir(place) == [] and started[0].process.poll() is not None


def test_a_reserved_port_is_given_to_who_asks_for_it():
    with ceph_cluster.reserved_port() as reserved, socket.socket() as monitor:
        monitor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        monitor.bind(reserved.getsockname())
        monitor.listen()
        with socket.create_connection(reserved.getsockname(), timeout=10):
            pass
