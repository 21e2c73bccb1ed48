# SPDX-License-Identifier: Apache-2.0
"""The thief: who holds an agent's credential and the whole store reads no content and sees no other domain's names."""

import os

import pytest
import tree_walker
from holdfast import DONE, REFUSED, SKIPS, Holdfast

NOT_DONE = tuple(code for code in range(1, 256) if code not in (DONE, SKIPS))


@pytest.fixture(name="agent")
def fixture_agent(user, binary, place):
    """An agent of the vault, with a credential and no passphrase."""
    credential = f"{place}/credential"
    user.run("key", "agent", "worker", "--output", credential)
    assert os.stat(credential).st_mode & 0o077 == 0
    os.mkdir(f"{place}/agent")
    agent = Holdfast(binary, f"{place}/agent", user.vault, password=None)
    agent.environment["HOLDFAST_KEY_FILE"] = credential
    return agent


def test_an_agent_backs_up_incrementally_and_the_owner_restores(user, agent, plain, place):
    first = agent.backup(plain)
    second = agent.backup(plain)
    assert first["bytes_stored"] > 300_000
    assert second["bytes_stored"] < first["bytes_stored"] // 2
    user.restore(f"latest:{plain}", f"{place}/back")
    assert tree_walker.compare(tree_walker.walk(plain), tree_walker.walk(f"{place}/back")) == []
    user.run("verify", "--data")


def test_an_agent_reads_no_content(agent, plain, place):
    agent.backup(plain)
    for arguments in (("restore", "latest", "--to", f"{place}/stolen"), ("cat", f"latest:{plain}/one.txt"),
                      ("export", "latest", "--output", f"{place}/stolen.tar")):
        outcome = agent.run(*arguments, expect=REFUSED)
        assert b"one\none\n" not in outcome.out
    for folder, _, names in os.walk(f"{place}/stolen"):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                with open(path, "rb") as stolen:
                    assert stolen.read().strip(b"\0") == b"", f"{path} was read"
    if os.path.exists(f"{place}/stolen.tar"):
        with open(f"{place}/stolen.tar", "rb") as stolen:
            assert b"one\none\n" not in stolen.read()


def test_an_agent_sees_its_own_names_and_nobody_elses(user, agent, plain, place):
    secret = f"{place}/secret-of-the-owner"
    os.mkdir(secret)
    with open(f"{secret}/hidden-name", "wb") as out:
        out.write(b"hidden")
    user.backup("--tag", "hidden-tag", secret)
    agent.backup(plain)
    assert "four.log" in agent.run("ls", "latest").text
    seen = agent.run("points", "--json").text + agent.run("find", "*").text
    assert "secret-of-the-owner" not in seen
    assert "hidden" not in seen
    assert len(user.points()) == 2


def test_an_agent_cannot_forget_collect_or_change_keys(user, agent, plain):
    point = user.backup(plain)["recovery_point_id"]
    own = agent.backup(plain)["recovery_point_id"]
    for arguments in (("forget", own), ("forget", point), ("collect",), ("key", "rotate"), ("key", "agent", "another")):
        agent.run(*arguments, expect=NOT_DONE)
    assert {entry["id"] for entry in user.points()} == {point, own}
    user.run("verify", "--data")


def test_deduplication_does_not_cross_domains(user, agent, plain):
    own = user.backup(plain)["bytes_stored"]
    assert agent.backup(plain)["bytes_stored"] > own // 2


def test_a_removed_agent_writes_no_more(user, agent, plain):
    agent.backup(plain)
    key = next(key for key in user.run("key", "list", "--json").lines() if key.get("name") == "worker")
    user.run("key", "remove", key["id"])
    agent.run("backup", plain, expect=NOT_DONE)
    assert len(user.points()) == 1
    user.run("verify", "--data")
