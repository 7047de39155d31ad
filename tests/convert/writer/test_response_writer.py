"""`ResponseWriter`: its events follow the grammar for all calls; `ResponseBuilder` creates the same items."""

from typing import Any

import pytest

from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, failed
from chat2response.convert.usage import read
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.events import Delta
from chat2response.convert.writer.response_builder import ResponseBuilder
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import UpstreamError
from tests.support.convert.event_dicts import as_dicts
from tests.support.upstream_streams import Numbered, checked_events, now, response_of

USED = read({"input_tokens": 1, "output_tokens": 2})
CUT = Outcome("incomplete", "max_output_tokens")


class Script(ResponseWriter):
    """A writer whose events are checked; `finished()` returns them."""

    def __init__(self) -> None:
        super().__init__(
            EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses")), Numbered(), now
        )
        self.begin()

    def finished(self, outcome: Outcome | None = None) -> list[dict[str, Any]]:
        if outcome is not None or self.outcome is None:
            self.end_turn(None, outcome or Outcome())
        self.finish()
        return checked_events(ResponsesEncoder().encode(self.take()))


def output(events: list[dict[str, Any]]) -> list[Any]:
    """A short description of each item of the response."""
    shown: list[Any] = []
    for item in response_of(events)["output"]:
        kind = item["type"]
        if kind == "function_call":
            shown.append((item["name"], item["arguments"], item["status"]))
        elif kind in ("message", "reasoning"):
            parts = [*item.get("content", ()), *item.get("summary", ())]
            texts = [part.get("text", part.get("refusal")) for part in parts]
            shown.append((kind, texts, item["status"]))
        else:
            shown.append(kind)
    return shown


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


# -- the grammar, item by item ------------------------------------------------------------------------


def test_a_text_has_all_its_events():
    writer = Script()
    writer.text("Hel")
    writer.text("lo")
    events = writer.finished()
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert output(events) == [("message", ["Hello"], "completed")]


def test_a_call_without_arguments_has_its_done_events():
    writer = Script()
    writer.call(CallDelta(0, call_id="c", name="f"))
    events = writer.finished()
    assert kinds(events)[2:-1] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert output(events) == [("f", "{}", "completed")], "clients decode them"


def test_items_follow_one_another():
    writer = Script()
    writer.reasoning("hm")
    writer.text("I ask.")
    writer.call(CallDelta(0, call_id="a", name="f", delta="{}"))
    writer.call(CallDelta(1, call_id="b", name="g", delta='{"x":'))
    writer.call(CallDelta(1, delta="1}"))
    writer.text("Done.")
    writer.reasoning("again")
    events = writer.finished()
    assert output(events) == [
        ("reasoning", ["hm"], "completed"),
        ("message", ["I ask."], "completed"),
        ("f", "{}", "completed"),
        ("g", '{"x":1}', "completed"),
        ("message", ["Done."], "completed"),
        ("reasoning", ["again"], "completed"),
    ]
    open_items = 0
    for kind in kinds(events):
        open_items += {"output_item.added": 1, "output_item.done": -1}.get(kind, 0)
        assert open_items <= 1, "one after the other, as OpenAI sends them"


def test_refusal_and_text_are_parts_of_one_message():
    writer = Script()
    writer.text("Well, ")
    writer.refusal("no")
    writer.refusal(".")
    assert output(writer.finished()) == [("message", ["Well, ", "no."], "completed")]


def test_raw_reasoning_and_its_summary_are_one_item_in_this_order():
    writer = Script()
    writer.reasoning("raw")
    writer.reasoning("short", summary=True)
    (item,) = response_of(writer.finished())["output"]
    assert item["content"] == [{"type": "reasoning_text", "text": "raw"}]
    assert item["summary"] == [{"type": "summary_text", "text": "short"}]


def test_raw_reasoning_after_a_summary_begins_a_new_item():
    writer = Script()
    writer.reasoning("short", summary=True)
    writer.reasoning("raw")
    assert output(writer.finished()) == [
        ("reasoning", ["short"], "completed"),
        ("reasoning", ["raw"], "completed"),
    ]


