"""chat2response: converts between the Chat Completions API and the Responses API, in both directions.

    from chat2response import to_responses_request
    to_responses_request({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})

The library converts requests, answers and streams, without I/O. The gateway is the command `chat2response`;
importing the library does not load it.
"""

from chat2response.convert.library.functions import (
    to_chat_completion,
    to_chat_request,
    to_response,
    to_responses_request,
)
from chat2response.convert.library.streams import ChatToResponses, ResponsesToChat
from chat2response.convert.losses import Loss, Losses
from chat2response.convert.quirks.quirks import Quirks, QuirksError
from chat2response.errors import BridgeError, InvalidRequest, UpstreamError
from chat2response.wire.chat import ChatCompletion, ChatRequest, ChatUsage, Message, ToolCall
from chat2response.wire.fault import Fault
from chat2response.wire.responses import Item, Response, ResponsesRequest, Usage

__all__ = [
    "BridgeError",
    "ChatCompletion",
    "ChatRequest",
    "ChatToResponses",
    "ChatUsage",
    "Fault",
    "InvalidRequest",
    "Item",
    "Loss",
    "Losses",
    "Message",
    "Quirks",
    "QuirksError",
    "Response",
    "ResponsesRequest",
    "ResponsesToChat",
    "ToolCall",
    "UpstreamError",
    "Usage",
    "to_chat_completion",
    "to_chat_request",
    "to_response",
    "to_responses_request",
]
