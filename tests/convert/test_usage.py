"""Token counts in both directions: details, names of vendors, and values that are not numbers."""

import pytest

from chat2response.convert import usage
from chat2response.convert.quirks.quirks import Quirks

FULL_CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 7, "audio_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 1},
}
FULL = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 7},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 150,
}


def test_every_detail_crosses_and_comes_back():
    assert usage.from_chat(FULL_CHAT) == FULL
    back = usage.to_chat(FULL)
    assert back is not None
    assert usage.from_chat(back) == FULL
    assert back["prompt_tokens_details"] == {"cached_tokens": 80, "cache_write_tokens": 7, "audio_tokens": 0}
    assert back["completion_tokens_details"]["reasoning_tokens"] == 20


def test_a_total_is_taken_as_it_is():
    counted = usage.from_chat({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 99})
    assert counted is not None
    assert counted["total_tokens"] == 99


def test_what_is_absent_is_zero_and_the_total_is_made():
    assert usage.from_chat({"prompt_tokens": 3, "completion_tokens": 4}) == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    }
    read = usage.read({"input_tokens": 3, "output_tokens": 4})
    assert read is not None
    assert read["total_tokens"] == 7


@pytest.mark.parametrize("empty", [None, {}, [], "12", 12])
def test_no_usage_is_none_not_zeros(empty):
    assert usage.from_chat(empty) is None
    assert usage.read(empty) is None
    assert usage.to_chat(None) is None


@pytest.mark.parametrize(
    "vendor",
    [
        {"prompt_tokens_details": {"cached_tokens": 5}},
        {"prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 4},  # DeepSeek
        {"cached_tokens": 5},  # Moonshot
    ],
)
def test_cached_tokens_by_every_name(vendor):
    counted = usage.from_chat({"prompt_tokens": 9, "completion_tokens": 1, **vendor})
    assert counted is not None
    assert counted["input_tokens_details"]["cached_tokens"] == 5


def test_reasoning_left_out_of_the_completion_is_counted_into_the_output():
    xai = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 115,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    counted = usage.from_chat(xai)
    assert counted is not None
    assert (counted["output_tokens"], counted["total_tokens"]) == (105, 115)


def test_reasoning_that_is_part_of_the_completion_is_not_counted_twice():
    counted = usage.from_chat(FULL_CHAT)
    assert counted is not None
    assert counted["output_tokens"] == 50


@pytest.mark.parametrize("wrong", ["12", None, True, -3, 1.5, [], {}])
def test_what_is_no_count_is_zero(wrong):
    counted = usage.from_chat(
        {"prompt_tokens": wrong, "completion_tokens": 2, "prompt_tokens_details": wrong}
    )
    assert counted is not None
    assert counted["input_tokens"] == 0
    assert counted["total_tokens"] == 2


def test_a_whole_float_is_a_count():
    counted = usage.from_chat({"prompt_tokens": 12.0, "completion_tokens": 2})
    assert counted is not None
    assert counted["input_tokens"] == 12
    assert type(counted["input_tokens"]) is int


def test_turns_add_up():
    read = usage.read(FULL)
    assert usage.add(None, None) is None
    assert usage.add(read, None) == usage.add(None, read) == FULL
    assert usage.add(read, read) == {
        "input_tokens": 200,
        "input_tokens_details": {"cached_tokens": 160, "cache_write_tokens": 14},
        "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 300,
    }


@pytest.mark.parametrize(
    ("quirk", "total", "output"),
    [("by_total", 30, 20), ("by_total", 25, 15), ("without_reasoning", 25, 20), ("with_reasoning", 30, 15)],
)
def test_whether_reasoning_is_among_the_completions_tokens_is_a_quirk(quirk, total, output):
    counted = usage.from_chat(
        {
            "prompt_tokens": 10,
            "completion_tokens": 15,
            "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        Quirks(completion_tokens=quirk),
    )
    assert counted is not None
    assert (counted["output_tokens"], counted["total_tokens"]) == (output, total)


def test_where_cached_tokens_are_counted_is_a_quirk():
    counts = {"prompt_tokens": 10, "cached_tokens": 3, "details": {"deep": {"hit": 4}}}
    for paths, cached in (
        (("details.deep.hit", "cached_tokens"), 4),
        (("nowhere", "cached_tokens"), 3),
        ((), 0),
    ):
        counted = usage.from_chat(counts, Quirks(cached_tokens=paths))
        assert counted is not None
        assert counted["input_tokens_details"]["cached_tokens"] == cached


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def test_zeros_alone_are_no_count():
    assert not usage.has_counts(ZERO)
    assert not usage.has_counts(None)
    assert usage.has_counts({**ZERO, "prompt_tokens": 1})
    assert usage.first_with_counts(ZERO, None, FULL_CHAT) == FULL_CHAT
    assert usage.first_with_counts(None, ZERO) == ZERO
    assert usage.first_with_counts(None, None) is None
