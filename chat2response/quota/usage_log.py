"""What each key used, by day (UTC) and model: a document for each key and day, kept for so many days."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from chat2response.keys.write_behind import Tally
from chat2response.stores import Store
from chat2response.wire.responses import Usage

KIND = "usage"
DAY = 86_400
OTHER = "(other)"
_MAX_MODELS = 100  # of a key and day; what is more, clients have invented
_MAX_PENDING = 1000  # sums that are not handed on yet
_EPOCH = date(1970, 1, 1).toordinal()
_MAX_NAME_LENGTH = 200  # characters of a model's name

Models = dict[str, "UsageTotals"]


class UsageTotals(NamedTuple):
    """Sums. `cost`: micro-dollars of the calls that have a price; `unpriced`: calls that have none;
    `estimated`: calls whose tokens the upstream did not say, counted here."""

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
        """Of a document's part; what is not ours counts nothing."""
        fields = doc if isinstance(doc, Mapping) else {}
        return cls(**{name: fields[name] for name in FIELDS if type(fields.get(name)) is int})

    def plus(self, other: "UsageTotals") -> "UsageTotals":
        """Both together."""
        return UsageTotals(*map(int.__add__, self, other))

    def document(self) -> dict[str, int]:
        """All sums by name."""
        return self._asdict()


FIELDS = UsageTotals._fields


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What a key used of a model on a day."""

    key_id: str
    day: str
    model: str
    usage: UsageTotals


class UsageLog:
    """Notes and tells. `keep_days`: how long; `clock`: epoch seconds."""

    def __init__(self, store: Store, *, keep_days: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._keep_days = keep_days
        # By key, day and model, in the order of NAMES: every call comes by here, and nothing is built for it.
        self._pending: dict[tuple[str, int, str], list[int]] = {}
        self.tally: Tally[Models] = Tally(
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
        """A call was made. `usage` None: the upstream refused it, and nothing was used."""
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
        """Hands what came since the last time to the tally."""
        pending, self._pending = self._pending, {}
        for (key_id, day, model), sums in pending.items():
            name = f"{key_id}.{date.fromordinal(_EPOCH + day)}"
            self.tally.note(name, {model[:_MAX_NAME_LENGTH] or OTHER: UsageTotals(*sums)})

    async def for_key(self, key_id: str, first: date, last: date) -> list[UsageRow]:
        """Of one key, by day and model, both days included. Raises StoreDown."""
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        names = [f"{key_id}.{day}" for day in days]
        entries = await self._store.get_many(KIND, names) if names else []
        rows: list[UsageRow] = []
        for name, entry in zip(names, entries, strict=True):
            rows += self._rows_of(name, entry.doc if entry is not None else None)
        return rows

    async def for_all(self, first: date, last: date) -> list[UsageRow]:
        """Of all keys. Raises StoreDown."""
        docs: dict[str, Any] = dict.fromkeys(self.tally.unwritten())  # by name: a scan may meet one twice
        cursor = None
        while True:
            page = await self._store.scan(KIND, cursor=cursor, limit=500)
            docs |= {name: entry.doc for name, entry in page.entries}
            if (cursor := page.cursor) is None:
                break
        names = sorted(name for name in docs if str(first) <= name.rpartition(".")[2] <= str(last))
        return [row for name in names for row in self._rows_of(name, docs[name])]

    def first_day(self) -> date:
        """The oldest day that is still kept."""
        return self.today() - timedelta(days=self._keep_days - 1)

    def today(self) -> date:
        """In UTC."""
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _rows_of(self, name: str, doc: Any) -> Iterator[UsageRow]:
        key_id, _, day = name.rpartition(".")
        models = _add(_read(doc), self.tally.counted(name) or {})
        return (UsageRow(key_id, day, model, usage) for model, usage in sorted(models.items()))


def group_rows(rows: Sequence[UsageRow], by: Sequence[str]) -> list[tuple[dict[str, str], UsageTotals]]:
    """Sums over rows that agree in all of `by` (`key`, `model`, `day`), in the order of those values."""
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
