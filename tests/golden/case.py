"""A golden case: a folder with a client's request, the upstream's answers, and the expected results.

    request.json     the client's body, byte for byte
    upstream.http    the upstream's answer, head and body, byte for byte; `upstream-2.http`: its second
    case.json        mode, profile, path, settings, headers; source (a public report), expected (in words)
    sent.json        expected: the bodies that the gateway sent to the upstream, in order
    answer.http      expected: the client's answer: status, the headers that matter, body

Ids that the gateway draws are numbered in order of appearance, JSON bodies are indented.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.support.scripted_upstream import Received

FOLDER = Path(__file__).parent / "upstream"

_SHOWN = ("content-type", "retry-after", "x-should-retry", "x-chat2response-losses")
_DRAWN = re.compile(r"\b([a-z]+)([_-])[0-9a-f]{32}\b")
_SEALED = re.compile(r'("encrypted_content": ?")c2r[^"]+')
_PORT = re.compile(r"127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Case:
    """One case, read from its folder."""

    folder: Path
    request: bytes
    answers: tuple[bytes, ...]
    mode: str
    path: str
    settings: dict[str, Any]
    headers: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Case":
        case = json.loads((folder / "case.json").read_bytes())
        settings = dict(case.get("settings", {}))
        if case.get("profile"):
            settings["chat2response_upstream_profile"] = case["profile"]
        return cls(
            folder,
            (folder / "request.json").read_bytes(),
            tuple(path.read_bytes() for path in sorted(folder.glob("upstream*.http"), key=_order)),
            case["mode"],
            case["path"],
            settings,
            case.get("headers", {}),
        )

    def compare(self, outcome: "Outcome", *, write: bool) -> None:
        """Compares an outcome with the files; `write`: writes the outcome to them first."""
        for name, text in (("sent.json", outcome.sent), ("answer.http", outcome.answer)):
            path = self.folder / name
            if write:
                path.write_bytes(text.encode())
            expected = path.read_bytes().decode()
            assert text == expected, f"{self.folder.name}/{name} differs (make golden, then read the diff)"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case, in the form of its files."""

    sent: str
    answer: str


def outcome(response: httpx2.Response, requests: list[Received]) -> Outcome:
    """The client's answer and the upstream's requests, without what differs between runs."""
    sent = json.dumps([json.loads(request.body) for request in requests], indent=1, ensure_ascii=False)
    head = [f"{name}: {response.headers[name]}" for name in _SHOWN if name in response.headers]
    body = _readable(response.content.decode())
    answer = "\n".join((str(response.status_code), *head, "", body.rstrip("\n"), ""))
    return Outcome(_normalized(_surrogates(sent)) + "\n", _normalized(_surrogates(answer)))


def cases() -> list[Path]:
    """The folders, by name."""
    return [path for path in sorted(FOLDER.iterdir()) if path.is_dir()]


def _readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=1, ensure_ascii=False)
    except ValueError:
        return body


def _order(path: Path) -> tuple[int, str]:
    return (len(path.name), path.name)


def _surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _normalized(text: str) -> str:
    numbers: dict[str, str] = {}
    counts: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        drawn, prefix, joint = match[0], match[1], match[2]
        if drawn not in numbers:
            counts[prefix] = counts.get(prefix, 0) + 1
            numbers[drawn] = f"{prefix}{joint}{counts[prefix]}"
        return numbers[drawn]

    return _PORT.sub("127.0.0.1:PORT", _SEALED.sub(r"\1SEALED", _DRAWN.sub(numbered, text)))
