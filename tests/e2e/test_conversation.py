"""Every kind of reply reaches every client unchanged, from every upstream, whole and streamed."""

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface, ask, expected
from tests.support.e2e.dialect_pairs import every_way, json_or_stream
from tests.support.e2e.scripted_model import PATHS, Call, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

KINDS = {
    "text": ModelReply(text=("Gr", "ü", "ße, ", "\u2028 世界")),
    "empty": ModelReply(),
    "reasoning": ModelReply(reasoning=("First ", "think."), text=("Then", " speak.")),
    "call": ModelReply(calls=(Call("look", ('{"a', '": 1}')),)),
    "text and calls": ModelReply(
        text=("Let me see.",),
        calls=(Call("look", ('{"a":', "1}"), id="call_a"), Call("ask", ("{}",), id="call_b")),
    ),
    "refusal": ModelReply(refusal=("I will ", "not.")),
    "citation": ModelReply(text=("As told ", "there."), citation="https://example.com/a"),
    "logprobs": ModelReply(text=("A", "B"), logprobs=True),
    "length": ModelReply(text=("Cut o",), ended="length"),
    "filtered": ModelReply(text=("Some",), ended="content_filter"),
}


@json_or_stream
@every_way
async def test_an_answer_is_heard_as_it_was_said(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    gateway = await start(dialect)
    relayed = dialect == ("chat" if surface == "chat" else "responses")

    for kind, reply in KINDS.items():
        upstream.play_for(PATHS[dialect], speaking(dialect, reply))
        answer = await ask(gateway, surface, streamed=streamed, logprobs=reply.logprobs)
        assert (kind, answer) == (kind, expected(reply, relayed=relayed))
