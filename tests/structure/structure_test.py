#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants every violation the checks know into a small healthy house; each must be found, and nothing else."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_docs  # noqa: E402
import check_structure  # noqa: E402
import cpp_scan  # noqa: E402

HERE = Path(__file__).resolve().parent
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
HEALTHY = {
    "src/base/a.h": SPDX + "#pragma once\nint a();\n",
    "src/base/a.cc": SPDX + '#include "base/a.h"\nint a() { return 1; }\n',
    "src/base/CMakeLists.txt": "room(NAME base SRCS a.cc TESTS a_test.cc)\n",
    "src/base/a_test.cc": SPDX + '#include "base/a.h"\nTEST(Base, one_is_one) { EXPECT_EQ(a(), 1); }\n',
    "src/store/object_store.h": SPDX + '#include "base/a.h"\n',
    "src/store/CMakeLists.txt": "room(NAME store_posix SRCS posix/p.cc)\nroom(NAME store_mem SRCS mem/m.cc)\n",
    "src/store/posix/p.h": SPDX + '#include "store/object_store.h"\n',
    "src/store/posix/p.cc": SPDX + '#include "store/posix/p.h"\n#include "os/file.h"\n',
    "src/store/mem/m.h": SPDX + '#include "store/object_store.h"\n',
    "src/store/mem/m.cc": SPDX + '#include "store/mem/m.h"\n',
    "src/os/file.h": SPDX + '#include "base/a.h"\n',
    "src/vault/v.h": SPDX + '#include "store/object_store.h"\n',
    "src/vault/v.cc": SPDX + '#include "vault/v.h"\nint v() { return 2; }  // docs/format.md 1.2\n',
    "src/vault/v_test.cc": SPDX + '#include "store/mem/m.h"\n',
    "src/vault/CMakeLists.txt": "room(NAME vault SRCS v.cc TESTS v_test.cc)\n",
    "src/wiring/w.cc": SPDX + '#include "store/posix/p.h"\n#include "vault/v.h"\n',
    "src/wiring/CMakeLists.txt": "room(NAME wiring SRCS w.cc)\n",
    "docs/format.md": "# Format\n\n## 1. Words\n\n### 1.2 Packs\n",
    "docs/architecture.md": "See `src/vault/v.cc:v`, `src/vault/`, `docs/*.md` and [the format](format.md).\n",
}


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path, text in HEALTHY.items():
            self.write(path, text)
        settings = self.root / "tests/structure"
        settings.mkdir(parents=True)
        (settings / "layers.txt").write_text((HERE / "layers.txt").read_text())
        (settings / "allowed.txt").write_text("# Nothing.\n")

    def write(self, path, text):
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def append(self, path, text):
        self.write(path, (self.root / path).read_text() + text)

    def found(self):
        return {(violation.rule, violation.path)
                for violation in check_structure.check(self.root) + check_docs.check(self.root)}

    def expect(self, *wanted):
        self.assertEqual(self.found(), set(wanted))

    def test_a_healthy_house_has_no_violation(self):
        self.expect()

    def test_includes_upward_and_sideways_are_found(self):
        for path, include in {
                "src/base/a.cc": "os/file.h", "src/os/file.h": "vault/v.h", "src/vault/v.cc": "store/posix/p.h",
                "src/vault/v.h": "store/mem/m.h", "src/store/posix/p.cc": "store/mem/m.h",
                "src/store/object_store.h": "store/mem/m.h", "src/base/a_test.cc": "vault/v.h"}.items():
            with self.subTest(path=path):
                healthy = (self.root / path).read_text()
                self.append(path, f'#include "{include}"\n')
                self.expect(("layer", path))
                self.write(path, healthy)

    def test_a_room_without_a_line_is_found(self):
        self.write("src/attic/x.cc", SPDX)
        self.write("src/attic/CMakeLists.txt", "room(NAME attic SRCS x.cc)\n")
        self.expect(("layer", "src/attic/x.cc"))

    def test_an_include_in_a_comment_is_none(self):
        self.append("src/base/a.cc", '// #include "vault/v.h"\n/*\n#include "vault/v.h"\n*/\n')
        self.expect()

    def test_relative_and_unknown_includes_are_found(self):
        self.append("src/base/a.cc", '#include "a.h"\n')
        self.expect(("include", "src/base/a.cc"))

    def test_long_functions_are_found_wherever_they_stand(self):
        body = "  call();\n" * 70
        for text in ("int f() {\n" + body + "}\n",
                     "namespace n {\nclass C final : public D<int(int)> {\n public:\n  C() : a_{1}, b_(2) {\n" + body + "  }\n};\n}\n",
                     "template <class T>\nauto g(T t = {}) -> Result<T> {\n  if (t) {\n  }\n" + body + "}\n",
                     "auto h = [](int i) {\n" + body + "};\n",
                     "bool C::operator()(int a) const noexcept {\n" + body + "}\n",
                     "extern \"C\" {\nvoid k(const char* a = \"{\", char b = '{') {\n" + body + "}\n}\n",
                     "void m() {\n  const char* s = R\"x(}}}\"})x\";  // }\n" + body + "}\n",
                     "#define OPEN {\nint n() { return 1'000; }\nint o() {\n" + body + "}\n"):
            with self.subTest(text=text[:40]):
                self.write("src/base/a.cc", HEALTHY["src/base/a.cc"] + text)
                self.expect(("function-length", "src/base/a.cc"))

    def test_long_data_and_long_classes_are_no_functions(self):
        self.append("src/base/a.cc", "const int t[] = {\n" + "  1,\n" * 80 + "};\n")
        self.append("src/base/a.cc", "struct HOLDFAST_ANNOTATION(capability(\"x\")) S {\n" + "  int f() { return 1; }\n" * 80 + "};\n")
        self.append("src/base/a.cc", "enum class E : uint8_t {\n" + "  a,\n" * 80 + "};\n")
        self.expect()

    def test_a_function_of_seventy_lines_may_be(self):
        self.append("src/base/a.cc", "int f() {\n" + "  call();\n" * 68 + "}\n")
        self.expect()

    def test_the_name_and_lines_of_a_function_are_right(self):
        found = cpp_scan.functions(HEALTHY["src/base/a.cc"] + "\nC::C(int a)\n    : a_{a}, b_(1) {\n  x();\n}\n")
        self.assertEqual([tuple(function) for function in found], [("a", 3, 3), ("C::C", 5, 8)])

    def test_braces_that_do_not_pair_up_are_found(self):
        self.append("src/base/a.cc", "int f() {\n")
        self.expect(("braces", "src/base/a.cc"))

    def test_long_files_are_found_but_for_tests(self):
        self.append("src/base/a.cc", "int x;\n" * 500)
        self.append("src/base/a_test.cc", "int x;\n" * 500)
        self.expect(("file-length", "src/base/a.cc"))

    def test_long_lines_are_found(self):
        self.append("src/base/a.cc", "// " + "x" * 118 + "\n")
        self.expect(("line-length", "src/base/a.cc"))

    def test_dead_files_are_found(self):
        self.write("src/base/dead.cc", SPDX)
        self.write("src/base/dead_test.cc", SPDX)
        self.write("src/base/dead.h", SPDX)
        self.append("src/base/CMakeLists.txt", "# dead.cc dead_test.cc\n")
        self.expect(("dead-source", "src/base/dead.cc"), ("dead-source", "src/base/dead_test.cc"),
                    ("dead-header", "src/base/dead.h"))

    def test_a_source_listed_in_another_folder_is_dead_here(self):
        self.write("src/vault/a.cc", SPDX)
        self.expect(("dead-source", "src/vault/a.cc"))

    def test_exceptions_are_found(self):
        for text in ("void f() { throw 1; }\n", "void f() { try { g(); } catch (...) { h(); } }\n"):
            with self.subTest(text=text):
                self.write("src/base/a.cc", HEALTHY["src/base/a.cc"] + text)
                self.expect(("exception", "src/base/a.cc"))

    def test_an_allowed_exception_passes_and_a_needless_one_is_found(self):
        self.append("src/base/a.cc", "void f() { throw 1; }\n")
        self.append("tests/structure/allowed.txt", "exception src/base/a.cc: a third party wants it\n")
        self.expect()
        self.append("tests/structure/allowed.txt", "seam src/base/*.cc: no longer needed\n")
        self.expect(("unused-exception", "tests/structure/allowed.txt"))

    def test_words_in_comments_and_strings_are_no_calls(self):
        self.append("src/base/a.cc", '// throw getenv("X")\nconst char* s = "try { fopen( }";\n')
        self.expect()

    def test_calls_past_the_seams_are_found_outside_os(self):
        for call in ("auto t = std::chrono::system_clock::now();", "auto t = steady_clock::now();",
                     "std::random_device d;", 'auto e = std::getenv("HOME");', 'std::ofstream f("x");',
                     'FILE* f = fopen("x", "r");', 'int f = ::open("x", 0);', "int r = ::fsync(3);",
                     "auto n = pread(3, p, 1, 0);", "int r = ioctl(3, 4);", "std::filesystem::path p;",
                     "#include <unistd.h>", "auto t = ::time(nullptr);"):
            with self.subTest(call=call):
                self.write("src/vault/v.cc", HEALTHY["src/vault/v.cc"] + call + "\n")
                self.write("src/os/file.h", HEALTHY["src/os/file.h"] + call + "\n")
                self.expect(("seam", "src/vault/v.cc"))

    def test_members_and_our_own_functions_of_such_names_are_no_system_calls(self):
        self.append("src/vault/v.cc", "void f() { clock.sleep_for(d); os::pread(1); file->fsync(); cursor.read(b); }\n")
        self.expect()

    def test_sleeps_and_detached_threads_are_found_in_tests_too(self):
        self.append("src/vault/v_test.cc", "void f() { std::this_thread::sleep_for(1s); usleep(3); }\n")
        self.append("src/vault/v.cc", "void g() { std::thread(h).detach(); }\n")
        self.expect(("sleep", "src/vault/v_test.cc"), ("detach", "src/vault/v.cc"))

    def test_work_left_for_later_is_found(self):
        for word in ("TO" "DO", "FIX" "ME", "X" "XX"):
            with self.subTest(word=word):
                self.write("docs/notes.md", f"{word}: later\n")
                self.expect(("open-end", "docs/notes.md"))

    def test_missing_license_lines_are_found(self):
        self.write("src/base/a.h", "#pragma once\n")
        self.write("scripts/go", "#!/bin/sh\necho\n")
        self.write("scripts/fine", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
        self.expect(("license", "src/base/a.h"), ("license", "scripts/go"))

    def test_paths_of_one_machine_are_found(self):
        self.append("src/base/a.cc", "// See /" "work/notes.txt\n")
        self.write("scripts/x.py", "# SPDX-License-Identifier: Apache-2.0\nHOME = '/" "root/x'\n")
        self.expect(("machine-path", "src/base/a.cc"), ("machine-path", "scripts/x.py"))

    def test_names_of_tests_are_sentences(self):
        self.append("src/base/a_test.cc", "TEST(Base, TestsOne) {}\nTEST_F(Base, fails) {}\n")
        self.expect(("test-name", "src/base/a_test.cc"))

    def test_paths_in_documents_that_do_not_exist_are_found(self):
        for text in ("`src/vault/gone.cc`", "`docs/gone*.md`", "[x](gone.md)", "`src/vault/v.cc:missing`", "`GONE.md`"):
            with self.subTest(text=text):
                self.write("docs/architecture.md", text + "\n")
                self.expect(("path", "docs/architecture.md"))

    def test_paths_of_users_in_documents_are_left_alone(self):
        self.write("docs/architecture.md", "`/srv/vault` `build/release/holdfast` [x](https://example.com/a.md) "
                                           "`src/<room>/x.cc`\n```\nsrc/vault/gone.cc\n```\n")
        self.expect()

    def test_sections_cited_but_not_written_are_found(self):
        self.append("src/vault/v.cc", "// docs/format.md 1 and docs/format.md 1.3\n")
        self.expect(("section", "src/vault/v.cc"))


if __name__ == "__main__":
    unittest.main()
