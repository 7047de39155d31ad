"""Which part of which item does a text belong to, and what of it is new?

The rule is `output_index` and the index of the part. Some servers leave them out, or give all items the same
one; others change an item's id from event to event. So an id that was announced decides, then the index; and
of a text that comes whole, in a `done` event or in the terminal response, only what is new is said.
"""

from typing import Any

from chat2response.convert.dialects.chat.answer.unknown_keys import tells
from chat2response.convert.dialects.responses.output_items import output_text, read_item
from chat2response.convert.logprobs import read_tokens
from chat2response.convert.loose_values import as_index, as_objects, as_string, short_name
from chat2response.convert.writer.events import REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.json import too_deep
from chat2response.wire.responses import DeltaEvent

Place = tuple[int, Kind, int]
"""The item, the kind of text, the index of the part."""

KINDS = (TEXT, REFUSAL, REASONING, SUMMARY)
PART_KINDS = {"text": TEXT, **{kind.part: kind for kind in KINDS}}
_OTHER = ("message.content", "dropped: it differs from what was streamed")
_MANY = 1024  # pieces of a text, before they are joined


class Part:
    """A text while it comes. `over`: it is whole."""

    __slots__ = ("cited", "over", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.cited = 0
        self.over = False

    @property
    def text(self) -> str:
        """All of it so far."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class Texts:
    """The messages and the reasoning of one turn, onto `writer`. Never raises on data."""

    __slots__ = (
        "_at", "_begun", "_closed", "_fresh", "_id", "_ids", "_last", "_matched", "_open", "_part", "_parts",
        "_pieces", "_promised", "_raw", "_writer", "length",
    )  # fmt: skip

    def __init__(self, writer: Writer) -> None:
        self.length = 0
        """Characters that were said."""
        self._writer = writer
        self._parts: dict[Place, Part] = {}
        self._part = Part()  # the one that deltas go to
        self._pieces = self._part.pieces
        self._open: Place | None = None
        self._last: Place | None = None  # the same, or the one before where that is over
        self._raw: tuple[Any, Kind, Any] | None = None  # how the last delta gave its place
        self._id: Any = None  # and its item
        self._ids: dict[str, int] = {}  # an item's id -> its place among the items
        self._at: dict[tuple[int, str], int] = {}  # for indices that several items share: the last of these
        self._begun: set[tuple[int, str]] = set()
        self._closed: set[tuple[int, str]] = set()
        self._matched: set[tuple[int, str]] = set()  # with an item of the terminal response
        self._promised: list[tuple[int | None, dict[str, Any]]] = []  # items (at an index) or parts, begun
        self._fresh = 0  # places of our own count down from here

    @property
    def spoken(self) -> str:
        """All visible text."""
        return "".join(part.text for (_, kind, _), part in self._parts.items() if kind is TEXT)

    def delta(self, kind: Kind, event: DeltaEvent) -> None:
        """A piece of text."""
        text = event.delta
        raw = (event.output_index, kind, event.summary_index if kind is SUMMARY else event.content_index)
        if (raw != self._raw or event.item_id != self._id) and not self._go_to(raw, event.item_id, text):
            return
        self._pieces.append(text)
        self._say(kind, text, event.item_id, event.logprobs)

    def join(self) -> None:
        """Makes one block of many pieces: small strings cost more than their text."""
        if len(self._pieces) > _MANY:
            _ = self._part.text

    def _say(self, kind: Kind, text: str, item_id: Any, logprobs: Any) -> None:
        self.length += len(text)
        if kind is TEXT:
            self._writer.text(text, read_tokens(logprobs) if logprobs else (), id=item_id)
        elif kind is REFUSAL:
            self._writer.refusal(text, id=item_id)
        else:
            self._writer.reasoning(text, summary=kind is SUMMARY, id=item_id)

    # -- places ------------------------------------------------------------------------------------

    def added(self, index: int, item: dict[str, Any]) -> None:
        """An item begins; one of another id under an index that is taken is another item."""
        kind, item_id = item["type"], item.get("id")
        at = self._at.get((index, kind), index)
        if tells(item.get("content")) or tells(item.get("summary")):
            self._promised.append((index, item))
        if type(item_id) is str and item_id:
            if item_id in self._ids:
                return
            if (at, kind) in self._begun:
                at = self._at[index, kind] = self._new_place()
            self._ids[item_id] = at
        elif (at, kind) in self._closed:
            self._at[index, kind] = self._new_place()

    def _item_at(self, index: int, kind: str, item_id: Any) -> int:
        known = self._ids.get(item_id) if type(item_id) is str and item_id else None
        return self._at.get((index, kind), index) if known is None else known

    def _new_place(self) -> int:
        self._fresh -= 1
        return self._fresh

    def _go_to(self, raw: tuple[Any, Kind, Any], item_id: Any, text: str) -> bool:
        """The next delta belongs elsewhere. False for one that says what a whole part has said already."""
        index, kind, part_index = raw
        index = index_of(index)
        at = self._item_at(index, kind.item, item_id)
        place = (at, kind, index_of(part_index))
        part = self._parts.get(place)
        if part is not None and part.over:
            if text in part.text:
                return False
            at = self._at[index, kind.item] = self._new_place()
            place = (at, kind, 0)
        self._turn_to(place, item_id)
        self._raw, self._id = raw, item_id
        return True

    def _turn_to(self, place: Place, item_id: Any) -> None:
        """The next text goes there: ends what came before."""
        self._raw = None
        if place == self._open:
            return
        last, self._open, self._last = self._last, place, place
        if last is not None:
            self._writer.close_item(part=last[0] == place[0] and last[1].item == place[1].item)
        self._part = self._parts.setdefault(place, Part())
        self._pieces = self._part.pieces
        self._begun.add((place[0], place[1].item))
        if type(item_id) is str and item_id:
            self._ids.setdefault(item_id, place[0])

    def _place(self, event: dict[str, Any], kind: Kind) -> Place:
        at = self._item_at(index_of(event.get("output_index")), kind.item, event.get("item_id"))
        return at, kind, index_of(event.get(kind.index or ""))

    # -- what is done: say what no delta said, then close ------------------------------------------

    def text_done(self, event: dict[str, Any], kind: Kind) -> None:
        """`event` has the whole text of a part, and the tokens of it that no delta brought."""
        self._rest(self._place(event, kind), event)

    def part_added(self, event: dict[str, Any]) -> None:
        """A part begins; what stands in it is mostly nothing, or said again."""
        part = event.get("part")
        text = part.get("text", part.get("refusal")) if type(part) is dict else None
        if type(text) is str and text.strip():
            self._promised.append((None, event))

    def finish(self, response: dict[str, Any]) -> None:
        """Says what stood at the beginning of items or parts, or beside the output, and nowhere else."""
        for index, held in self._promised:
            if index is not None:
                item = read_item(held, self._writer.losses)
                if (self._item_at(index, item["type"], item.get("id")), item["type"]) not in self._begun:
                    self.whole(index, item)
                continue
            kind = PART_KINDS.get(as_string(held["part"].get("type")))
            if kind is not None and self._place(held, kind) not in self._parts:
                self.part_done(held)
        if text := output_text(response, self.spoken, self._writer.losses):
            self._turn_to((self._new_place(), TEXT, 0), None)
            self._say(TEXT, text, None, None)

    def part_done(self, event: dict[str, Any]) -> None:
        """`event` has a whole part."""
        part = event.get("part")
        kind = PART_KINDS.get(as_string(part.get("type"))) if type(part) is dict else None
        if kind is not None and type(part) is dict:
            self._whole_part(self._place(event, kind), part, event.get("item_id"))
        elif tells(part):
            self._writer.losses.add("output.content[?]")

    def annotation(self, event: dict[str, Any]) -> None:
        """A citation in a part that is open."""
        place = self._place(event, TEXT)
        part = self._parts.get(place)
        if part is None or not part.over:
            self._turn_to(place, event.get("item_id"))
            self._cite(event.get("annotation"), event.get("item_id"))

    def _cite(self, annotation: Any, item_id: Any) -> None:
        self._part.cited += 1
        if type(annotation) is dict and not too_deep(annotation):
            self._writer.annotation(annotation, id=item_id)
        else:
            self._writer.losses.add("output.annotations[?]")

    def _rest(self, place: Place, event: dict[str, Any]) -> None:
        whole, part = event.get(place[1].value), self._parts.get(place)
        said = part.text if part is not None else ""
        if type(whole) is not str:
            if tells(whole):
                self._writer.losses.add(
                    f"output.content[{short_name(place[1].part)}]", "dropped: its text is none"
                )
        elif whole.startswith(said):
            if len(whole) > len(said):
                self._turn_to(place, event.get("item_id"))
                self._part.pieces.append(whole[len(said) :])
                logprobs = None if said else event.get("logprobs")
                self._say(place[1], whole[len(said) :], event.get("item_id"), logprobs)
        elif whole.strip() not in said:
            self._writer.losses.add(*_OTHER)

    def _whole_part(self, place: Place, part: dict[str, Any], item_id: Any) -> None:
        self._rest(place, {**part, "item_id": item_id})
        known = self._parts.get(place)
        if known is None or not known.over:
            more = as_objects(part.get("annotations"))[known.cited if known else 0 :]
            if more:
                self._turn_to(place, item_id)
                for annotation in more:
                    self._cite(annotation, item_id)
            known = self._parts.setdefault(place, Part())
            known.over = True
        if place == self._open:
            self._open = self._raw = None
            self._writer.close_item(part=True)

    # -- whole items -------------------------------------------------------------------------------

    def whole(self, index: int, item: dict[str, Any], *, terminal: bool = False) -> None:
        """An item is whole: its `done`, or (`terminal`) the response that repeats it."""
        kind, item_id = item["type"], item.get("id")
        at = self._find(index, item, terminal=terminal)
        if terminal:
            self._matched.add((at, kind))
        if type(item_id) is str and item_id:
            self._ids.setdefault(item_id, at)
        for place, part in self._places(at, item):
            self._whole_part(place, part, item_id)
        if (at, kind) in self._closed:
            return
        self._begun.add((at, kind))
        self._closed.add((at, kind))
        blob = item.get("encrypted_content")
        if kind == "reasoning" and type(blob) is str and blob:
            self.length += len(blob)
            self._writer.encrypted_content(blob, id=item_id)
        if item.get("status") != "incomplete":  # else the end of the turn says so, and closes it
            self._writer.close_item()

    def _places(self, at: int, item: dict[str, Any]) -> list[tuple[Place, dict[str, Any]]]:
        """Its parts, and where each belongs."""
        found: list[tuple[Place, dict[str, Any]]] = []
        for holder in ("content",) if item["type"] == "message" else ("content", "summary"):
            for at_part, part in enumerate(as_objects(item.get(holder))):
                kind = PART_KINDS.get(as_string(part.get("type")))
                if item["type"] == "reasoning":
                    kind = REASONING if holder == "content" else SUMMARY
                if kind is not None and kind.item == item["type"]:
                    found.append(((at, kind, at_part), part))
                else:
                    self._writer.losses.add(f"output.content[{short_name(part.get('type'))}]")
        return found

    def _find(self, index: int, item: dict[str, Any], *, terminal: bool) -> int:
        kind, item_id = item["type"], item.get("id")
        known = self._ids.get(item_id) if type(item_id) is str and item_id else None
        if known is not None:
            return known
        at = self._at.get((index, kind), index)
        begun = (at, kind) in self._begun and (at, kind) not in self._matched
        if begun and ((not terminal and (at, kind) not in self._closed) or self._says(at, item)):
            return at
        for other, its in self._begun:
            if its == kind and (other, its) not in self._matched and self._says(other, item):
                return other
        if (at, kind) in (self._matched if terminal else self._closed):
            return self._new_place()
        return at

    def _says(self, at: int, item: dict[str, Any]) -> bool:
        """Whether what was streamed there is what the item says, or the beginning of it."""
        places = self._places(at, item)
        said = [self._parts[place].text if place in self._parts else "" for place, _ in places]
        whole = [as_string(part.get(place[1].value)) for place, part in places]
        return any(said) and all(all_.startswith(some) for all_, some in zip(whole, said, strict=True))


def index_of(value: Any) -> int:
    """An index, also where it is written as a text or with a point; 0 where there is none."""
    return as_index(value) or 0
