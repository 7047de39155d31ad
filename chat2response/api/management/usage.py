"""`GET /usage` and `GET /keys/{id}/usage`: usage by key, model and day, as JSON or CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from chat2response.api.management.key_models import KEY_IN_PATH
from chat2response.api.management.query_params import read_query
from chat2response.api.management.responses import json_response
from chat2response.api.openapi.components import error_responses
from chat2response.convert.validation import invalid_value
from chat2response.errors import BridgeError
from chat2response.quota.usage_log import FIELDS, UsageLog, UsageRow, UsageTotals, group_rows

GROUPS = ("key", "model", "day")
_DEFAULT_DAYS = 30  # days up to `to`, without `from`
_QUERY = ("from", "to", "group_by", "format")


class UsageSums(BaseModel):
    """Sums over the calls of a group."""

    requests: int
    input_tokens: int
    cached_tokens: int = Field(description="Part of the input tokens.")
    output_tokens: int
    reasoning_tokens: int = Field(description="Part of the output tokens.")
    cost: int = Field(description="Micro-dollars, for the calls whose model has a price.")
    unpriced: int = Field(description="Calls whose model has no price.")
    estimated: int = Field(
        description="Calls for which the upstream reported no usage; their tokens are estimates."
    )


class UsageGroup(UsageSums):
    """One group, with those of `key`, `model` and `day` that the list is grouped by."""

    key: str | None = None
    model: str | None = None
    day: str | None = Field(None, description="In UTC.")


class UsageList(BaseModel):
    """The usage on the days `from` to `to`, inclusive."""

    object: str = "list"
    from_: str = Field(alias="from")
    to: str
    group_by: list[str]
    data: list[UsageGroup]
    total: UsageSums


def usage_routes(book: UsageLog) -> APIRouter:
    """Both endpoints, which read `book`."""
    router = APIRouter(tags=["usage"])

    @router.get(
        "/usage",
        operation_id="usage",
        summary="The usage of all keys",
        openapi_extra=_parameters("key,model"),
        responses={200: {"model": UsageList}, **error_responses(400, 503)},
    )
    async def of_all(request: Request) -> Response:
        query = UsageQuery(request, book, ("key", "model"))
        return query.respond(await book.for_all(query.first, query.last))

    @router.get(
        "/keys/{id}/usage",
        operation_id="key_usage",
        summary="The usage of one key",
        openapi_extra=_parameters("model,day", KEY_IN_PATH),
        responses={200: {"model": UsageList}, **error_responses(400, 503)},
    )
    async def of_key(request: Request) -> Response:
        query = UsageQuery(request, book, ("model", "day"))
        return query.respond(await book.for_key(request.path_params["id"], query.first, query.last))

    return router


class UsageQuery:
    """The parsed query. Raises InvalidRequest."""

    def __init__(self, request: Request, book: UsageLog, by: Sequence[str]) -> None:
        params = read_query(request, *_QUERY)
        # Future days have no usage, and a span up to the year 9999 would read millions of documents.
        self.last = min(_day(params.get("to"), "to") or book.today(), book.today())
        since = _day(params.get("from"), "from") or _days_before(self.last, _DEFAULT_DAYS - 1)
        # Older usage is not stored, and an early first day would read millions of documents.
        self.first = max(since, book.first_day())
        self._by = _groups(params.get("group_by"), by)
        self._csv = _format(params.get("format"))

    def respond(self, rows: Sequence[UsageRow]) -> Response:
        """The rows, grouped and in the requested format."""
        groups = group_rows(rows, self._by)
        if self._csv:
            return _as_csv(self._by, groups)
        total = group_rows(rows, ())
        return json_response(
            {
                "object": "list",
                "from": str(self.first),
                "to": str(self.last),
                "group_by": self._by,
                "data": [{**group, **used.document()} for group, used in groups],
                "total": (total[0][1] if total else UsageTotals()).document(),
            }
        )


def _day(text: str | None, name: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise _wrong(name, "a date like 2026-11-26") from None


def _days_before(day: date, days: int) -> date:
    return date.fromordinal(max(day.toordinal() - days, date.min.toordinal()))


def _groups(text: str | None, otherwise: Sequence[str]) -> list[str]:
    names = list(otherwise) if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if len(set(names)) != len(names) or not set(names) <= set(GROUPS):
        raise _wrong("group_by", f"a comma-separated list of {', '.join(GROUPS)}, each at most once")
    return names


def _format(text: str | None) -> bool:
    if text not in (None, "json", "csv"):
        raise _wrong("format", "json or csv")
    return text == "csv"


def _wrong(name: str, expected: str) -> BridgeError:
    return invalid_value(name, f"'{name}' must be {expected}.")


def _as_csv(by: Sequence[str], groups: Sequence[tuple[dict[str, str], UsageTotals]]) -> Response:
    file = io.StringIO()
    table = csv.DictWriter(file, [*by, *FIELDS], lineterminator="\n")
    table.writeheader()
    table.writerows(
        {name: _inert(value) for name, value in group.items()} | used.document() for group, used in groups
    )
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="usage.csv"'}
    return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _inert(cell: str) -> str:
    """Escapes a cell: the client chooses a model's name, which must not run as a formula in a spreadsheet."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _parameters(by: str, *more: dict[str, Any]) -> dict[str, Any]:
    def parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}

    day = {"type": "string", "format": "date"}
    return {
        "parameters": [
            *more,
            parameter("from", "The first day, in UTC; by default 29 days before the last day.", day),
            parameter("to", "The last day, in UTC; by default today.", day),
            parameter(
                "group_by", "A comma-separated list of key, model, day.", {"type": "string", "default": by}
            ),
            parameter(
                "format",
                "json, or csv for a spreadsheet.",
                {"type": "string", "enum": ["json", "csv"], "default": "json"},
            ),
        ]
    }
