# SPDX-License-Identifier: Apache-2.0
"""What the documents show is what the program does.

Every fenced block that begins with "$ " is a session: its commands are run one by one in one shell, and what each prints
must have the shape of the lines beneath it. Ids, numbers and sizes are placeholders; an id shown by one command and
typed in a later one is replaced by the one that came to be. The session's folder stands for /srv and holds a small
folder `data`. A comment right above the block may prepare more, or leave it out with a reason:

    <!-- before: SHELL COMMANDS -->
    <!-- with an S3 server, before: SHELL COMMANDS -->
    <!-- not run: REASON -->

An S3 server is at $AWS_ENDPOINT_URL, with keys for it; $BUCKET_TOOL runs bucket_tool.py.

A line "..." stands for any lines. Commands mentioned elsewhere must exist, with the options they are given.
"""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import s3_servers
from conftest import REPOSITORY
from holdfast import Holdfast

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
FENCE = re.compile(r"(?ms)(?:^<!-- (?P<note>[^\n]*?) -->\n+)?^```(?P<kind>[a-z]*)\n(?P<body>.*?)^```$")
ID = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f]|\d{8})[0-9a-f]{8,64}\b")
VERSION_ID = re.compile(r"\b[0-9A-Z]{26}\b")
RECOVERY_KEY = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){13}\b")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?: (?:B|KiB|MiB|GiB|TiB)\b)?")
STOP = "session-command-is-over"
WITH_S3 = "with an S3 server, "


class Session:
    def __init__(self, page, number, note, body):
        self.name = f"{page.relative_to(REPOSITORY)}-{number}"
        self.note = note or ""
        self.steps = []  # (command, the lines it should print)
        for line in body.splitlines():
            if line.startswith("$ "):
                self.steps.append((line[2:], []))
            elif self.steps[-1][0].endswith("\\"):
                command, shown = self.steps[-1]
                self.steps[-1] = (command + "\n" + line, shown)
            else:
                self.steps[-1][1].append(line)


def sessions():
    found = []
    for page in PAGES:
        for number, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8"))):
            if match["body"].startswith("$ "):
                found.append(Session(page, number, match["note"], match["body"]))
    return found


class Shell:
    """One bash that runs a session's commands in a folder that stands for /srv."""

    def __init__(self, binary, place, endpoint=None):
        self.place = Path(place)
        self.srv = self.place / "srv"
        (self.srv / "data/sub").mkdir(parents=True)
        (self.srv / "data/letter.txt").write_text("first draft\n", encoding="ascii")
        (self.srv / "data/sub/report.txt").write_text("numbers\n" * 500, encoding="ascii")
        (self.srv / "data/photo.jpg").write_bytes(os.urandom(300_000))
        (self.place / "bin").mkdir()
        (self.place / "bin/holdfast").symlink_to(binary)
        (self.place / "bin/aws").symlink_to(s3_servers.tool("awscli/bin/aws"))
        environment = dict(Holdfast(binary, place, None).environment)
        environment["PATH"] = f"{self.place}/bin:{environment['PATH']}"
        if endpoint:
            keys = s3_servers.aws_environment()
            environment.update({name: keys[name] for name in keys if name != "PATH"}, AWS_ENDPOINT_URL=endpoint,
                               BUCKET_TOOL=f"{s3_servers.tools_python()} {Path(__file__).with_name('bucket_tool.py')}")
        self.bash = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, cwd=self.srv, env=environment)
        self.ids = {}
        # Folders above the session's, where others come and go meanwhile.
        self.noise = {f"U    {folder}" for folder in Path(place).parents}

    def here(self, text):
        text = re.sub(r"/srv\b", str(self.srv), text)
        for shown, real in self.ids.items():
            text = re.sub(rf"\b{shown}", real, text)
        return text

    def run(self, command):
        """The exit code and the lines printed, as they would look in /srv."""
        self.bash.stdin.write(f"{{ {self.here(command)}\n}} </dev/null\necho \"\n{STOP} $?\"\n".encode())
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            text = line.decode("utf-8", "replace").rstrip("\n").replace(str(self.srv), "/srv")
            if text.startswith(STOP):
                while lines and not lines[-1]:
                    lines.pop()
                return int(text.split()[1]), lines
            if text not in self.noise:
                lines.append(text)
        raise AssertionError(f"the shell ended at: {command}")

    def learn(self, shown, real):
        for before, after in zip(ID.findall(shown), ID.findall(real)):
            self.ids.setdefault(before, after)

    def close(self):
        self.bash.stdin.close()
        self.bash.stdout.close()
        self.bash.wait(timeout=60)


