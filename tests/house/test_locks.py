"""Both locks: exact pins, every one hashed, no address, and exactly what `pyproject.toml` asks for."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.house.source import ROOT

RUN, DEV = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())
RUN_ASKS = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
DEV_ASKS = [Requirement(line) for line in PROJECT["dependency-groups"]["dev"]]

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)")
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+( ; .+)?")


def entries(text: str) -> Iterator[str]:
    """The lock's logical lines: a trailing backslash goes on in the next one."""
    yield from filter(None, (line.strip() for line in text.replace("\\\n", " ").splitlines()))


def pins(text: str) -> dict[str, Requirement]:
    found = (Requirement(entry.partition("--hash")[0]) for entry in entries(text))
    return {canonicalize_name(pin.name): pin for pin in found}


def lock_faults(text: str) -> Iterator[str]:
    """What a lock must not hold: addresses, comments, options, ranges, unhashed pins."""
    for entry in entries(text):
        pin = HASH.sub("", entry).strip()
        if "://" in entry:
            yield f"an address: {entry[:80]}"
        elif not PIN.fullmatch(pin):
            yield f"not an exact pin: {entry[:80]}"
        elif not HASH.search(entry):
            yield f"no hash: {entry[:80]}"


def unmet(asks: Iterable[Requirement], locked: dict[str, Requirement]) -> list[str]:
    """The requirements that the lock does not satisfy."""
    return [str(ask) for ask in asks if not satisfied(ask, locked.get(canonicalize_name(ask.name)))]


def satisfied(ask: Requirement, pin: Requirement | None) -> bool:
    return pin is not None and all(ask.specifier.contains(spec.version) for spec in pin.specifier)


def needed(asks: Iterable[Requirement]) -> set[str]:
    """All that these requirements bring here, by the metadata of what is installed."""
    seen: set[tuple[str, str]] = set()
    todo = [(ask, "") for ask in asks]
    while todo:
        ask, extra = todo.pop()
        if ask.marker and not ask.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(ask.name)
        for wanted in {"", *ask.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, wanted))
            todo += [(Requirement(line), wanted) for line in metadata.requires(name) or ()]
    return {name for name, _ in seen}


@pytest.mark.parametrize("path", [RUN, DEV], ids=lambda path: path.name)
def test_every_pin_is_exact_and_hashed(path: Path):
    text = path.read_text()
    assert len(pins(text)) > 20
    assert list(lock_faults(text)) == []


def test_the_locks_satisfy_the_project():
    assert unmet(RUN_ASKS, pins(RUN.read_text())) == []
    assert unmet([*RUN_ASKS, *DEV_ASKS], pins(DEV.read_text())) == []


def test_the_developers_lock_holds_the_run_time_lock():
    run, dev = pins(RUN.read_text()), pins(DEV.read_text())
    assert {name: dev[name].specifier for name in run} == {name: pin.specifier for name, pin in run.items()}


def test_the_run_time_lock_holds_what_is_needed_and_no_more():
    here = {name for name, pin in pins(RUN.read_text()).items() if not pin.marker or pin.marker.evaluate()}
    assert here == needed(RUN_ASKS), "pyproject.toml and the lock disagree: run `make lock`"


GOOD = f"click==8.5.1 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"


@pytest.mark.parametrize(
    "text",
    [
        "click==8.5.1\n",
        "click==8.5.1 --hash=sha256:abc\n",
        GOOD.replace("==", ">="),
        GOOD.replace("click==8.5.1", "click @ https://files.example/click.whl"),
        "--extra-index" + "-url https://index.example/simple\n" + GOOD,
        "# made by a command\n" + GOOD,
        "-e .\n",
    ],
)
def test_a_bad_lock_is_found(text):
    assert list(lock_faults(text))
    assert not list(lock_faults(GOOD))


def test_an_unmet_requirement_is_found():
    asks = [Requirement("click>=9"), Requirement("Click>=8"), Requirement("absent")]
    assert unmet(asks, pins(GOOD)) == ["click>=9", "absent"]


def test_what_is_needed_follows_dependencies_and_markers():
    assert needed([Requirement("httpx")]) >= {"httpx", "httpcore", "h11", "idna", "certifi"}
    assert needed([Requirement("click; sys_platform == 'nowhere'")]) == set()
