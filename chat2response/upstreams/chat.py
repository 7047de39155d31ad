"""Chat Completions servers as upstreams."""

from functools import partial

from chat2response.convert.dialects.chat.answer.answer_decoder import AnswerDecoder
from chat2response.convert.dialects.chat.request.request import write_request
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.upstreams.base import PATHS, Target
from chat2response.upstreams.http_upstream import DecoderFactory, HttpUpstream
from chat2response.wire.json import encode


class ChatUpstream(HttpUpstream):
    """Upstream over `POST {base}/chat/completions`."""

    path = PATHS["chat"]

    def encode_request(
        self, request: HubRequest, target: Target, losses: Losses
    ) -> tuple[bytes, DecoderFactory]:
        """The Chat request for a hub request; its tool map is needed to read the answer's calls."""
        tools = ToolMap.of(request, target.quirks, self._policy)
        fields = write_request(request, losses, target.quirks, tools=tools, policy=self._policy)
        return encode(target.with_model(fields)), partial(AnswerDecoder.from_hub, request, tools)

    def decoder_factory(self, target: Target) -> DecoderFactory:
        """Decodes by the quirks alone."""
        return lambda reasoning: AnswerDecoder(reasoning, target.quirks)
