# SPDX-License-Identifier: Apache-2.0
"""Reads C++ just well enough for the structure check: strips comments and literals, finds function bodies."""

import re
from typing import NamedTuple

RAW_STRING = re.compile(r'(?:u8|u|U|L)?R"([^()\\\s]{0,16})\(')
CONTAINER = re.compile(r"^(?:export\s+)?(?:template\s*<.*>\s*)?(?:requires\b.*\s)?(?:typedef\s+)?"
                       r"(?:static\s+|inline\s+|constexpr\s+|const\s+)*(?:class|struct|union|enum)\b", re.S)
NAMESPACE = re.compile(r'^(?:inline\s+)?namespace\b|^extern\s*""\s*$|^export\s*$')
FUNCTION_END = re.compile(r"\)\s*(?:const|noexcept|override|final|mutable|&|&&|\s)*$")
LABEL = re.compile(r"^(?:\s*(?:public|private|protected)\s*:(?!:))+")


class Function(NamedTuple):
    name: str
    first_line: int
    last_line: int

    @property
    def line_count(self):
        return self.last_line - self.first_line + 1


class Unbalanced(Exception):
    """The braces of a file do not pair up, so nothing can be said about its functions."""


def blank(text):
    """The same number of lines, and nothing on them."""
    return re.sub(r"[^\n]", " ", text)


def _literal_end(text, at):
    """Index after the string or character literal that starts at `at`."""
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != quote and text[at] != "\n":
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def _is_digit_separator(text, at):
    """1'000'000 and 0xFF'FF: a quote between two alphanumerics of a number."""
    if at == 0 or at + 1 >= len(text) or not text[at + 1].isalnum():
        return False
    word = re.search(r"[\w']+$", text[max(0, at - 40):at])
    return bool(word) and word.group()[0].isdigit()


def strip(text, keep_strings=False):
    """Blanks comments and (unless asked not to) the insides of literals. Lines and columns stay where they were."""
    out = []
    at = 0
    while at < len(text):
        char = text[at]
        if text.startswith("//", at):
            end = at
            while True:
                end = text.find("\n", end)
                if end < 0:
                    end = len(text)
                elif text[end - 1] == "\\":
                    end += 1
                    continue
                break
            out.append(blank(text[at:end]))
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            end = len(text) if end < 0 else end + 2
            out.append(blank(text[at:end]))
        elif char in "RuUL" and (at == 0 or not (text[at - 1].isalnum() or text[at - 1] == "_")) and \
                (raw := RAW_STRING.match(text, at)):
            end = text.find(")" + raw.group(1) + '"', raw.end())
            end = len(text) if end < 0 else end + len(raw.group(1)) + 2
            out.append(text[at:end] if keep_strings else '"' + blank(text[at + 1:end - 1]) + '"')
        elif char == '"' or (char == "'" and not _is_digit_separator(text, at)):
            end = _literal_end(text, at)
            out.append(text[at:end] if keep_strings else char + blank(text[at + 1:end - 1]) + text[end - 1:end])
        else:
            out.append(char)
            end = at + 1
        at = end
    return "".join(out)


def without_preprocessor(stripped):
    """Blanks directives with their continuation lines."""
    return re.sub(r"(?m)^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda match: blank(match.group()), stripped)


def _name(head):
    """The function's name out of what stands before its body."""
    for match in re.finditer(r"(~?[A-Za-z_][\w:]*|operator\s*\S+?)\s*\(", head):
        if match.group(1) not in ("requires", "noexcept", "decltype", "alignas", "__attribute__", "explicit"):
            return match.group(1)
    return "(lambda)"


def _opens(head):
    """What a brace opens outside functions: 'scope' (look inside), 'function', or 'data' (any initialiser)."""
    text = LABEL.sub("", head.strip()).strip()
    squeezed = re.sub(r'"\s*"', '""', text)
    if NAMESPACE.search(squeezed):
        return "scope"
    if CONTAINER.search(text) and not FUNCTION_END.search(text):
        return "scope"
    if ")" not in text or text.count("(") != text.count(")") or text.endswith("="):
        return "data"
    if re.search(r"\)\s*(?:noexcept\s*)?:(?!:)", text) and re.search(r"[\w>]$", text):
        return "data"  # A member in a constructor's initialiser list.
    return "function"


def functions(text):
    """Every function body outside other functions, with the lines from its signature to its closing brace."""
    code = without_preprocessor(strip(text))
    found = []
    open_braces = []  # What each opens.
    head_start = 0  # Where the statement in work began, while outside functions.
    body = None  # (name, first line) of the function in work, and the depth of its brace.
    line = 1
    for at, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == "{":
            kind = "inside" if body else _opens(code[head_start:at])
            if kind == "data":
                body = (None, line, len(open_braces))
            elif kind == "function":
                head = code[head_start:at]
                lead = len(head) - len(head.lstrip())
                body = (_name(LABEL.sub("", head)), line - head[lead:].count("\n"), len(open_braces))
            open_braces.append(kind)
            head_start = at + 1 if kind == "scope" else head_start
        elif char == "}":
            if not open_braces:
                raise Unbalanced(f"line {line}: a closing brace too many")
            kind = open_braces.pop()
            head_start = at + 1 if kind in ("scope", "function") else head_start
            if body and body[2] == len(open_braces):
                if body[0]:
                    found.append(Function(body[0], body[1], line))
                body = None
        elif char == ";" and not body:
            head_start = at + 1
    if open_braces:
        raise Unbalanced(f"{len(open_braces)} braces never closed")
    return found
