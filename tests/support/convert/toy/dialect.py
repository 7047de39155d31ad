"""`TOY`: an API of one text. A request is `{"model", "say", "stream"}`, an answer `{"text", "tokens"}`.

A stream has a `{"text"}` for each delta, and then `{"tokens"}`, or `{"error"}`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chat2response.convert.dialects.dialect import AnswerDecoder, Backend, Dialect, Encoder, Tap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.writer.events import Delta
from chat2response.wire.json import decode, encode
from chat2response.wire.responses import Response
from tests.support.convert.toy.answer import ToyDecoder, ToyPeek, ToyTap, total_of


def _frame(value: Any) -> bytes:
    return b"data: %b\n\n" % encode(value)


class ToyDialect(Dialect):
    name, title, path = "toy", "Toy", "/toy"

    def peek(self, body: bytes) -> ToyPeek:
        return ToyPeek(**{name: decode(body).get(name) for name in ("model", "stream")})

    def read_request(self, fields: Mapping[str, Any]) -> HubRequest:
        item = {"type": "message", "role": "user", "content": fields["say"]}
        body: Any = {"model": fields["model"], "stream": fields.get("stream") is True, "input": [item]}
        return HubRequest(body, self.name, rows=(0,), names={"input": "say"})

    def write_request(self, hub: HubRequest, backend: Backend, losses: Losses) -> tuple[bytes, AnswerDecoder]:
        if hub.body.get("tools"):
            losses.add("tools")
        items: Any = hub.body["input"]
        say = items if type(items) is str else " ".join(str(item["content"]) for item in items)
        fields = {"model": hub.body["model"], "say": say, "stream": hub.body.get("stream") is True}
        return encode(fields), ToyDecoder()

    def decoder(self, backend: Backend, form: Any) -> AnswerDecoder:
        return ToyDecoder()

    def encoder(self, hub: HubRequest, client: Any, losses: Losses) -> Encoder:
        return ToyEncoder()

    def write_response(
        self, response: Response, model: str, client: Any, losses: Losses, *, legacy: bool = False
    ) -> bytes:
        parts = [part for item in response["output"] for part in item.get("content", ())]
        text = "".join(part.get("text", "") for part in parts)
        return encode({"text": text, "tokens": total_of(response["usage"])})

    def tap(self, **_: Any) -> Tap:
        return ToyTap()


class ToyEncoder:
    def encode(self, events: Sequence[Any]) -> bytes:
        return b"".join(map(self._one, events))

    def _one(self, event: Any) -> bytes:
        if type(event) is Delta:
            return _frame({"text": event.text})
        match event["type"]:
            case "response.completed" | "response.incomplete":
                return _frame({"tokens": total_of(event["response"]["usage"])})
            case "response.failed":
                return _frame({"error": event["response"]["error"]["message"]})
        return b""


TOY = ToyDialect()