def test_parts_are_closed_by_name():
    writer = Script()
    writer.reasoning("One.", summary=True)
    writer.close_item(part=True)
    writer.reasoning("Two.", summary=True)
    writer.close_item()
    writer.reasoning("Three.", summary=True)
    assert output(writer.finished()) == [
        ("reasoning", ["One.", "Two."], "completed"),
        ("reasoning", ["Three."], "completed"),
    ]


def test_logprobs_are_on_the_delta_and_on_the_whole():
    writer = Script()
    tokens = [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]
    writer.text("a", tokens)
    writer.text("b")
    events = writer.finished()
    assert [event["logprobs"] for event in events if event["type"].endswith("text.delta")] == [tokens, []]
    assert response_of(events)["output"][0]["content"][0]["logprobs"] == tokens


def test_a_signature_belongs_to_the_open_reasoning_or_to_one_of_its_own():
    writer = Script()
    writer.reasoning("hm")
    writer.encrypted_content("blob1")
    writer.text("a")
    writer.encrypted_content("blob2", id="rs_up")
    writer.text("b")
    items = response_of(writer.finished())["output"]
    assert [item.get("encrypted_content") for item in items] == ["blob1", None, "blob2", None]
    assert items[2]["id"] == "rs_up"
    assert items[2]["summary"] == []


def test_a_whole_item_passes_with_an_id():
    writer = Script()
    writer.text("a")
    writer.item(
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {"type": "search", "query": "q"},
        }
    )
    writer.item({"type": "compaction", "encrypted_content": "x"})
    writer.text("b")
    events = writer.finished()
    assert output(events) == [
        ("message", ["a"], "completed"),
        "web_search_call",
        "compaction",
        ("message", ["b"], "completed"),
    ]
    assert response_of(events)["output"][1]["id"] == "ws_1"
    assert response_of(events)["output"][2]["id"].startswith("cmp_")


def test_an_item_that_begins_has_its_phases_and_its_end():
    writer = Script()
    nothing = {"type": "search", "query": ""}
    begun = {"type": "web_search_call", "id": "ws_1", "status": "in_progress", "action": nothing}
    writer.item(begun, slot=0, done=False)
    writer.item_event(0, "response.web_search_call.searching")
    writer.item_event(1, "response.web_search_call.searching")  # of an item that nobody began
    writer.item({**begun, "status": "completed", "action": {"type": "search", "query": "q"}}, slot=0)
    writer.text("a")
    events = writer.finished()
    assert kinds(events)[2:5] == ["output_item.added", "web_search_call.searching", "output_item.done"]
    assert events[2]["item"] == begun
    assert (events[3]["item_id"], events[3]["output_index"]) == ("ws_1", 0)
    assert events[4]["item"]["action"] == {"type": "search", "query": "q"}


def test_an_item_whose_end_is_never_said_ends_with_its_turn():
    writer = Script()
    begun = {"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress", "container_id": "c"}
    writer.item({**begun, "code": None, "outputs": None}, slot=0, done=False)
    events = writer.finished()
    assert kinds(events)[2:] == ["output_item.added", "output_item.done", "completed"]


def test_an_event_that_no_method_can_say_gets_our_number():
    writer = Script()
    writer.forward_event({"type": "response.audio.delta", "sequence_number": 77, "delta": "AAAA"})
    (event,) = [event for event in writer.take() if event["type"] == "response.audio.delta"]  # type: ignore[index]
    assert event == {"type": "response.audio.delta", "sequence_number": 2, "delta": "AAAA"}


def test_the_call_id_of_a_whole_call_is_its_own():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta="{}"))
    writer.item({"type": "shell_call", "call_id": "a", "action": {"commands": []}})
    writer.item({"type": "shell_call_output", "call_id": "a", "output": []})
    called, shell, answered = writer.response["output"][0], *writer.response["output"][1:]
    assert called["call_id"] == answered["call_id"] == "a"
    assert shell["call_id"] not in ("", "a")


# -- annotations --------------------------------------------------------------------------------------


def cite(start: int, end: int) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "",
        "start_index": start,
        "end_index": end,
    }


