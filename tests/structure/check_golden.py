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
# Version 1 was frozen with these. They stand here too, so that no new list takes the place of the old one.
FROZEN = {
    "archive-1": "c9943b4632b817aa68fe84b09d499dc9d269dae70dc47601093a631d29c6bc33",
    "bucket-1": "f7aee9548734a9950f1dd5ab3ec0e9200a7b447bd3289ecd500f486f39f2afab",
    "devices-1": "3e5772fcee5f2159a2bab872a95a1a193314a8c4f3745facd38878cf7ac30ff0",
    "log-1": "ef24452cffbff31130c4968110ca6bdee7a20744c62e0b6a39554ea4404978ea",
    "parity-1": "438e629590746c2da3fc8d6be6abd12132d748ffe8f16ba6e544075959c4c0c4",
    "rich-1": "694e923b0b91891174e538f4338b1f28900887fb95b69b332c9022f55db74aea",
}


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
    for name, digest in FROZEN.items():
        if listed.get(f"{name}.tar.xz") != digest:
            yield f"{name}.tar.xz is not listed as version 1 was frozen with it"


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else GOLDEN
    found = list(complaints(folder))
    for complaint in found:
        print(f"golden vaults: {complaint}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
