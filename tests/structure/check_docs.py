#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails where the documents and the tree disagree: paths named in a .md that do not exist, functions that a .md places
in a file that does not have them (`src/job/backup.cc:run_backup`), sections of a document cited in code or in another
document (docs/format.md 4.3) that nobody wrote."""

import argparse
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from check_structure import House, Violation  # noqa: E402

TOP = r"(?:src|apps|cmake|docs|tests|fuzz|bench|scripts|changelog|web|\.ci)"
PATH = re.compile(rf"^(?:{TOP}/[\w./*+-]*|[A-Z]+\.md|CMakeLists\.txt|CMakePresets\.json)(?::([\w:~]+)(?:\(\))?)?$")
CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
SECTION = re.compile(r"(docs/[\w/]+\.md)[ \t]+(?:section[ \t]+)?(\d+(?:\.\d+)*)")
HEADING = re.compile(r"(?m)^#{1,6}[ \t]+(\d+(?:\.\d+)*)\.?[ \t]")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def exists(root, path):
    if "*" in path:
        return any(root.glob(path))
    return (root / path).exists()


def check_paths(house):
    for path, text in house.texts.items():
        if not path.endswith(".md") or path.startswith(("CHANGELOG", "changelog/")):
            continue
        text = FENCE.sub(blank, text)
        for match in CODE_SPAN.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            named = PATH.match(match.group(1))
            if not named:
                continue
            target, _, _ = match.group(1).partition(":")
            if not exists(house.root, target):
                yield Violation("path", path, line, f"{target} does not exist")
            elif named.group(1) and (house.root / target).is_file():
                name = named.group(1).split("::")[-1]
                if not re.search(rf"\b{re.escape(name)}\b", (house.root / target).read_text(encoding="utf-8")):
                    yield Violation("path", path, line, f"{target} has no {named.group(1)}")
        for match in LINK.finditer(text):
            target = match.group(1)
            if re.match(r"[a-z]+:", target):
                continue
            full = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if not exists(house.root, full):
                yield Violation("path", path, text.count("\n", 0, match.start()) + 1, f"{full} does not exist")


def check_sections(house):
    headings = {}
    for path, text in house.texts.items():
        for match in SECTION.finditer(text):
            document, section = match.groups()
            if document not in headings:
                headings[document] = set(HEADING.findall(house.texts.get(document, "")))
            if section not in headings[document]:
                yield Violation("section", path, text.count("\n", 0, match.start()) + 1,
                                f"{document} has no section {section}")


def check(root):
    house = House(root)
    house.texts = {path: text for path, text in house.texts.items() if not path.startswith("tests/structure/")}
    return sorted(set(list(check_paths(house)) + list(check_sections(house))))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", default=str(Path(__file__).resolve().parents[2]))
    violations = check(parser.parse_args().root)
    for violation in violations:
        print(violation)
    print(f"documents: {len(violations)} disagreements" if violations else "documents: they agree with the tree")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