def test_annotations_are_numbered_in_their_part():
    writer = Script()
    writer.text("See a and b")
    writer.annotation(cite(4, 5))
    writer.annotation(cite(10, 11))
    events = writer.finished()
    numbers = [event["annotation_index"] for event in events if "annotation_index" in event]
    assert numbers == [0, 1]
    assert response_of(events)["output"][0]["content"][0]["annotations"] == [cite(4, 5), cite(10, 11)]


@pytest.mark.parametrize("writer_type", ["stream", "whole"])
def test_places_that_count_over_the_turn_are_moved_into_the_part(writer_type):
    writer: Any = Script() if writer_type == "stream" else whole_writer()
    writer.text("wörld€ ")
    writer.reasoning("hm")
    writer.text("See b")
    writer.annotation(cite(11, 12), in_turn=True)
    writer.annotation(cite(0, 1), in_turn=True)  # in the message that has ended: it cannot be added there
    writer.annotation(cite(0, 1))
    response = response_of(writer.finished()) if writer_type == "stream" else writer.finish(None, Outcome())
    assert response["output"][2]["content"][0]["annotations"] == [cite(4, 5), cite(0, 1)]
    assert [loss.field for loss in writer.losses] == ["message.annotations"]


@pytest.mark.parametrize("writer_type", ["stream", "whole"])
def test_a_citation_behind_the_text_it_belongs_to_is_a_loss(writer_type):
    writer: Any = Script() if writer_type == "stream" else whole_writer()
    writer.text("See a")
    writer.call(CallDelta(0, call_id="c", name="f", delta="{}"))
    writer.annotation(cite(4, 5), in_turn=True)
    response = response_of(writer.finished()) if writer_type == "stream" else writer.finish(None, Outcome())
    assert [item["type"] for item in response["output"]] == ["message", "function_call"]
    assert len(writer.losses) == 1


# -- calls --------------------------------------------------------------------------------------------


def test_interleaved_calls_keep_their_arguments_apart():
    writer = Script()
    writer.call(CallDelta("a", call_id="a", name="f"))
    writer.call(CallDelta("b", call_id="b", name="g"))
    for slot, piece in (("a", '{"x'), ("b", '{"y'), ("a", '":1}'), ("b", '":2}')):
        writer.call(CallDelta(slot, delta=piece))
    assert output(writer.finished()) == [("f", '{"x":1}', "completed"), ("g", '{"y":2}', "completed")]


def test_a_name_may_come_late():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", delta='{"x":'))
    writer.call(CallDelta(0, name="f", delta="1"))
    writer.call(CallDelta(0, delta="}"))
    assert output(writer.finished()) == [("f", '{"x":1}', "completed")]


def test_a_name_that_comes_late_ends_the_text_before_it():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", delta='{"x":'))
    writer.text("one")
    writer.call(CallDelta(0, name="f", delta="1}"))
    writer.text("two")
    assert output(writer.finished()) == [
        ("message", ["one"], "completed"),
        ("f", '{"x":1}', "completed"),
        ("message", ["two"], "completed"),
    ]


def test_a_name_may_come_in_pieces():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="get_"))
    writer.call(CallDelta(0, name="weather"))
    writer.call(CallDelta(0, delta="{}"))
    assert output(writer.finished()) == [("get_weather", "{}", "completed")]


def test_a_name_with_every_piece_is_one_name():
    writer = Script()
    for piece in ("{", '"x":', "1}"):
        writer.call(CallDelta(0, call_id="a", name="f", delta=piece))
    assert output(writer.finished()) == [("f", '{"x":1}', "completed")]


@pytest.mark.parametrize("writer_type", ["stream", "whole"])
def test_a_call_without_a_name_is_a_loss_and_one_without_anything_is_nothing(writer_type):
    writer: Any = Script() if writer_type == "stream" else whole_writer()
    writer.call(CallDelta(0, call_id="a", delta="{}"))
    writer.call(CallDelta(1, call_id="b"))
    response = response_of(writer.finished()) if writer_type == "stream" else writer.finish(None, Outcome())
    assert [item["type"] for item in response["output"]] == ["message"]
    assert [(loss.field, loss.effect) for loss in writer.losses] == [
        ("message.tool_calls", "dropped: a call without a name")
    ]


