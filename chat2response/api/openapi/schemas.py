"""The schemas of the bridge's request and response bodies, for the OpenAPI document.

They describe the usual fields, not all: the endpoints do not validate with them (`convert/` does), and pass
on fields that are not named here.
"""

from typing import Any

from chat2response.api.openapi.components import OpenAPIObject, ref

_STRING: OpenAPIObject = {"type": "string"}
_INTEGER: OpenAPIObject = {"type": "integer"}
_NUMBER: OpenAPIObject = {"type": "number"}
_FLAG: OpenAPIObject = {"type": "boolean"}
_OBJECT: OpenAPIObject = {"type": "object"}


def _object(about: str, required: str = "", /, **properties: OpenAPIObject) -> OpenAPIObject:
    schema: OpenAPIObject = {"type": "object", "description": about, "properties": properties}
    return {**schema, "required": required.split()} if required else schema


def _array(items: OpenAPIObject) -> OpenAPIObject:
    return {"type": "array", "items": items}


def _one_of(*choices: OpenAPIObject) -> OpenAPIObject:
    return {"anyOf": list(choices)}


def _or_null(schema: OpenAPIObject) -> OpenAPIObject:
    return _one_of(schema, {"type": "null"})


def _enum(*values: str) -> OpenAPIObject:
    return {"type": "string", "enum": list(values)}


def _about(schema: OpenAPIObject, text: str) -> OpenAPIObject:
    return {**schema, "description": text}


_SAMPLING: dict[str, OpenAPIObject] = {
    "temperature": _or_null(_NUMBER),
    "top_p": _or_null(_NUMBER),
    "top_logprobs": _or_null(_INTEGER),
    "parallel_tool_calls": _or_null(_FLAG),
    "stream": _about(_or_null(_FLAG), "Server-sent events instead of one JSON document."),
    "store": _or_null(_FLAG),
    "metadata": _or_null(_OBJECT),
    "user": _STRING,
    "service_tier": _or_null(_STRING),
    "tool_choice": _about(_one_of(_STRING, _OBJECT), "none, auto, required, or the tool to call."),
}

_CHAT: dict[str, OpenAPIObject] = {
    "ChatRequest": _object(
        "A Chat Completions request.",
        "model messages",
        model=_STRING,
        messages=_array(ref("ChatMessage")),
        **_SAMPLING,
        stream_options=_or_null(_object("", include_usage=_FLAG)),
        max_completion_tokens=_or_null(_INTEGER),
        max_tokens=_about(_or_null(_INTEGER), "The older name of max_completion_tokens."),
        n=_or_null(_INTEGER),
        stop=_one_of(_STRING, _array(_STRING), {"type": "null"}),
        seed=_or_null(_INTEGER),
        presence_penalty=_or_null(_NUMBER),
        frequency_penalty=_or_null(_NUMBER),
        logit_bias=_or_null(_OBJECT),
        logprobs=_or_null(_FLAG),
        tools=_array(ref("ChatTool")),
        response_format=_about(_OBJECT, "text, json_object, or json_schema with its schema."),
        reasoning_effort=_or_null(_STRING),
        verbosity=_or_null(_STRING),
    ),
    "ChatMessage": _object(
        "One message. The result of a tool names its call in `tool_call_id`.",
        "role",
        role=_enum("system", "developer", "user", "assistant", "tool", "function"),
        content=_one_of(_STRING, _array(_OBJECT), {"type": "null"}),
        name=_STRING,
        refusal=_or_null(_STRING),
        reasoning_content=_or_null(_STRING),
        tool_calls=_array(ref("ChatToolCall")),
        tool_call_id=_STRING,
    ),
    "ChatTool": _object(
        "A function that the model may call.",
        "type function",
        type=_STRING,
        function=_object(
            "", "name", name=_STRING, description=_STRING, parameters=_OBJECT, strict=_or_null(_FLAG)
        ),
    ),
    "ChatToolCall": _object(
        "A tool call; its arguments are JSON in a string.",
        id=_STRING,
        type=_STRING,
        function=_object("", name=_STRING, arguments=_STRING),
    ),
    "ChatCompletion": _object(
        "A complete Chat Completions response.",
        "id object created model choices",
        id=_STRING,
        object=_enum("chat.completion"),
        created=_INTEGER,
        model=_STRING,
        choices=_array(
            _object(
                "",
                "index message finish_reason",
                index=_INTEGER,
                message=ref("ChatMessage"),
                finish_reason=_STRING,
                logprobs=_or_null(_OBJECT),
            )
        ),
        usage=_object("", prompt_tokens=_INTEGER, completion_tokens=_INTEGER, total_tokens=_INTEGER),
    ),
}

