"""`TextParts`: finds the part of an item that a text belongs to, and what of the text is new.

The rule is `output_index` and the index of the part. Some servers omit them, or send the same one for all
items; others change an item's id from event to event. So an announced id decides first, then the index. Of a
text that comes whole, in a `done` event or in the terminal response, only what is new is written.
"""

from typing import Any

from chat2response.convert.dialects.responses.answer.output_items import output_text, read_item
from chat2response.convert.logprobs import read_tokens
from chat2response.convert.loose_values import as_index, as_objects, as_string, may_have_text, short_name
from chat2response.convert.writer.events import REASONING, REFUSAL, SUMMARY, TEXT, Kind
from chat2response.convert.writer.protocol import Writer
from chat2response.wire.json import too_deep
from chat2response.wire.responses import DeltaEvent

PartKey = tuple[int, Kind, int]
"""A part's item index, its kind of text, and its own index."""

KINDS = (TEXT, REFUSAL, REASONING, SUMMARY)
PART_KINDS = {"text": TEXT, **{kind.part: kind for kind in KINDS}}
_OTHER = ("message.content", "dropped: it differs from what was streamed")
_MAX_PIECES = 1024  # pieces of a text before they are joined


class Part:
    """A part while its text comes. `over`: it is complete."""

    __slots__ = ("cited", "over", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.cited = 0
        self.over = False

    @property
    def text(self) -> str:
        """The text so far."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""


class TextParts:
    """The messages and the reasoning of one turn, written to `writer`. Never raises on data."""

    __slots__ = (
        "_assigned", "_begun", "_closed", "_early", "_id", "_ids", "_last", "_last_index", "_matched",
        "_open", "_part", "_parts", "_pieces", "_raw", "_writer", "output_chars",
    )  # fmt: skip

    def __init__(self, writer: Writer) -> None:
        self.output_chars = 0
        """The characters written so far."""
        self._writer = writer
        self._parts: dict[PartKey, Part] = {}
        self._part = Part()  # the part that deltas continue
        self._pieces = self._part.pieces
        self._open: PartKey | None = None
        self._last: PartKey | None = None  # the open part, or the last one that was open
        self._raw: tuple[Any, Kind, Any] | None = None  # the indices and the kind of the last delta
        self._id: Any = None  # the item id of the last delta
        self._ids: dict[str, int] = {}  # an item's id -> its index
        self._last_index: dict[tuple[int, str], int] = {}  # for a shared index: the index of its last item
        self._begun: set[tuple[int, str]] = set()
        self._closed: set[tuple[int, str]] = set()
        self._matched: set[tuple[int, str]] = set()  # matched to an item of the terminal response
        self._early: list[tuple[int | None, dict[str, Any]]] = []  # items (with an index) or parts with text
        self._assigned = 0  # the last index that the gateway assigned; they count down

    @property
    def visible_text(self) -> str:
        """All visible text."""
        return "".join(part.text for (_, kind, _), part in self._parts.items() if kind is TEXT)

    def delta(self, kind: Kind, event: DeltaEvent) -> None:
        """Writes a piece of text."""
        text = event.delta
        raw = (event.output_index, kind, event.summary_index if kind is SUMMARY else event.content_index)
        if (raw != self._raw or event.item_id != self._id) and not self._move_to(raw, event.item_id, text):
            return
        pieces = self._pieces
        pieces.append(text)
        if len(pieces) > _MAX_PIECES:  # small strings take more memory than their text
            pieces[:] = ["".join(pieces)]
        self._write(kind, text, event.item_id, event.logprobs)

    def _write(self, kind: Kind, text: str, item_id: Any, logprobs: Any) -> None:
        self.output_chars += len(text)
        if kind is TEXT:
            self._writer.text(text, read_tokens(logprobs) if logprobs else (), id=item_id)
        elif kind is REFUSAL:
            self._writer.refusal(text, id=item_id)
        else:
            self._writer.reasoning(text, summary=kind is SUMMARY, id=item_id)

    # -- keys of parts -----------------------------------------------------------------------------

    def begin_item(self, index: int, item: dict[str, Any]) -> None:
        """Begins an item; another id under a used index begins another item."""
        kind, item_id = item["type"], item.get("id")
        item_index = self._last_index.get((index, kind), index)
        if may_have_text(item.get("content")) or may_have_text(item.get("summary")):
            self._early.append((index, item))
        if type(item_id) is str and item_id:
            if item_id in self._ids:
                return
            if (item_index, kind) in self._begun:
                item_index = self._last_index[index, kind] = self._new_index()
            self._ids[item_id] = item_index
        elif (item_index, kind) in self._closed:
            self._last_index[index, kind] = self._new_index()

    def _item_index(self, index: int, kind: str, item_id: Any) -> int:
        known = self._ids.get(item_id) if type(item_id) is str and item_id else None
        return self._last_index.get((index, kind), index) if known is None else known

    def _new_index(self) -> int:
        self._assigned -= 1
        return self._assigned

    def _move_to(self, raw: tuple[Any, Kind, Any], item_id: Any, text: str) -> bool:
        """Moves to the part of the next delta. False if that part is complete and already has its text."""
        index, kind, part_index = raw
        index = index_of(index)
        item_index = self._item_index(index, kind.item, item_id)
        key = (item_index, kind, index_of(part_index))
        part = self._parts.get(key)
        if part is not None and part.over:
            if text in part.text:
                return False
            item_index = self._last_index[index, kind.item] = self._new_index()
            key = (item_index, kind, 0)
        self._open_at(key, item_id)
        self._raw, self._id = raw, item_id
        return True

    def _open_at(self, key: PartKey, item_id: Any) -> None:
        """Opens a part for the next text, and closes the one before."""
        self._raw = None
        if key == self._open:
            return
        last, self._open, self._last = self._last, key, key
        if last is not None:
            self._writer.close_item(part=last[0] == key[0] and last[1].item == key[1].item)
        self._part = self._parts.setdefault(key, Part())
        self._pieces = self._part.pieces
        self._begun.add((key[0], key[1].item))
        if type(item_id) is str and item_id:
            self._ids.setdefault(item_id, key[0])

    def _part_key(self, event: dict[str, Any], kind: Kind) -> PartKey:
        item_index = self._item_index(index_of(event.get("output_index")), kind.item, event.get("item_id"))
        return item_index, kind, index_of(event.get(kind.index or ""))

    # -- done events: write what no delta had, then close -------------------------------------------

    def text_done(self, event: dict[str, Any], kind: Kind) -> None:
        """Reads the whole text of a part, and its logprobs if no delta had any."""
        self._write_remainder(self._part_key(event, kind), event)

    def part_added(self, event: dict[str, Any]) -> None:
        """Begins a part; its text is mostly empty, or comes again later."""
        part = event.get("part")
        text = part.get("text", part.get("refusal")) if type(part) is dict else None
        if type(text) is str and text.strip():
            self._early.append((None, event))

    def finish(self, response: dict[str, Any]) -> None:
        """Writes what came only at the beginning of items or parts, or beside the output."""
        for index, entry in self._early:
            if index is not None:
                item = read_item(entry, self._writer.losses)
                if (self._item_index(index, item["type"], item.get("id")), item["type"]) not in self._begun:
                    self.finish_item(index, item)
                continue
            kind = PART_KINDS.get(as_string(entry["part"].get("type")))
            if kind is not None and self._part_key(entry, kind) not in self._parts:
                self.part_done(entry)
        if text := output_text(response, self.visible_text, self._writer.losses):
            self._open_at((self._new_index(), TEXT, 0), None)
            self._write(TEXT, text, None, None)

    def part_done(self, event: dict[str, Any]) -> None:
        """Reads a whole part."""
        part = event.get("part")
        kind = PART_KINDS.get(as_string(part.get("type"))) if type(part) is dict else None
        if kind is not None and type(part) is dict:
            self._whole_part(self._part_key(event, kind), part, event.get("item_id"))
        elif may_have_text(part):
            self._writer.losses.add("output.content[?]")

    def annotation(self, event: dict[str, Any]) -> None:
        """Writes a citation in an open part."""
        key = self._part_key(event, TEXT)
        part = self._parts.get(key)
        if part is None or not part.over:
            self._open_at(key, event.get("item_id"))
            self._cite(event.get("annotation"), event.get("item_id"))

    def _cite(self, annotation: Any, item_id: Any) -> None:
        self._part.cited += 1
        if type(annotation) is dict and not too_deep(annotation):
            self._writer.annotation(annotation, id=item_id)
        else:
            self._writer.losses.add("output.annotations[?]")

    def _write_remainder(self, key: PartKey, event: dict[str, Any]) -> None:
        whole, part = event.get(key[1].value), self._parts.get(key)
        streamed = part.text if part is not None else ""
        if type(whole) is not str:
            if may_have_text(whole):
                self._writer.losses.add(
                    f"output.content[{short_name(key[1].part)}]", "dropped: its text is not a string"
                )
        elif whole.startswith(streamed):
            if len(whole) > len(streamed):
                self._open_at(key, event.get("item_id"))
                self._part.pieces.append(whole[len(streamed) :])
                logprobs = None if streamed else event.get("logprobs")
                self._write(key[1], whole[len(streamed) :], event.get("item_id"), logprobs)
        elif whole.strip() not in streamed:
            self._writer.losses.add(*_OTHER)

    def _whole_part(self, key: PartKey, part: dict[str, Any], item_id: Any) -> None:
        self._write_remainder(key, {**part, "item_id": item_id})
        known = self._parts.get(key)
        if known is None or not known.over:
            more = as_objects(part.get("annotations"))[known.cited if known else 0 :]
            if more:
                self._open_at(key, item_id)
                for annotation in more:
                    self._cite(annotation, item_id)
            known = self._parts.setdefault(key, Part())
            known.over = True
        if key == self._open:
            self._open = self._raw = None
            self._writer.close_item(part=True)

    # -- whole items -------------------------------------------------------------------------------

    def finish_item(self, index: int, item: dict[str, Any], *, terminal: bool = False) -> None:
        """Ends an item: by its `done`, or (`terminal`) by the response that repeats it."""
        kind, item_id = item["type"], item.get("id")
        item_index = self._find_item(index, item, terminal=terminal)
        if terminal:
            self._matched.add((item_index, kind))
        if type(item_id) is str and item_id:
            self._ids.setdefault(item_id, item_index)
        for key, part in self._keyed_parts(item_index, item):
            self._whole_part(key, part, item_id)
        if (item_index, kind) in self._closed:
            return
        self._begun.add((item_index, kind))
        self._closed.add((item_index, kind))
        blob = item.get("encrypted_content")
        if kind == "reasoning" and type(blob) is str and blob:
            self.output_chars += len(blob)
            self._writer.encrypted_content(blob, id=item_id)
        if item.get("status") != "incomplete":  # otherwise the end of the turn closes the item
            self._writer.close_item()

    def _keyed_parts(self, item_index: int, item: dict[str, Any]) -> list[tuple[PartKey, dict[str, Any]]]:
        """The parts of an item, each with its key."""
        keyed_parts: list[tuple[PartKey, dict[str, Any]]] = []
        for holder in ("content",) if item["type"] == "message" else ("content", "summary"):
            for part_index, part in enumerate(as_objects(item.get(holder))):
                kind = PART_KINDS.get(as_string(part.get("type")))
                if item["type"] == "reasoning":
                    kind = REASONING if holder == "content" else SUMMARY
                if kind is not None and kind.item == item["type"]:
                    keyed_parts.append(((item_index, kind, part_index), part))
                else:
                    self._writer.losses.add(f"output.content[{short_name(part.get('type'))}]")
        return keyed_parts

    def _find_item(self, index: int, item: dict[str, Any], *, terminal: bool) -> int:
        kind, item_id = item["type"], item.get("id")
        known = self._ids.get(item_id) if type(item_id) is str and item_id else None
        if known is not None:
            return known
        item_index = self._last_index.get((index, kind), index)
        begun = (item_index, kind) in self._begun and (item_index, kind) not in self._matched
        if begun and (
            (not terminal and (item_index, kind) not in self._closed) or self._matches(item_index, item)
        ):
            return item_index
        for other, other_kind in self._begun:
            if other_kind == kind and (other, other_kind) not in self._matched and self._matches(other, item):
                return other
        if (item_index, kind) in (self._matched if terminal else self._closed):
            return self._new_index()
        return item_index

    def _matches(self, item_index: int, item: dict[str, Any]) -> bool:
        """Whether the text streamed there is the item's text, or the beginning of it."""
        keyed_parts = self._keyed_parts(item_index, item)
        streamed = [self._parts[key].text if key in self._parts else "" for key, _ in keyed_parts]
        whole = [as_string(part.get(key[1].value)) for key, part in keyed_parts]
        return any(streamed) and all(
            text.startswith(beginning) for text, beginning in zip(whole, streamed, strict=True)
        )


def index_of(value: Any) -> int:
    """An index, also if it is a string or a float; 0 if there is none."""
    return as_index(value) or 0
