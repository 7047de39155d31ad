"""Every golden case, over a real socket: once as one read, once byte by byte."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.golden.case import Case, Outcome, cases, outcome
from tests.support.e2e.scripted_model import PATHS
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

NOW = 1_700_000_000.0


@pytest.mark.parametrize("folder", cases(), ids=lambda folder: folder.name)
async def test_golden(
    start: Start, upstream: ScriptedUpstream, folder: Path, pytestconfig: pytest.Config
) -> None:
    case = Case.read(folder)
    gateway = await start(case.mode, clock=lambda: NOW, **case.settings)
    gateway.recorder.judged = not relayed(case)

    async def play(answers: Sequence[tuple[bytes, ...]]) -> Outcome:
        upstream.requests.clear()
        path = PATHS[case.mode]
        steps: Iterator[tuple[bytes, ...]] = chain(answers, repeat(answers[-1]))
        upstream.play_for(path, lambda _: Script(path, next(steps), framing="raw", pause=True))
        return outcome(await gateway.post(case.path, case.request, headers=case.headers), upstream.requests)

    whole = await play([(answer,) for answer in case.answers])
    case.compare(whole, write=pytestconfig.getoption("--write-golden"))
    # Law 3: chunking must not matter.
    assert await play([tuple(one_by_one(answer)) for answer in case.answers]) == whole


def relayed(case: Case) -> bool:
    """Whether the upstream's own bytes, oddities included, reach the client."""
    return case.path == PATHS[case.mode]


def one_by_one(answer: bytes) -> list[bytes]:
    """The head, then each byte of the body."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    return [head + separator, *(body[at : at + 1] for at in range(len(body)))]


def test_a_request_is_what_the_upstream_got() -> None:
    """The harness shows differences: ids are numbered, nothing else is changed."""
    body = b'{"id": "resp_0123456789abcdef0123456789abcdef", "n": 1}'
    answer = httpx2.Response(200, headers={"content-type": "application/json"}, content=body)
    received = Received("POST", "/", {}, (), b'{"model": "m"}')
    shown = outcome(answer, [received])
    assert '"id": "resp_1"' in shown.answer and '"n": 1' in shown.answer
    assert '"model": "m"' in shown.sent
