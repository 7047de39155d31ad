"""Types of option values: durations, timestamps, pairs. `--help` imports this, so it must load fast."""

import re
from datetime import UTC, datetime
from typing import Any

import click

_DURATION = re.compile(r"(\d{1,15})([smhdw]?)")
_MAX_DIGITS = 15  # more than any timestamp has; int() rejects thousands of digits
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Duration(click.ParamType[int]):
    """Whole seconds, or a number with a unit: `90`, `15m`, `12h`, `30d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _DURATION.fullmatch(str(value).strip().lower())
        if match is None:
            self.fail(f"{value!r} is not a duration. Use seconds, or a number with s, m, h, d or w.")
        return int(match[1]) * _SECONDS[match[2]]


class Timestamp(click.ParamType[int]):
    """Epoch seconds, or an ISO 8601 date; without a time zone it is in UTC."""

    name = "timestamp"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is not a timestamp. Use epoch seconds, 2027-01-31 or 2027-01-31T12:00:00Z.")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class LimitOption(click.Option):
    """`--limit`, with a help text that lists all limits."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from chat2response.keys.limits import NAMES  # imported late: only the help needs it

        self.help = f"For example requests_per_minute=60. Repeatable. Limits: {', '.join(NAMES)}."
        return super().get_help_record(ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """`name=value`."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        left, equals, right = str(value).partition("=")
        if not equals or not left.strip():
            self.fail(f"{value!r} is not a pair. Use name=value.")
        return left.strip(), right.strip()
