"""Docstrings, comments, templates and documents avoid phrases that make a reader stop.

Each pattern is a habit of this code base's early prose. A line that is right all the same goes
into tests/prose_allowed.toml, with its reason. The test finds phrases, not bad sentences, so read
yours aloud.
"""

import ast
import io
import os
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = ROOT / "tests" / "prose_allowed.toml"
SUFFIXES = (".py", ".md", ".html", ".txt")
SKIPPED_FOLDERS = {".git", ".venv", "var", "node_modules", "__pycache__", "dist", "test-results"}

# By what to do about a hit.
PATTERNS = {
    "name the person or the code instead of whoever, to who, who does": (
        r"\b[Ww]hoever\b|\b[Tt]o who\b"
        r"|(?:^|[.:;(] )Who (?!am|are|is |did|can|could|has|may)[a-z]+s\b"
    ),
    "name the subject instead of somebody, nobody, anybody, everybody": (
        r"\b(?:[Ss]ome|[Nn]o|[Aa]ny|[Ee]very)body\b"
    ),
    "use a common word instead of anew, thereof, of theirs": (
        r"\banew\b|\bthereof\b|\bof theirs\b|\bof yours\b|\bof hers\b"
    ),
    "say reports, says or gets instead of tells of, is told": (
        r"\b(?:tells? of|is told|are told|told apart|tells what|told the way)\b"
    ),
    "say is here or costs nothing instead of stands here, comes to nothing": (
        r"\bstands? (?:here|there|as they|in clear)\b|\bcome to nothing\b|\bis out of\b.*\bhave\b"
    ),
    "say cannot instead of may not": r"\b[Yy]ou may not\b|\bnobody may\b",
    "say exists instead of is to be had, what there is": (
        r"\bis there for\b|\bis to be had\b|\bare to be had\b|\bwhat there is\b"
    ),
    "make two sentences of a chain of colons": r"^[^`|]*[a-z]: [a-z][^`|:]*[a-z]: [a-z]",
    "say because or name the thing instead of for that is, which holds": (
        r"\bfor that is\b|\bwhich holds\b|\bthat one is\b|\bso it (?:is|was)\b"
    ),
}
COMPILED = {advice: re.compile(pattern) for advice, pattern in PATTERNS.items()}
ANY = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS.values()))


def tracked() -> list[str]:
    """Return the names of git's files, or of all files where this is no checkout."""
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode == 0 and listing.stdout:
        return listing.stdout.splitlines()
    return sorted(_walk())


def _walk() -> Iterator[str]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [each for each in folders if each not in SKIPPED_FOLDERS]
        yield from (os.path.relpath(Path(folder) / name, ROOT) for name in names)


def documents() -> Iterator[tuple[str, str]]:
    """Yield name and text of each file whose prose is ours."""
    for name in tracked():
        is_ours = not name.startswith("static/") and "/migrations/" not in name
        if name.endswith(SUFFIXES) and is_ours and (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(errors="replace")


def prose(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of suspicious prose. In Python, docstrings and comments are prose."""
    suspects = {n: line for n, line in enumerate(text.splitlines(), 1) if ANY.search(line)}
    if not name.endswith(".py"):
        yield from suspects.items()
        return
    # Parsing is fast and tokenizing slow, so only files with a suspicious line are parsed, and only
    # those with a suspicious comment are tokenized.
    yield from ((n, suspects[n]) for n in _docstring_lines(text if suspects else "") & {*suspects})
    if any("#" in line for line in suspects.values()):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def _docstring_lines(text: str) -> set[int]:
    return {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def advice_on(line: str) -> str | None:
    return next((advice for advice, found in COMPILED.items() if found.search(line)), None)


def allowed() -> dict[tuple[str, str], str]:
    lines = tomllib.loads(ALLOWED.read_text()).get("line", [])
    return {(each["file"], each["text"]): each["reason"] for each in lines}


def test_prose_has_no_phrase_that_makes_a_reader_stop() -> None:
    exceptions, unused, hits = allowed(), set(allowed()), []
    for name, text in documents():
        for number, line in prose(name, text):
            if advice := advice_on(line):
                if (name, line.strip()) in exceptions:
                    unused.discard((name, line.strip()))
                else:
                    hits.append(f"{name}:{number}: {advice}: {line.strip()[:100]}")
    assert not hits, f"{len(hits)} lines to read aloud:\n" + "\n".join(hits)
    assert not unused, f"{ALLOWED.name} allows lines that are gone: {sorted(unused)}"


def test_every_allowed_line_has_a_reason() -> None:
    assert all(len(reason) > len("because") for reason in allowed().values())


@pytest.mark.parametrize(
    "line",
    [
        "To " + "who has no place here, it does not exist.",
        "Every" + "body reads it.",
        "It is read a" + "new each time.",
        "The page is " + "told of it.",
        "The reason st" + "ands here.",
        "You may " + "not change it.",
        "No thread is to " + "be had.",
        "one thing: two" + "fold: threefold",
        "It is kept, for " + "that is the rule.",
    ],
)
def test_each_pattern_finds_its_phrase(line: str) -> None:
    assert advice_on(line)
    comment = f"x = 1  # {line.lower()}\n"
    docstring = f'def f() -> None:\n    """{line}"""\n'
    assert list(prose("a.py", comment + docstring))
    assert not advice_on("Name the subject, and use the words of the field.")


def test_strings_that_are_not_docstrings_are_not_prose() -> None:
    code = 'ANSWERS = "no' + 'body answers"\n'
    assert not list(prose("a.py", code))
