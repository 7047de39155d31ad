"""Every kind of answer, to every client, from every upstream, whole and streamed: heard the same."""

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface, ask, expected
from tests.support.e2e.dialect_pairs import every_way, json_or_stream
from tests.support.e2e.scripted_model import PATHS, Call, Said, speaking
from tests.support.scripted_upstream import ScriptedUpstream

KINDS = {
    "text": Said(text=("Gr", "ü", "ße, ", "\u2028 世界")),
    "empty": Said(),
    "reasoning": Said(reasoning=("First ", "think."), text=("Then", " speak.")),
    "call": Said(calls=(Call("look", ('{"a', '": 1}')),)),
    "text and calls": Said(
        text=("Let me see.",),
        calls=(Call("look", ('{"a":', "1}"), id="call_a"), Call("ask", ("{}",), id="call_b")),
    ),
    "refusal": Said(refusal=("I will ", "not.")),
    "citation": Said(text=("As told ", "there."), citation="https://example.com/a"),
    "logprobs": Said(text=("A", "B"), logprobs=True),
    "length": Said(text=("Cut o",), ended="length"),
    "filtered": Said(text=("Some",), ended="content_filter"),
}


@json_or_stream
@every_way
async def test_an_answer_is_heard_as_it_was_said(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    gateway = await start(dialect)
    relayed = dialect == ("chat" if surface == "chat" else "responses")

    for kind, said in KINDS.items():
        upstream.play_for(PATHS[dialect], speaking(dialect, said))
        heard = await ask(gateway, surface, streamed=streamed, logprobs=said.logprobs)
        assert (kind, heard) == (kind, expected(said, relayed=relayed))
