"""The usage of each key by day (UTC) and model: one document per key and day, stored for a number of days."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from chat2response.keys.write_behind import WriteBehind
from chat2response.stores import Store
from chat2response.wire.responses import Usage

KIND = "usage"
DAY = 86_400
OTHER = "(other)"
_MAX_MODELS = 100  # per key and day; clients can invent more
_MAX_PENDING = 1000  # sums before they are handed to `write_behind`
_EPOCH = date(1970, 1, 1).toordinal()
_MAX_NAME_LENGTH = 200  # characters of a model's name

Models = dict[str, "UsageTotals"]


class UsageTotals(NamedTuple):
    """Totals. `cost`: micro-dollars of the calls that have a price; `unpriced`: the number of calls without
    one; `estimated`: the number of calls whose tokens the upstream did not report.
    """

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    estimated: int = 0

    @classmethod
    def read(cls, doc: Any) -> "UsageTotals":
        """Reads totals from a document; unknown fields are ignored."""
        fields = doc if isinstance(doc, Mapping) else {}
        return cls(**{name: fields[name] for name in FIELDS if type(fields.get(name)) is int})

    def plus(self, other: "UsageTotals") -> "UsageTotals":
        """The sum of both."""
        return UsageTotals(*map(int.__add__, self, other))

    def document(self) -> dict[str, int]:
        """The totals by name."""
        return self._asdict()


FIELDS = UsageTotals._fields


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage of a model by a key on a day."""

    key_id: str
    day: str
    model: str
    usage: UsageTotals


class UsageLog:
    """Records and reports usage. `keep_days`: how long it is stored; `clock`: epoch seconds."""

    def __init__(self, store: Store, *, keep_days: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._keep_days = keep_days
        # By key, day and model, in the order of FIELDS. Every call passes here, so nothing else is allocated.
        self._pending: dict[tuple[str, int, str], list[int]] = {}
        self.write_behind: WriteBehind[Models] = WriteBehind(
            store,
            KIND,
            read=_read,
            add=_add,
            write=_write,
            ttl=float(keep_days * DAY),
            gather=self._gather,
        )

    def note(
        self,
        key_id: str,
        model: str,
        usage: Usage | None,
        cost: int | None = None,
        *,
        estimated: bool = False,
    ) -> None:
        """Records a call. `usage` None: the upstream refused it, and nothing was used."""
        key = (key_id, int(self._clock() // DAY), model)
        sums = self._pending.get(key)
        if sums is None:
            if len(self._pending) >= _MAX_PENDING:
                self._gather()
            sums = self._pending[key] = [0] * len(FIELDS)
        sums[0] += 1
        if usage is None:
            return
        sums[1] += usage["input_tokens"]
        sums[2] += usage["input_tokens_details"].get("cached_tokens", 0)
        sums[3] += usage["output_tokens"]
        sums[4] += usage["output_tokens_details"].get("reasoning_tokens", 0)
        if cost is None:
            sums[6] += 1
        else:
            sums[5] += cost
        if estimated:
            sums[7] += 1

    def _gather(self) -> None:
        """Hands the pending sums to `write_behind`."""
        pending, self._pending = self._pending, {}
        for (key_id, day, model), sums in pending.items():
            name = f"{key_id}.{date.fromordinal(_EPOCH + day)}"
            self.write_behind.add(name, {model[:_MAX_NAME_LENGTH] or OTHER: UsageTotals(*sums)})

    async def for_key(self, key_id: str, first: date, last: date) -> list[UsageRow]:
        """The rows of one key, by day and model; both days are included. Raises StoreDown."""
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        names = [f"{key_id}.{day}" for day in days]
        entries = await self._store.get_many(KIND, names) if names else []
        rows: list[UsageRow] = []
        for name, entry in zip(names, entries, strict=True):
            rows += self._rows_of(name, entry.doc if entry is not None else None)
        return rows

    async def for_all(self, first: date, last: date) -> list[UsageRow]:
        """The rows of all keys. Raises StoreDown."""
        docs: dict[str, Any] = dict.fromkeys(
            self.write_behind.pending_keys()
        )  # by name: a scan may repeat one
        cursor = None
        while True:
            page = await self._store.scan(KIND, cursor=cursor, limit=500)
            docs |= {name: entry.doc for name, entry in page.entries}
            if (cursor := page.cursor) is None:
                break
        names = sorted(name for name in docs if str(first) <= name.rpartition(".")[2] <= str(last))
        return [row for name in names for row in self._rows_of(name, docs[name])]

    def first_day(self) -> date:
        """The oldest day that is still stored."""
        return self.today() - timedelta(days=self._keep_days - 1)

    def today(self) -> date:
        """Today's date in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _rows_of(self, name: str, doc: Any) -> Iterator[UsageRow]:
        key_id, _, day = name.rpartition(".")
        models = _add(_read(doc), self.write_behind.pending(name) or {})
        return (UsageRow(key_id, day, model, usage) for model, usage in sorted(models.items()))


def group_rows(rows: Sequence[UsageRow], by: Sequence[str]) -> list[tuple[dict[str, str], UsageTotals]]:
    """Sums the rows that agree in all of `by` (`key`, `model`, `day`), sorted by these values."""
    sums: dict[tuple[str, ...], UsageTotals] = {}
    for row in rows:
        values = {"key": row.key_id, "model": row.model, "day": row.day}
        group = tuple(values[name] for name in by)
        sums[group] = sums.get(group, UsageTotals()).plus(row.usage)
    return [(dict(zip(by, group, strict=True)), sums[group]) for group in sorted(sums)]


def _read(doc: Any) -> Models:
    models = doc.get("models") if isinstance(doc, Mapping) else None
    return (
        {model: UsageTotals.read(part) for model, part in models.items()}
        if isinstance(models, Mapping)
        else {}
    )


def _add(first: Models, second: Models) -> Models:
    both = dict(first)
    for model, usage in second.items():
        name = model if model in both or len(both) < _MAX_MODELS else OTHER
        both[name] = both.get(name, UsageTotals()).plus(usage)
    return both


def _write(models: Models) -> dict[str, Any]:
    return {"models": {model: usage.document() for model, usage in models.items()}}
