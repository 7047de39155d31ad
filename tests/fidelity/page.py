"""The page: a table a direction, a row a probe; and what each profile changes."""

from collections.abc import Iterator, Sequence
from typing import Any

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses.request import request as responses
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import OPENAI, PROFILES
from chat2response.convert.quirks.quirks import Quirks
from tests.fidelity.answers import CHAT_ANSWERS, RESPONSES_ANSWERS, to_completion, to_response
from tests.fidelity.measure import Convert, Json, Probe, fate
from tests.fidelity.probes import CHAT_FIELDS, CHAT_MESSAGES, ITEMS, RESPONSES_FIELDS, TOOLS, USER
from tests.support.house.source import ROOT

PAGE = ROOT / "docs" / "fidelity.md"
CHAT: Json = {"model": "m", "messages": [USER]}
RESPONSES: Json = {"model": "m", "input": [USER]}

OTHERS = """## Other Chat backends

The tables above are for the profile `openai`. The tables below show only the rows that differ for another
profile. `CHAT2RESPONSE_QUIRKS` can change any of them
([upstreams.md](upstreams.md#overriding-a-profile-field)).
"""
INTRO = """# Field support

This page shows what the gateway does with each field when it converts between the two APIs. For example,
`seed` is *lost* on a Responses upstream: the call succeeds, and its response has the header
`x-chat2response-losses: seed; dropped`.

- **kept**: sent to the other side, under its own name or the name shown.
- **emulated**: the gateway does it itself, or has it done in another way.
- **approximated**: sent in a slightly different form.
- **lost**: left out and named in `x-chat2response-losses`. With `CHAT2RESPONSE_FIDELITY=strict` it is a 400;
  with `drop` it is not named.
- **refused**: a 400 that names the field, whatever `CHAT2RESPONSE_FIDELITY` says.
- **not sent**: the gateway handles it, or it has no meaning on the other side.

If both sides speak the same API, nothing is converted and nothing is lost ([relay.md](relay.md)).

`make fidelity` writes this page: it sends each row through the converters and records the result. A test
compares the page with the code.
"""


def toward_responses(body: Json, losses: Losses) -> Any:
    """A Chat body, for a Responses upstream."""
    return responses.write_request(chat.read_request(body), losses)


def toward_chat(quirks: Quirks) -> Convert:
    """A Responses body, for a Chat upstream with these quirks."""

    def convert(body: Json, losses: Losses) -> Any:
        return chat.write_request(responses.read_request(body), losses, quirks)

    return convert


def page() -> str:
    """The whole page."""
    openai = toward_chat(PROFILES[OPENAI])
    tables = [
        ("A Chat client on a Responses upstream", "Field", CHAT_FIELDS, toward_responses, CHAT),
        ("Messages of a Chat client", "Message", CHAT_MESSAGES, toward_responses, CHAT),
        ("A Responses client on a Chat upstream", "Field", RESPONSES_FIELDS, openai, RESPONSES),
        ("Tools of a Responses client", "Tool", TOOLS, openai, RESPONSES),
        ("Input items of a Responses client", "Item", ITEMS, openai, RESPONSES),
        ("A Chat upstream's response, for a Responses client", "Field", CHAT_ANSWERS, to_response, {}),
        (
            "A Responses upstream's response, for a Chat client",
            "Field or item",
            RESPONSES_ANSWERS,
            to_completion,
            {},
        ),
    ]
    parts = [INTRO]
    for title, column, probes, convert, minimal in tables:
        parts.append(
            "\n".join(
                (
                    f"## {title}\n",
                    f"| {column} | Result |",
                    "| --- | --- |",
                    *_rows(probes, convert, minimal),
                )
            )
        )
    return "\n\n".join(part.strip() for part in (*parts, *_profiles())) + "\n"


def _rows(probes: Sequence[Probe], convert: Convert, minimal: Json) -> Iterator[str]:
    for probe in probes:
        yield f"| {probe.label} | {fate(probe, convert, minimal)} |"


def _profiles() -> Iterator[str]:
    """Where a profile's backend gets something else than OpenAI's."""
    yield OTHERS
    probes = (*RESPONSES_FIELDS, *TOOLS, *ITEMS)
    openai = [fate(probe, toward_chat(PROFILES[OPENAI]), RESPONSES) for probe in probes]
    for name, quirks in PROFILES.items():
        differ = [
            f"| {probe.label} | {there} |"
            for probe, known in zip(probes, openai, strict=True)
            if (there := fate(probe, toward_chat(quirks), RESPONSES)) != known
        ]
        if differ:
            yield "\n".join((f"### {name}\n", "| Field, tool or item | Result |", "| --- | --- |", *differ))
