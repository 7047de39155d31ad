"""Values that people write: spans and moments. Light: `--help` loads this."""

import re
from datetime import UTC, datetime
from typing import Any

import click

_SPAN = re.compile(r"(\d{1,15})([smhdw]?)")
_DIGITS = 15  # what has more is no moment, and Python reads no number of thousands of them
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Span(click.ParamType[int]):
    """Whole seconds, or with a unit: `90`, `15m`, `12h`, `30d`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _SPAN.fullmatch(str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no span of time: write seconds, or a number with s, m, h, d or w.")
        return int(found[1]) * _SECONDS[found[2]]


class Moment(click.ParamType[int]):
    """Epoch seconds, or a date of ISO 8601, which is in UTC where it names no zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is no moment: write epoch seconds, 2027-01-31 or 2027-01-31T12:00:00Z.")
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class LimitOption(click.Option):
    """`--limit`, whose help names all limits."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from chat2response.keys.limits import NAMES  # here: nothing else of `--help` needs it

        self.help = f"As requests_per_minute=60. Repeatable. There are: {', '.join(NAMES)}."
        return super().get_help_record(ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """`name=value`."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        left, equals, right = str(value).partition("=")
        if not equals or not left.strip():
            self.fail(f"{value!r} is no pair: write name=value.")
        return left.strip(), right.strip()
