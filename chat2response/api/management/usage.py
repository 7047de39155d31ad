"""`GET /usage` and `GET /keys/{id}/usage`: what keys used, by key, model and day, as JSON or CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from chat2response.api.management.key_models import KEY_IN_PATH
from chat2response.api.management.query_params import asked
from chat2response.api.management.responses import json_answer
from chat2response.api.openapi.components import refusals
from chat2response.convert.validation import invalid_value
from chat2response.errors import BridgeError
from chat2response.quota.usage_log import NAMES, Row, UsageBook, Used, grouped

GROUPS = ("key", "model", "day")
_SPAN = 30  # days told where nobody says since when
_QUERY = ("from", "to", "group_by", "format")


class UsageSums(BaseModel):
    """Sums over the calls of a group."""

    requests: int
    input_tokens: int
    cached_tokens: int = Field(description="Of the input.")
    output_tokens: int
    reasoning_tokens: int = Field(description="Of the output.")
    cost: int = Field(description="Micro-dollars, of the calls whose model has a price.")
    unpriced: int = Field(description="Calls whose model has none.")
    estimated: int = Field(description="Calls whose tokens the upstream did not tell; they are counted here.")


class UsageGroup(UsageSums):
    """One group; of `key`, `model` and `day` those that it is grouped by."""

    key: str | None = None
    model: str | None = None
    day: str | None = Field(None, description="In UTC.")


class UsageList(BaseModel):
    """What was used on the days `from` to `to`, both included."""

    object: str = "list"
    from_: str = Field(alias="from")
    to: str
    group_by: list[str]
    data: list[UsageGroup]
    total: UsageSums


def usage_routes(book: UsageBook) -> APIRouter:
    """Both endpoints over one book."""
    router = APIRouter(tags=["usage"])

    @router.get(
        "/usage",
        operation_id="usage",
        summary="What all keys used",
        openapi_extra=_parameters("key,model"),
        responses={200: {"model": UsageList}, **refusals(400, 503)},
    )
    async def of_all(request: Request) -> Response:
        span = Asked(request, book, ("key", "model"))
        return span.answer(await book.of_all(span.first, span.last))

    @router.get(
        "/keys/{id}/usage",
        operation_id="key_usage",
        summary="What one key used",
        openapi_extra=_parameters("model,day", KEY_IN_PATH),
        responses={200: {"model": UsageList}, **refusals(400, 503)},
    )
    async def of_key(request: Request) -> Response:
        span = Asked(request, book, ("model", "day"))
        return span.answer(await book.of_key(request.path_params["id"], span.first, span.last))

    return router


class Asked:
    """The query. Raises InvalidRequest for what cannot be meant."""

    def __init__(self, request: Request, book: UsageBook, by: Sequence[str]) -> None:
        query = asked(request, *_QUERY)
        # Of days to come there is nothing, and a span up to the year 9999 would be millions of documents.
        self.last = min(_day(query.get("to"), "to") or book.today(), book.today())
        since = _day(query.get("from"), "from") or _days_before(self.last, _SPAN - 1)
        # What is older is not kept; without the bound a client could ask for a million documents.
        self.first = max(since, book.first_day())
        self._by = _groups(query.get("group_by"), by)
        self._csv = _format(query.get("format"))

    def answer(self, rows: Sequence[Row]) -> Response:
        """The rows in the form that was asked for."""
        groups = grouped(rows, self._by)
        if self._csv:
            return _as_csv(self._by, groups)
        total = grouped(rows, ())
        return json_answer(
            {
                "object": "list",
                "from": str(self.first),
                "to": str(self.last),
                "group_by": self._by,
                "data": [{**group, **used.document()} for group, used in groups],
                "total": (total[0][1] if total else Used()).document(),
            }
        )


def _day(text: str | None, name: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise _wrong(name, "a day, as 2026-11-26") from None


def _days_before(day: date, days: int) -> date:
    return date.fromordinal(max(day.toordinal() - days, date.min.toordinal()))


def _groups(text: str | None, otherwise: Sequence[str]) -> list[str]:
    named = list(otherwise) if text is None else [word.strip() for word in text.split(",") if word.strip()]
    if len(set(named)) != len(named) or not set(named) <= set(GROUPS):
        raise _wrong("group_by", f"a comma list of {', '.join(GROUPS)}, each once")
    return named


def _format(text: str | None) -> bool:
    if text not in (None, "json", "csv"):
        raise _wrong("format", "json or csv")
    return text == "csv"


def _wrong(name: str, expected: str) -> BridgeError:
    return invalid_value(name, f"'{name}' is {expected}.")


def _as_csv(by: Sequence[str], groups: Sequence[tuple[dict[str, str], Used]]) -> Response:
    file = io.StringIO()
    table = csv.DictWriter(file, [*by, *NAMES], lineterminator="\n")
    table.writeheader()
    table.writerows(
        {name: _inert(value) for name, value in group.items()} | used.document() for group, used in groups
    )
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="usage.csv"'}
    return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _inert(cell: str) -> str:
    """A model's name is the client's choice, and must not be a formula where the file is opened."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _parameters(by: str, *more: dict[str, Any]) -> dict[str, Any]:
    def parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}

    day = {"type": "string", "format": "date"}
    return {
        "parameters": [
            *more,
            parameter("from", "The first day, in UTC; by default 30 days of them.", day),
            parameter("to", "The last day; by default today.", day),
            parameter("group_by", "A comma list of key, model, day.", {"type": "string", "default": by}),
            parameter(
                "format",
                "json, or csv for a spreadsheet.",
                {"type": "string", "enum": ["json", "csv"], "default": "json"},
            ),
        ]
    }
