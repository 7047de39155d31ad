"""A scripted model over several turns: it looks how far the conversation has come, and says more."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.e2e.scripted_model import Call, ModelReply, speaking
from tests.support.scripted_upstream import Received, Script

LOOK = Call("look", ('{"at":', '"Paris"}'), id="call_look")
OUTPUT = "21 degrees"
FINAL_REPLY = ModelReply(text=("It is ", "21 ", "degrees."))

COMMAND = "echo hi-$((40+2)) > made.txt; cat made.txt"
"""What Codex's shell is told to do."""
DONE = ModelReply(text=("All ", "done."))


@dataclass(frozen=True)
class Session:
    """Says the n-th thing to a conversation with n turns of the model in it, and the last from then on."""

    dialect: str
    says: tuple[ModelReply | Callable[[Any], ModelReply], ...]
    """What it says, or what it makes of a request's body."""

    def __call__(self, request: Received) -> Script:
        body = request.json()
        says = self.says[min(turns_in(self.dialect, body), len(self.says) - 1)]
        return speaking(self.dialect, says if isinstance(says, ModelReply) else says(body))(request)


def turns_in(dialect: str, body: Any) -> int:
    """How many turns of the model a request holds."""
    if dialect == "chat":
        return sum(message["role"] == "assistant" for message in body["messages"])
    items = body["input"] if isinstance(body["input"], list) else []
    return sum(item.get("type") == "function_call" for item in items)


def looking(dialect: str, *, reasoning: tuple[str, ...] = ()) -> Session:
    """A model that calls `look`, and then says what it found."""
    return Session(dialect, (ModelReply(reasoning=reasoning, calls=(LOOK,)), FINAL_REPLY))


def calling(name: str, arguments: dict[str, Any], **more: Any) -> Callable[[Any], ModelReply]:
    """A Chat model that calls the offered function whose name ends so, its arguments in small pieces."""

    def say(body: Any) -> ModelReply:
        (offered,) = [
            each["function"]["name"] for each in body["tools"] if each["function"]["name"].endswith(name)
        ]
        whole = json.dumps(arguments)
        pieces = tuple(whole[at : at + 7] for at in range(0, len(whole), 7))
        return ModelReply(calls=(Call(offered, pieces, id="call_1"),), **more)

    return say


def last_output(body: Any) -> tuple[Any, str]:
    """The newest turn that a Chat request holds, and what came of its one call."""
    *_, message, output = body["messages"]
    (call,) = message["tool_calls"]
    assert output["role"] == "tool" and output["tool_call_id"] == call["id"] == "call_1"
    return message, output["content"]