_RESPONSES: dict[str, OpenAPIObject] = {
    "ResponsesRequest": _object(
        "A Responses request.",
        "model",
        model=_STRING,
        input=_one_of(_STRING, _array(ref("InputItem"))),
        instructions=_or_null(_STRING),
        **_SAMPLING,
        max_output_tokens=_or_null(_INTEGER),
        previous_response_id=_or_null(_STRING),
        conversation=_one_of(_STRING, _OBJECT, {"type": "null"}),
        background=_or_null(_FLAG),
        include=_or_null(_array(_STRING)),
        tools=_array(ref("ResponsesTool")),
        text=_about(_OBJECT, "format (text, json_object, json_schema) and verbosity."),
        reasoning=_or_null(_object("", effort=_or_null(_STRING), summary=_or_null(_STRING))),
        truncation=_or_null(_STRING),
    ),
    "InputItem": _object(
        "A message (its type is optional), a function_call, a function_call_output, reasoning, ...",
        type=_STRING,
        id=_STRING,
        role=_enum("system", "developer", "user", "assistant"),
        content=_one_of(_STRING, _array(_OBJECT)),
        call_id=_STRING,
        name=_STRING,
        arguments=_STRING,
        output=_one_of(_STRING, _array(_OBJECT)),
    ),
    "ResponsesTool": _object(
        "A function that the model may call, or a tool of another type.",
        "type",
        type=_STRING,
        name=_STRING,
        description=_or_null(_STRING),
        parameters=_or_null(_OBJECT),
        strict=_or_null(_FLAG),
    ),
    "Response": _object(
        "A complete response of the Responses API.",
        "id object created_at status model output",
        id=_STRING,
        object=_enum("response"),
        created_at=_INTEGER,
        status=_enum("completed", "failed", "in_progress", "cancelled", "queued", "incomplete"),
        model=_STRING,
        output=_array(_about(_OBJECT, "An item: message, function_call, reasoning, ...")),
        usage=_or_null(_object("", input_tokens=_INTEGER, output_tokens=_INTEGER, total_tokens=_INTEGER)),
        error=_or_null(_object("", code=_STRING, message=_STRING)),
        incomplete_details=_or_null(_object("", reason=_STRING)),
    ),
}

_OTHERS: dict[str, OpenAPIObject] = {
    "Error": _object(
        "The body of every response with an error status.",
        "error",
        error=_object(
            "",
            "message type param code",
            message=_STRING,
            type=_STRING,
            param=_about(_or_null(_STRING), "The path of the field that caused the error."),
            code=_about(_or_null(_STRING), "A stable code for programs; the message's wording may change."),
        ),
    ),
    "Model": _object("A model.", "id object", id=_STRING, object=_enum("model"), created=_INTEGER),
    "ModelList": _object("All models.", "object data", object=_enum("list"), data=_array(ref("Model"))),
    "Health": _object("The result of a probe.", "status", status=_enum("ok", "unavailable")),
    "Status": _object(
        "The state of the gateway.",
        "name version proxy_enabled routes upstream_mode auth_mode uptime_seconds in_flight store features",
        name=_STRING,
        version=_STRING,
        proxy_enabled=_FLAG,
        routes=_array(_STRING),
        upstream_mode=_STRING,
        auth_mode=_STRING,
        uptime_seconds=_INTEGER,
        in_flight=_about(_INTEGER, "The number of running calls."),
        store=_about(_enum("ok", "unavailable", "off"), "Whether the key store works; off: not needed."),
        features={**_OBJECT, "additionalProperties": _STRING, "description": "Features by name, with state."},
        details=_about(_OBJECT, "Addresses and errors; only for requests that may use the admin plane."),
    ),
}

SCHEMAS: dict[str, Any] = {**_CHAT, **_RESPONSES, **_OTHERS}
