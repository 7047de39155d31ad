"""Nothing of one machine and nothing secret is in a tracked file: paths, index addresses, live keys."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house.source import ROOT

# Not part of the project where git cannot be asked (an unpacked archive): what .gitignore names.
IGNORED = {"__pycache__", "build", "data", "dist"}

# Names of folders are written in brackets or groups, so that this file does not find itself.
PATTERNS = {
    "a path of somebody's machine": re.compile(r"(?<![\w.$}~-])/(?:root|work|(?:home|Users)/\w[\w.-]*)/"),
    "a package index setting": re.compile(r"--?(?:extra-)?index[-]url|find[-]links|(?:PIP|UV)_\w*INDEX"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE[ ]KEY-----"),
    "a live key": re.compile(
        r"\b(?:sk-[\w-]{20,}|sk_[0-9a-f]{32}\.[0-9a-f]{64}|gh[pousr]_\w{36}|github_pat_\w{40,}"
        r"|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|hf_\w{30,}|xox[abp]-[\w-]{20,})"
    ),
}
# A key that was made up says so: by a word, by counting, or by repeating itself.
MADE_UP = re.compile(
    r"test|demo|example|fake|dummy|secret|unknown|invalid|upstream|0123456|1234567|abcdef|(.)\1{5}|(.{2,8})\2{3}",
    re.IGNORECASE,
)


def faults(text: str) -> Iterator[str]:
    """What must not be in a tracked file, as `kind: match`."""
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            if kind != "a live key" or not MADE_UP.search(match[0]):
                yield f"{kind}: {match[0]}"


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not is_ignored(path.relative_to(ROOT))]


def is_ignored(path: Path) -> bool:
    kept = {".ci", ".env.example", ".gitignore", ".dockerignore", ".editorconfig"}
    return any(part in IGNORED or (part.startswith(".") and part not in kept) for part in path.parts)


def test_tracked_files_are_clean():
    files = tracked_files()
    assert ROOT / "pyproject.toml" in files
    found = {
        str(path.relative_to(ROOT)): bad
        for path in files
        if (bad := list(faults(path.read_text("utf-8", "replace"))))
    }
    assert found == {}


DIGITS = "8f3a91c07be24d56"
OWN_KEY = f"sk_{DIGITS[::-1]}{DIGITS}.{DIGITS[3:]}{DIGITS[:3]}{DIGITS}{DIGITS[5:]}{DIGITS[:5]}{DIGITS[::-1]}"


@pytest.mark.parametrize(
    "text",
    [
        "cd /" + "root/project/",
        "see /" + "home/ada/src/",
        '"/' + 'Users/ada/x"',
        "pip install --index" + "-url https://packages.example/simple",
        "UV_DEFAULT" + "_INDEX=x",
        "-----BEGIN RSA PRIVATE" + " KEY-----",
        f"OPENAI_API_KEY=sk-proj-{DIGITS}qZ7",
        OWN_KEY,
        "AKIA" + "Q3EGZ7XW5PLM2RTY",
    ],
)
def test_what_must_not_be_there_is_found(text):
    assert len(list(faults(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "GET http://host.example/" + "home/ada/",
        "./data/keys.db in /data, /app and /tmp/x",
        f"{'$'}HOME/" + "work/x and a framework/ here",
        "sk-test-8f3a91c07be24d56qZ7",
        "sk_" + "0123456789abcdef" * 2 + "." + "0123456789abcdef" * 4,
        "sk_" + "a" * 32 + "." + "b" * 64,
        "an sk-... key, masked",
    ],
)
def test_what_may_be_there_passes(text):
    assert list(faults(text)) == []
