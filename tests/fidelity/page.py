"""The page: a table a direction, a row a probe; and what each profile changes."""

from collections.abc import Iterator, Sequence
from typing import Any

from chat2response.convert.dialects.chat.request import request as chat
from chat2response.convert.dialects.responses import request as responses
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

OTHERS = """## What other Chat backends get

The tables above are those of the profile `openai`; these rows differ elsewhere. `CHAT2RESPONSE_QUIRKS`
changes any of it ([upstreams.md](upstreams.md)).
"""
INTRO = """# What crosses, and how

Made by `make fidelity`: each row is sent through the converters, and what becomes of it stands here. A test
holds the page to the code.

- **kept**: said to the upstream, under its own name or the one that is shown;
- **emulated**: the gateway does it, or has it done in another way;
- **approximated**: sent, but not quite as it was;
- **lost**: left out, and named in `x-chat2response-losses` (by `strict` refused, by `drop` left unsaid);
- **refused**: a 400 that names the field, in every mode;
- **here**: not the upstream's affair; the gateway acts on it, or it means nothing.

Where both sides speak the same API nothing is converted and nothing is lost.
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
        ("Its messages", "Message", CHAT_MESSAGES, toward_responses, CHAT),
        ("A Responses client on a Chat upstream", "Field", RESPONSES_FIELDS, openai, RESPONSES),
        ("Its tools", "Tool", TOOLS, openai, RESPONSES),
        ("Its items", "Item", ITEMS, openai, RESPONSES),
        ("A Chat upstream's answer, for a Responses client", "Of the message", CHAT_ANSWERS, to_response, {}),
        (
            "A Responses upstream's answer, for a Chat client",
            "Of the response",
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
                    f"| {column} | What becomes of it |",
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
            yield "\n".join(
                (f"### {name}\n", "| Field, tool or item | What becomes of it |", "| --- | --- |", *differ)
            )
