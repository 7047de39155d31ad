"""What each key used, by day (UTC) and model: a document for each key and day, kept for so many days."""

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
_MOST_MODELS = 100  # of a key and day; what is more, clients have invented
_MOST_FRESH = 1000  # sums that are not handed on yet
_EPOCH = date(1970, 1, 1).toordinal()
_LONGEST_NAME = 200  # characters of a model's name

Models = dict[str, "Used"]


class Used(NamedTuple):
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
    def read(cls, doc: Any) -> "Used":
        """Of a document's part; what is not ours counts nothing."""
        given = doc if isinstance(doc, Mapping) else {}
        return cls(**{name: given[name] for name in NAMES if type(given.get(name)) is int})

    def plus(self, other: "Used") -> "Used":
        """Both together."""
        return Used(*map(int.__add__, self, other))

    def document(self) -> dict[str, int]:
        """All sums by name."""
        return self._asdict()


NAMES = Used._fields


@dataclass(frozen=True, slots=True)
class Row:
    """What a key used of a model on a day."""

    key_id: str
    day: str
    model: str
    used: Used


class UsageBook:
    """Notes and tells. `keep_days`: how long; `clock`: epoch seconds."""

    def __init__(self, store: Store, *, keep_days: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._keep_days = keep_days
        # By key, day and model, in the order of NAMES: every call comes by here, and nothing is built for it.
        self._fresh: dict[tuple[str, int, str], list[int]] = {}
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
        """A call was made. `usage` None: the upstream refused it, and nothing was used."""
        place = (key_id, int(self._clock() // DAY), model)
        sums = self._fresh.get(place)
        if sums is None:
            if len(self._fresh) >= _MOST_FRESH:
                self._gather()
            sums = self._fresh[place] = [0] * len(NAMES)
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
        fresh, self._fresh = self._fresh, {}
        for (key_id, day, model), sums in fresh.items():
            name = f"{key_id}.{date.fromordinal(_EPOCH + day)}"
            self.write_behind.add(name, {model[:_LONGEST_NAME] or OTHER: Used(*sums)})

    async def of_key(self, key_id: str, first: date, last: date) -> list[Row]:
        """Of one key, by day and model, both days included. Raises StoreDown."""
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        names = [f"{key_id}.{day}" for day in days]
        entries = await self._store.get_many(KIND, names) if names else []
        found: list[Row] = []
        for name, entry in zip(names, entries, strict=True):
            found += self._rows(name, entry.doc if entry is not None else None)
        return found

    async def of_all(self, first: date, last: date) -> list[Row]:
        """Of all keys. Raises StoreDown."""
        docs: dict[str, Any] = dict.fromkeys(
            self.write_behind.pending_keys()
        )  # by name: a scan may meet one twice
        cursor = None
        while True:
            page = await self._store.scan(KIND, cursor=cursor, limit=500)
            docs |= {name: entry.doc for name, entry in page.entries}
            if (cursor := page.cursor) is None:
                break
        wanted = sorted(name for name in docs if str(first) <= name.rpartition(".")[2] <= str(last))
        return [row for name in wanted for row in self._rows(name, docs[name])]

    def first_day(self) -> date:
        """The oldest day that is still kept."""
        return self.today() - timedelta(days=self._keep_days - 1)

    def today(self) -> date:
        """In UTC."""
        return datetime.fromtimestamp(self._clock(), UTC).date()

    def _rows(self, name: str, doc: Any) -> Iterator[Row]:
        key_id, _, day = name.rpartition(".")
        models = _add(_read(doc), self.write_behind.pending(name) or {})
        return (Row(key_id, day, model, used) for model, used in sorted(models.items()))


def grouped(rows: Sequence[Row], by: Sequence[str]) -> list[tuple[dict[str, str], Used]]:
    """Sums over rows that agree in all of `by` (`key`, `model`, `day`), in the order of those values."""
    sums: dict[tuple[str, ...], Used] = {}
    for row in rows:
        values = {"key": row.key_id, "model": row.model, "day": row.day}
        group = tuple(values[name] for name in by)
        sums[group] = sums.get(group, Used()).plus(row.used)
    return [(dict(zip(by, group, strict=True)), sums[group]) for group in sorted(sums)]


def _read(doc: Any) -> Models:
    models = doc.get("models") if isinstance(doc, Mapping) else None
    return {model: Used.read(part) for model, part in models.items()} if isinstance(models, Mapping) else {}


def _add(first: Models, second: Models) -> Models:
    both = dict(first)
    for model, used in second.items():
        name = model if model in both or len(both) < _MOST_MODELS else OTHER
        both[name] = both.get(name, Used()).plus(used)
    return both


def _write(models: Models) -> dict[str, Any]:
    return {"models": {model: used.document() for model, used in models.items()}}