def shape(line):
    line = RECOVERY_KEY.sub("KEY", line)
    line = VERSION_ID.sub("VERSION", line)
    line = ID.sub("ID", line)
    return re.sub(r"\s+", " ", NUMBER.sub("N", line)).strip()


def matches(shown, printed):
    """Whether the printed lines have the shapes of those shown, "..." standing for any number of them."""
    pattern = "".join("(?:.*\n)*?" if line.strip() == "..." else re.escape(shape(line)) + "\n" for line in shown)
    return re.fullmatch(pattern, "".join(shape(line) + "\n" for line in printed)) is not None


def play(session, shell):
    before = session.note.removeprefix(WITH_S3)
    if before.startswith("before: "):
        code, lines = shell.run(before.removeprefix("before: "))
        assert code == 0, f"{session.name}: what goes before failed: {lines}"
    for command, shown in session.steps:
        code, printed = shell.run(command)
        told = "\n".join(["$ " + command, "--- the document shows:", *shown, "--- the program printed:", *printed])
        assert code == 0, f"{session.name}: exit {code}\n{told}"
        assert matches(shown, printed), f"{session.name}\n{told}"
        for before, after in zip(shown, printed):
            shell.learn(before, after)


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.name)
def test_a_session_in_the_documents_goes_as_shown(session, binary, place):
    if session.note.startswith("not run: "):
        return
    server = s3_servers.start_versitygw() if session.note.startswith(WITH_S3) else None
    shell = Shell(binary, place, server and server.endpoint)
    try:
        play(session, shell)
    finally:
        shell.close()
        if server:
            server.stop()


def test_there_are_sessions():
    assert any(session.name.startswith("README.md") for session in sessions())


def mentioned():
    """Every command line of holdfast in the documents: in sessions, blocks and inline code."""
    lines = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for code in re.findall(r"`(holdfast [^`\n]+)`", text) + re.findall(r"(?m)^(?:\$ )?(holdfast .+)$", text):
            lines.setdefault(code, page.relative_to(REPOSITORY))
    return lines


def commands_of(binary):
    """Every command's options, by its name."""
    user = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"(?m)^  ([a-z-]+(?: [a-z-]+)?)  ", user)
    return {name: set(re.findall(r"--[a-z][a-z0-9-]*", subprocess.run(
        [binary, *name.split(), "--help"], capture_output=True, text=True, check=True).stdout)) for name in names}


def test_commands_and_options_that_are_mentioned_exist(binary):
    known = commands_of(binary)
    assert len(known) > 15, known
    for line, page in mentioned().items():
        if str(page).endswith("docs/format.md"):
            continue  # There "holdfast ..." begins contexts of seals and lines of files.
        for part in re.split(r"\s(?:&&|\|\|?|;)\s", line):
            words = shlex.split(part, comments=True)
            while words[:1] and "=" in words[0]:
                words.pop(0)
            if words[:1] != ["holdfast"]:
                continue
            options = [word.split("=")[0] for word in words if word.startswith("--")]
            while words[1:2] and words[1].startswith("-"):
                words = words[:1] + words[3:] if words[1] in ("--vault", "-r", "--config") else words[:1] + words[2:]
            # "holdfast v1 ..." are contexts of seals and signatures.
            if len(words) < 2 or words[1].isupper() or words[1] in ("...", "v1"):
                continue
            name = next((name for name in (" ".join(words[1:3]), words[1]) if name in known), None)
            assert name is not None, f"{page}: '{part}': there is no such command"
            for option in options:
                assert option in known[name] | {"--help", "--version"}, f"{page}: '{part}': '{name}' has no {option}"


def test_a_session_that_lies_is_found(binary, place):
    """The witness of the witness: a wrong line, a wrong command, a missing line."""
    page = REPOSITORY / "README.md"
    good = "$ holdfast version\n...\n"
    shell = Shell(binary, place)
    try:
        play(Session(page, 0, None, good), shell)
        for bad in ("$ holdfast version\nsomething else\n", "$ holdfast no-such-command\n...\n", "$ holdfast version\n"):
            with pytest.raises(AssertionError):
                play(Session(page, 0, None, bad), shell)
    finally:
        shell.close()
