# SPDX-License-Identifier: Apache-2.0
"""The store conformance suite, run by the C++ test program against real servers."""

import os
import subprocess

import pytest
import s3_servers


@pytest.mark.parametrize("kind", ["versitygw", "moto", pytest.param("rgw", marks=pytest.mark.long)])
def test_the_store_conforms_on_a_real_server(binary, kind):
    program = os.path.join(os.path.dirname(binary), "tests", "store_s3_server_test")
    assert os.access(program, os.X_OK), f"no program at {program}: build it"
    server = s3_servers.STARTS[kind]()
    try:
        url = s3_servers.store_url(server.endpoint, "suite")
        done = subprocess.run([program, "--gtest_brief=1"], capture_output=True, text=True, timeout=600, check=False,
                              env={**s3_servers.aws_environment(), "HOLDFAST_TEST_S3_URL": url})
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
        assert "PASSED" in done.stdout
    finally:
        server.stop()
