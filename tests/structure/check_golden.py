#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden vaults are added and never changed: each has the SHA-256 that tests/compat/golden/SHA256SUMS gives it, each line
there has its vault, and those that version 1 was frozen with are among them. docs/format.md 14.7.

    check_golden.py [FOLDER]
"""

import hashlib
import sys
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "compat/golden"
FROZEN = ("archive-1", "bucket-1", "devices-1", "log-1", "parity-1", "rich-1")


def complaints(folder):
    listed = {}
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ", 1)
        if name in listed:
            yield f"{name} is listed twice"
        listed[name] = digest
    for name, digest in listed.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is listed and not there: a golden vault is kept for ever"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"{name} is another than it was: golden vaults are never made anew, others are added"
    for path in sorted(folder.glob("*.tar.xz")):
        if path.name not in listed:
            yield f"{path.name} is not in SHA256SUMS: tests/compat/make_golden.py adds it"
    for name in FROZEN:
        if f"{name}.tar.xz" not in listed:
            yield f"{name}.tar.xz is not listed: version 1 was frozen with it"


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN
    found = list(complaints(folder))
    for complaint in found:
        print(f"golden vaults: {complaint}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