@pytest.mark.parametrize("writer_type", ["stream", "whole"])
def test_call_ids_are_made_where_they_lack_or_repeat(writer_type):
    writer: Any = Script() if writer_type == "stream" else whole_writer()
    for slot, call_id in enumerate(["call_0", "", "call_0", None]):
        writer.call(CallDelta(slot, call_id=call_id, name="f", delta="{}"))
    response = response_of(writer.finished()) if writer_type == "stream" else writer.finish(None, Outcome())
    call_ids = [item["call_id"] for item in response["output"]]
    assert call_ids[0] == "call_0"
    assert len(set(call_ids)) == 4
    assert all(each.startswith("call_") for each in call_ids)


def test_row_60_ids_of_the_upstream_are_kept_unless_they_repeat():
    writer = Script()
    writer.text("a", id="msg_up")
    writer.close_item()
    writer.text("b", id="msg_up")
    writer.call(CallDelta(0, call_id="c", name="f", delta="{}", id="fc_up"))
    ids = [item["id"] for item in response_of(writer.finished())["output"]]
    assert ids[0] == "msg_up"
    assert ids[1] != "msg_up"
    assert ids[2] == "fc_up"


def test_arguments_that_are_repeated_after_their_end_are_not_sent_twice():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta='{"x":1}'))
    writer.text("b")
    writer.call(CallDelta(0, delta='{"x":1}'))
    writer.call(CallDelta(0, delta=" \n"))
    assert len(writer.losses) == 0
    writer.call(CallDelta(0, delta="junk"))
    assert [loss.field for loss in writer.losses] == ["message.tool_calls.arguments"]
    assert output(writer.finished())[0] == ("f", '{"x":1}', "completed")


def test_text_between_the_pieces_of_a_call_does_not_cost_the_rest_of_it():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta='{"x":'))
    writer.text("meanwhile")
    writer.call(CallDelta(0, delta="1}"))
    assert output(writer.finished()) == [
        ("f", '{"x":1}', "completed"),
        ("message", ["meanwhile"], "completed"),
    ]


# -- ends ---------------------------------------------------------------------------------------------


def test_an_answer_without_words_has_one_empty_text():
    events = Script().finished()
    assert output(events) == [("message", [""], "completed")]
    assert output(Script().finished(CUT)) == [("message", [""], "incomplete")]


def test_a_cut_text_is_the_last_item_and_incomplete():
    writer = Script()
    writer.reasoning("hm")
    writer.text("half a sen")
    events = writer.finished(CUT)
    assert output(events) == [("reasoning", ["hm"], "completed"), ("message", ["half a sen"], "incomplete")]
    assert response_of(events)["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-1]["type"] == "response.incomplete"


def test_a_cut_inside_reasoning_makes_no_message():
    writer = Script()
    writer.reasoning("hm")
    assert output(writer.finished(CUT)) == [("reasoning", ["hm"], "incomplete")]


def test_a_cut_call_is_incomplete_and_a_whole_one_is_not():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta="{}"))
    writer.call(CallDelta(1, call_id="b", name="g", delta='{"x":'))
    assert output(writer.finished(CUT)) == [("f", "{}", "completed"), ("g", '{"x":', "incomplete")]
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta="{}"))
    assert output(writer.finished(CUT)) == [("f", "{}", "completed")]
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f"))
    assert output(writer.finished(CUT)) == [("f", "", "incomplete")]


def test_a_cut_message_stays_last_where_a_call_was_never_named():
    writer = Script()
    writer.text("a")
    writer.close_item()
    writer.call(CallDelta(0, delta="{"))
    writer.text("b")
    assert output(writer.finished(CUT)) == [("message", ["a"], "completed"), ("message", ["b"], "incomplete")]


FAILURE = failed(UpstreamError("Broken.", status=429))


