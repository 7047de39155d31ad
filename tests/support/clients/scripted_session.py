"""A scripted model that answers a conversation of several turns."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.e2e.scripted_model import Call, ModelReply, speaking
from tests.support.scripted_upstream import Received, Script

LOOK = Call("look", ('{"at":', '"Paris"}'), id="call_look")
OUTPUT = "21 degrees"
WEATHER = ModelReply(text=("It is ", "21 ", "degrees."))

COMMAND = "echo hi-$((40+2)) > made.txt; cat made.txt"
"""The shell command that the model asks Codex to run."""
DONE = ModelReply(text=("All ", "done."))


@dataclass(frozen=True)
class Session:
    """Gives the n-th answer to a conversation with n turns of the model, and repeats the last one."""

    dialect: str
    answers: tuple[ModelReply | Callable[[Any], ModelReply], ...]
    """Answers, or functions that make one from a request's body."""

    def __call__(self, request: Received) -> Script:
        body = request.json()
        answers = self.answers[min(turns_in(self.dialect, body), len(self.answers) - 1)]
        return speaking(self.dialect, answers if isinstance(answers, ModelReply) else answers(body))(request)


def turns_in(dialect: str, body: Any) -> int:
    """The number of the model's turns in a request."""
    if dialect == "chat":
        return sum(message["role"] == "assistant" for message in body["messages"])
    items = body["input"] if isinstance(body["input"], list) else []
    return sum(item.get("type") == "function_call" for item in items)


def looking(dialect: str, *, reasoning: tuple[str, ...] = ()) -> Session:
    """A model that calls `look`, and then reports the result."""
    return Session(dialect, (ModelReply(reasoning=reasoning, calls=(LOOK,)), WEATHER))


def calling(name: str, arguments: dict[str, Any], **more: Any) -> Callable[[Any], ModelReply]:
    """A Chat model that calls the function whose name ends with `name`, with arguments in small pieces."""

    def answer(body: Any) -> ModelReply:
        (offered,) = [
            each["function"]["name"] for each in body["tools"] if each["function"]["name"].endswith(name)
        ]
        whole = json.dumps(arguments)
        pieces = tuple(whole[at : at + 7] for at in range(0, len(whole), 7))
        return ModelReply(calls=(Call(offered, pieces, id="call_1"),), **more)

    return answer


def last_output(body: Any) -> tuple[Any, str]:
    """The last turn in a Chat request, and the output of its only call."""
    *_, message, output = body["messages"]
    (call,) = message["tool_calls"]
    assert output["role"] == "tool" and output["tool_call_id"] == call["id"] == "call_1"
    return message, output["content"]
