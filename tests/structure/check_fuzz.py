#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if some decoder of stored bytes has no fuzz target."""

import re
import sys
from pathlib import Path

DECODER = re.compile(r"\b((?:decode|parse|unframe)_\w+)\(")
# Headers that declare what turns stored or shown bytes into structures.
HEADERS = ("src/format/*.h", "src/vault/names.h", "src/vault/vault.h", "src/source/filetree/scan_state.h",
           "src/source/s3/bucket_event.h", "src/source/s3/feed_state.h",
           "src/source/s3/inventory_manifest.h", "src/source/s3/inventory_rows.h",
           "src/store/devices/*.h", "src/store/parity/*.h")


def check(root):
    """Every decoder that no fuzz target calls, with the header that declares it."""
    fuzzed = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "fuzz").glob("*_fuzz.cc")))
    missing = []
    for pattern in HEADERS:
        for header in sorted(root.glob(pattern)):
            code = re.sub(r"//.*", "", header.read_text(encoding="utf-8"))
            missing += [f"{header.relative_to(root)}: {name}" for name in sorted(set(DECODER.findall(code)))
                        if not re.search(rf"\b{name}\b", fuzzed)]
    return missing


def main():
    missing = check(Path(__file__).resolve().parents[2])
    for line in missing:
        print(f"{line} has no fuzz target")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
