"""Stop strings for a Responses upstream (pitfalls, row 38)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.convert.writer.stop_strings import StopStringWriter, read_stop_strings
from chat2response.errors import InvalidRequest
from tests.support.stream_grammar import assert_well_formed
from tests.support.upstream_streams import Numbered, now


def hub(stop: object) -> HubRequest:
    return HubRequest(body={"model": "m"}, dialect="chat", extra={"stop": stop})


def written_text(deltas: list[str], stops: list[str]) -> tuple[list[str], bool]:
    """The resulting text deltas, and whether the upstream was stopped."""
    inner = ResponseWriter(EchoedFields.of(hub(None)), Numbered(), now)
    writer = StopStringWriter(inner, stops)
    inner.begin()
    for delta in deltas:
        writer.text(delta)
        if writer.done:
            break
    stopped = writer.done
    writer.end_turn(None, Outcome())
    inner.finish()
    events = [event if isinstance(event, dict) else event.as_dict() for event in inner.take()]
    assert_well_formed(events)
    return [event["delta"] for event in events if event["type"] == "response.output_text.delta"], stopped


@pytest.mark.parametrize(
    ("deltas", "stops", "out", "stopped"),
    [
        (["a", "b"], ["X"], ["a", "b"], False),
        (["one STOP two"], ["STOP"], ["one "], True),
        (["one ST", "OP two"], ["STOP"], ["one "], True),
        (["S", "T", "O", "P"], ["STOP"], [], True),
        (["S", "T", "O", "M"], ["STOP"], ["S", "T", "O", "M"], False),
        (["SSTOP"], ["STOP"], ["S"], True),
        (["ab", "abac"], ["abac"], ["ab"], True),
        (["x", "\n", "\ny"], ["\n\n"], ["x"], True),
        (["a1", "b2"], ["2", "1"], ["a"], True),
        (["ends with ST"], ["STOP"], ["ends with ST"], False),
        (["ü€", "𝄞z"], ["𝄞"], ["ü€"], True),
    ],
)
def test_row_38_the_text_ends_before_the_first_stop_string(
    deltas: list[str], stops: list[str], out: list[str], stopped: bool
) -> None:
    assert written_text(deltas, stops) == (out, stopped)


@given(
    st.lists(st.text("abS", max_size=4), max_size=12),
    st.lists(st.text("abS", min_size=1, max_size=3), min_size=1, max_size=3),
)
def test_how_the_text_is_cut_does_not_matter(deltas: list[str], stops: list[str]) -> None:
    whole = "".join(deltas)
    ends = [at for stop in stops if (at := whole.find(stop)) >= 0]
    out, stopped = written_text(deltas, stops)
    # The first string that is met may end later than one that begins earlier, and only as a whole.
    if not ends:
        assert ("".join(out), stopped) == (whole, False)
    else:
        assert stopped
        assert whole.startswith("".join(out))
        assert not any(stop in "".join(out) for stop in stops)


def test_a_delta_that_nothing_begins_in_is_not_held() -> None:
    inner = ResponseWriter(EchoedFields.of(hub(None)), Numbered(), now)
    writer = StopStringWriter(inner, ["STOP"])
    inner.begin()
    before = inner.event_count
    writer.text("plain")
    assert inner.event_count > before
    before = inner.event_count
    writer.text("S")
    assert inner.event_count == before


def test_what_comes_between_lets_go_of_what_was_held() -> None:
    inner = ResponseWriter(EchoedFields.of(hub(None)), Numbered(), now)
    writer = StopStringWriter(inner, ["STOP"])
    inner.begin()
    writer.text("ST")
    writer.call(CallDelta("a", call_id="c", name="f", delta="{}"))
    writer.text("OP")
    writer.end_turn(None, Outcome())
    inner.finish()
    texts = [part["text"] for item in inner.response["output"] for part in item.get("content", [])]
    assert texts == ["ST", "OP"]
    assert not writer.done


@pytest.mark.parametrize(
    ("stop", "stops"), [(None, ()), ("a", ("a",)), (["a", "", "b"], ("a", "b")), ([], ())]
)
def test_as_the_client_wrote_them(stop: object, stops: tuple[str, ...]) -> None:
    assert read_stop_strings(hub(stop)) == stops


@pytest.mark.parametrize(("stop", "param"), [(5, "stop"), (["a", 1], "stop[1]"), ({"a": 1}, "stop")])
def test_what_is_no_stop_string(stop: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_stop_strings(hub(stop))
    assert refused.value.param == param


@pytest.mark.parametrize("stop", [["a"] * 17, "a" * 1025, ["b", "a" * 1025]])
def test_more_stop_strings_than_can_be_watched_for_are_refused(stop: object) -> None:
    """Every delta is compared with every stop string."""
    with pytest.raises(InvalidRequest) as refused:
        read_stop_strings(hub(stop))
    assert refused.value.param == "stop"
    assert len(read_stop_strings(hub(["a" * 1024] * 16))) == 16
