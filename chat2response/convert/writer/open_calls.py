"""`OpenCalls` writes the calls of one turn. They may be interleaved, and stay open beside what follows."""

from collections.abc import Hashable, Iterable

from chat2response.convert.losses import Losses
from chat2response.convert.writer.call_arguments import EMPTY_OBJECT, TEXT_AFTER_END
from chat2response.convert.writer.call_builder import NAMELESS_CALL, RENAMED_CALL, CallBuilder
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.event_log import MAX_PIECES, EventLog
from chat2response.convert.writer.events import ARGUMENTS, Delta
from chat2response.convert.writer.open_content import OpenContent
from chat2response.convert.writer.output_list import OutputList
from chat2response.wire.responses import ItemStatus


class OpenCalls:
    """A call is opened when it has a name, and closed if it is whole when something else begins."""

    __slots__ = ("_changed", "_content", "_log", "_losses", "_output", "by_slot")

    def __init__(self, content: OpenContent, output: OutputList, log: EventLog, losses: Losses) -> None:
        self.by_slot: dict[Hashable, CallBuilder] = {}
        """The calls of this turn, open or closed."""
        self._changed: dict[Hashable, CallBuilder] = {}  # calls that changed since the last `settle`
        self._content = content
        self._output = output
        self._log = log
        self._losses = losses

    def begin(self, call: CallDelta) -> CallBuilder:
        """Begins the call of a new slot. Its item is opened later."""
        builder = self.by_slot[call.slot] = CallBuilder(call.id, len(self.by_slot))
        return builder

    def write(self, builder: CallBuilder, call: CallDelta) -> None:
        """Writes a piece of a call that has begun."""
        stream = builder.stream
        if stream is None:
            self._write_unopened(builder, call)
            return
        delta = call.delta
        if call.name and call.name != builder.name:
            self._losses.add(*RENAMED_CALL)
        if builder.closed:
            self._report_extra(builder, delta)
            return
        self._changed[call.slot] = builder
        if call.last:
            builder.ended = True
        if delta:  # as in `EventLog.delta`
            if len(stream.pieces) > MAX_PIECES:
                stream.join_pieces()
            stream.pieces.append(delta)
            log = self._log
            log.events.append(Delta(stream, delta, log.number))
            log.number += 1

    def _write_unopened(self, builder: CallBuilder, call: CallDelta) -> None:
        self._changed[call.slot] = builder
        builder.update(call)
        builder.ended = builder.ended or call.last
        if call.delta and builder.buffer(call.delta):
            self._open_named(before=builder)
            self._open(builder)

    def settle(self) -> None:
        """Before something new begins: opens calls that have a name, closes complete ones.

        Only calls that changed since the last time are examined.
        """
        changed, self._changed = self._changed, {}
        for call in _in_order(changed.values()):
            if call.stream is None and call.name:
                self._open(call)
            if call.stream is not None and not call.closed and call.complete:  # without a name it is lost
                self._close(call, "completed")

    def end_turn(self, *, cut: bool) -> None:
        """Closes all calls, in output order. After a cut, those that are not whole are incomplete."""
        calls = self.by_slot.values()
        for call in calls:
            if call.stream is None and call.name:
                self._open(call)
            elif call.stream is None and call.take_buffered():
                self._losses.add(*NAMELESS_CALL)
        for call in calls:
            if call.stream is not None and not call.closed:
                self._close(call, "incomplete" if cut and not call.complete else "completed")
        self.by_slot.clear()
        self._changed.clear()

    def leave_open(self) -> None:
        """After a failure: open calls keep their text, but get no `done` event."""
        for call in self.by_slot.values():
            if call.item is not None and call.stream is not None and not call.closed:
                call.item.update({call.stream.kind.value: call.stream.text, "status": "incomplete"})

    def _open(self, call: CallBuilder) -> None:
        self._content.close()
        output = self._output
        item_id = output.new_id("fc" if call.kind == "function" else "ctc", call.upstream_id)
        call.call_id = output.new_id("call", call.call_id)
        stream = call.open(item_id, len(output.items))
        assert call.item is not None
        output.add(call.item)
        for piece in call.take_buffered():
            self._log.delta(stream, piece)

    def _open_named(self, before: CallBuilder) -> None:
        """Opens the calls that began before `before` and got their name since."""
        for call in _in_order(self._changed.values()) if len(self._changed) > 1 else ():
            if call.stream is None and call.name and call.order < before.order:
                self._open(call)

    def _close(self, call: CallBuilder, status: ItemStatus) -> None:
        assert call.item is not None
        assert call.stream is not None
        call.closed = True
        stream, kind = call.stream, call.stream.kind
        if kind is ARGUMENTS and status == "completed" and not stream.text.strip():
            self._log.delta(stream, EMPTY_OBJECT)  # clients decode them
        text = stream.text
        call.item.update({kind.value: text, "status": status})
        named = {"name": call.name} if call.kind == "function" else {}
        self._log.emit(kind.done, **stream.position(), **named, **{kind.value: text})
        self._output.end(stream.output_index)

    def _report_extra(self, call: CallBuilder, delta: str) -> None:
        """Text after complete arguments is a loss, unless it repeats them or is blank."""
        assert call.stream is not None
        assert call.item is not None
        if delta.strip() and delta != call.item[call.stream.kind.value]:
            self._losses.add(*TEXT_AFTER_END)


def _in_order(calls: Iterable[CallBuilder]) -> list[CallBuilder]:
    return sorted(calls, key=_order)


def _order(call: CallBuilder) -> int:
    return call.order
