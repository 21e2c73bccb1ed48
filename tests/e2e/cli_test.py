# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, version, completion, settings, passphrases."""

import os
import re
import subprocess

import pytest
from holdfast import DONE, FAILED, PASSWORD, USAGE, WRONG_KEY, Holdfast

COMMANDS = ("vault", "key", "backup", "restore", "points", "tag", "copy", "show", "ls", "find", "cat", "diff", "mount",
            "export", "forget", "collect", "verify", "scrub", "repair", "recover", "serve-point", "serve", "thaw", "hold",
            "undelete", "man", "completion", "version")


@pytest.fixture(name="stranger")
def fixture_stranger(binary, place):
    """Someone without a vault."""
    return Holdfast(binary, place, None, password=None)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_command(stranger, command):
    told = stranger.run("--help").text
    assert re.search(rf"(?m)^\s+{command}\b", told)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(stranger, command):
    told = stranger.run(command, "--help").text
    assert command in told and len(told.splitlines()) > 2


def test_version_names_the_program_and_its_version(stranger):
    assert re.search(r"\bholdfast\b.*\b\d+\.\d+\.\d+", stranger.run("version").text)
    assert re.search(r"\b\d+\.\d+\.\d+", stranger.run("--version").text)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(stranger, shell):
    script = stranger.run("completion", shell).text
    for command in COMMANDS:
        assert command in script


def test_the_bash_completion_works_in_bash(stranger, place):
    with open(f"{place}/completion", "w", encoding="utf-8") as out:
        out.write(stranger.run("completion", "bash").text)
    asked = (f"source {place}/completion; COMP_WORDS=(holdfast res); COMP_CWORD=1; COMP_LINE='holdfast res'; "
             "COMP_POINT=12; function=$(complete -p holdfast | sed -E 's/.*-F +([^ ]+).*/\\1/'); $function holdfast res "
             "holdfast; echo \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["restore"], done


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("backup", "--nonsense", "/etc"), ("restore",), ("vault",),
                                       ("completion", "tcsh")])
def test_mistakes_of_usage_have_a_code_of_their_own(stranger, arguments):
    outcome = stranger.run(*arguments, expect=USAGE)
    assert outcome.errors.strip()


def test_a_point_cannot_be_of_a_time_that_cannot_be_said(user, plain):
    assert "2262" in user.run("backup", "--time", "99999999999", plain, expect=FAILED).errors
    user.backup("--time", "9223372036", plain)
    assert user.points()[-1]["time"].startswith("2262-")


def test_no_vault_named_is_told(stranger):
    outcome = stranger.run("points", expect=(FAILED, USAGE))
    assert "HOLDFAST_VAULT" in outcome.errors or "--vault" in outcome.errors


def test_the_vault_may_come_from_the_environment(user, plain):
    user.backup(plain)
    vault, user.vault = user.vault, None
    assert len(user.run("points", "--json", env={"HOLDFAST_VAULT": vault}).lines()) == 1


def test_the_passphrase_may_come_from_a_file_or_a_command(user, plain, binary, place):
    user.backup(plain)
    with open(f"{place}/passphrase", "w", encoding="ascii") as out:
        out.write(PASSWORD + "\n")
    silent = Holdfast(binary, place, user.vault, password=None)
    for env in ({"HOLDFAST_PASSWORD_FILE": f"{place}/passphrase"},
                {"HOLDFAST_PASSWORD_COMMAND": f"cat {place}/passphrase"}):
        assert len(silent.run("points", "--json", env=env).lines()) == 1
    silent.run("points", env={"HOLDFAST_PASSWORD_COMMAND": "echo wrong"}, expect=WRONG_KEY)
    silent.run("points", env={"HOLDFAST_PASSWORD_COMMAND": "exit 3"}, expect=FAILED)
    silent.run("points", env={"HOLDFAST_PASSWORD_FILE": f"{place}/nowhere"}, expect=FAILED)


def test_without_a_passphrase_and_a_terminal_it_fails_at_once(user, binary, place):
    silent = Holdfast(binary, place, user.vault, password=None)
    outcome = silent.run("points", expect=(FAILED, USAGE, WRONG_KEY), timeout=60)
    assert "HOLDFAST_PASSWORD" in outcome.errors


def test_defaults_come_from_a_configuration_file(user, plain):
    folder = f"{user.environment['XDG_CONFIG_HOME']}/holdfast"
    os.makedirs(folder)
    with open(f"{folder}/config.yaml", "w", encoding="utf-8") as out:
        out.write(f"all:\n  vault: {user.vault}\nbackup:\n  exclude:\n    - '*.log'\n  tag:\n    - configured\n")
    user.vault = None
    user.backup(plain)
    point = user.points()[-1]
    assert point["tags"] == ["configured"]
    assert "four.log" not in user.run("ls", "latest").text


def test_a_faulty_configuration_file_is_told_with_its_place(user, place):
    with open(f"{place}/config.yaml", "w", encoding="utf-8") as out:
        out.write("all: [unclosed\n")
    outcome = user.run("--config", f"{place}/config.yaml", "points", expect=(FAILED, USAGE))
    assert "config.yaml" in outcome.errors
    with open(f"{place}/config.yaml", "w", encoding="utf-8") as out:
        out.write("all:\n  nonsense_setting: 3\n")
    outcome = user.run("--config", f"{place}/config.yaml", "points", expect=(FAILED, USAGE))
    assert "nonsense_setting" in outcome.errors


def test_nothing_but_results_goes_to_standard_output_and_no_progress_into_a_pipe(user, plain):
    outcome = user.run("backup", plain)
    assert "\r" not in outcome.text + outcome.errors
    assert "\x1b" not in outcome.text + outcome.errors
    for command in (("points", "--json"), ("backup", "--json", plain), ("verify", "--json"), ("collect", "--json")):
        user.run(*command).lines()


def test_a_passphrase_is_never_shown(user, plain):
    shown = [user.run("backup", plain), user.run("vault", "info"), user.run("key", "list"),
             user.run("restore", "nonsense", "--to", "/nonexistent/x", expect=FAILED)]
    for outcome in shown:
        assert PASSWORD not in outcome.text + outcome.errors
    for name in user.objects():
        with open(f"{user.vault}/{name}", "rb") as stored:
            assert PASSWORD.encode() not in stored.read()


def test_nothing_of_the_tree_is_readable_in_the_vault(user, place):
    tree = f"{place}/tree"
    os.makedirs(f"{tree}/telltale-folder-name")
    for number in range(20):
        with open(f"{tree}/telltale-folder-name/telltale-{number}", "w", encoding="ascii") as out:
            out.write(f"telltale content {number}\n" * 50)
    user.backup("--tag", "telltale-tag", tree)
    for name in user.objects():
        assert "telltale" not in name
        with open(f"{user.vault}/{name}", "rb") as stored:
            assert b"telltale" not in stored.read(), name


def test_objects_of_a_vault_are_closed_to_others(user, plain):
    user.backup(plain)
    assert os.stat(user.vault).st_mode & 0o077 == 0
    assert user.run("verify").code == DONE