def test_a_failure_keeps_what_was_said_and_closes_nothing():
    writer = Script()
    writer.reasoning("hm")
    writer.text("half")
    events = writer.finished(FAILURE)
    assert output(events) == [("reasoning", ["hm"], "completed"), ("message", ["half"], "incomplete")]
    assert kinds(events)[-2:] == ["output_text.delta", "failed"]
    assert response_of(events)["error"] == {"code": "rate_limit_exceeded", "message": "Broken."}


def test_a_failure_inside_calls_leaves_them_incomplete():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta='{"x'))
    writer.call(CallDelta(1, call_id="b", name="g", delta='{"y'))
    writer.call(CallDelta(2, call_id="c", name="h"))
    assert output(writer.finished(FAILURE)) == [("f", '{"x', "incomplete"), ("g", '{"y', "incomplete")]


def test_there_is_one_terminal_event_however_often_it_is_asked_for():
    writer = Script()
    writer.end_turn(None, Outcome())
    writer.finish()
    writer.finish()
    writer.end("failed", error=UpstreamError("late"))
    events = as_dicts(writer.take())
    assert [
        event["type"] for event in events if event["type"] in ("response.completed", "response.failed")
    ] == ["response.completed"]
    assert writer.ended
    assert writer.response["status"] == "completed"


def test_an_end_without_a_turn_is_a_failure():
    writer = Script()
    writer.text("a")
    writer.finish()
    assert writer.response["status"] == "failed"


def test_turns_add_up_to_one_response():
    writer = Script()
    writer.call(CallDelta(0, call_id="a", name="f", delta="{}"))
    writer.end_turn(USED, Outcome(service_tier="flex"))
    writer.call(CallDelta(0, call_id="b", name="f", delta="{}"))  # slots begin anew
    writer.text("Done.")
    writer.end_turn(USED, Outcome())
    events = writer.finished()
    assert [each[0] for each in output(events)] == ["f", "f", "message"]
    response = response_of(events)
    assert response["usage"]["total_tokens"] == 6
    assert response["service_tier"] == "flex"
    assert response["completed_at"] == int(now())


def test_events_are_handed_out_once():
    writer = Script()
    assert len(writer.take()) == 2
    assert writer.take() == []
    writer.text("a")
    assert len(writer.take()) == 3


def test_the_pieces_of_a_long_text_are_joined():
    writer = Script()
    lengths = []
    for number in range(3000):
        writer.text(f"{number} ")
        delta = writer.take()[-1]
        assert isinstance(delta, Delta)
        lengths.append(len(delta.stream.pieces))
    assert 1000 < max(lengths) < 1100
    writer.end_turn(None, Outcome())
    assert writer.response["output"][0]["content"][0]["text"] == "".join(f"{each} " for each in range(3000))


def test_snapshots_do_not_change_behind_the_reader():
    writer = Script()
    created = as_dicts(writer.take())[0]["response"]
    writer.text("a")
    added = as_dicts(writer.take())[0]["item"]
    writer.end_turn(USED, Outcome(service_tier="flex"))
    writer.finish()
    assert created["output"] == []
    assert created["status"] == "in_progress"
    assert created["usage"] is None
    assert added["content"] == []
    assert added["status"] == "in_progress"


# -- the whole answer ---------------------------------------------------------------------------------


def whole_writer() -> ResponseBuilder:
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    return ResponseBuilder(echo, Numbered(), now, Losses())


def speak(writer: Any) -> None:
    writer.reasoning("hm")
    writer.reasoning("short", summary=True)
    writer.text("a", [{"token": "a"}])
    writer.text("b")
    writer.refusal("no")
    writer.text("c")
    writer.call(CallDelta(0, call_id="x", name="f", delta="{}"))
    writer.call(CallDelta(1, call_id="x", name="g"))
    writer.text("d")
    writer.annotation(cite(0, 1))


@pytest.mark.parametrize("outcome", [Outcome(), CUT, Outcome(service_tier="flex")])
def test_the_same_words_make_the_same_response_without_events(outcome):
    streamed, whole = Script(), whole_writer()
    speak(streamed)
    speak(whole)
    streamed.end_turn(USED, outcome)
    streamed.finish()
    assert whole.finish(USED, outcome) == streamed.response
