"""The operator's key is removed from upstream data in every written form; other bytes are unchanged."""

import json
from html import escape
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.observe.secrets import Secret, SecretFilter, secret_of
from chat2response.wire.sse import FrameSplitter

KEY = "sk-canary/Key.0001+AbC_dEf"
SECRET = Secret(KEY)


def escaped(text: str, which: str) -> str:
    """The text as JSON that escapes these characters."""
    return "".join(f"\\u{ord(each):04x}" if each in which else each for each in text)


WRITTEN = {
    "as it is": KEY,
    "slashes": KEY.replace("/", "\\/"),
    "dashes": escaped(KEY, "-"),
    "dashes, upper case": escaped(KEY, "-").replace("002d", "002D"),
    "everything": escaped(KEY, KEY),
    "everything but the first": KEY[0] + escaped(KEY[1:], KEY),
    "one of each half": escaped(KEY, "kd"),
    "JSON in JSON": json.dumps(json.dumps({"k": KEY}))[1:-1].partition("sk")[1] + KEY[2:],
    "escaped JSON in JSON": escaped(KEY, "-/+").replace("\\", "\\\\"),
    "slashes of JSON in JSON": KEY.replace("/", "\\\\\\/"),
    "in a URL": quote(KEY, safe=""),
    "in HTML": escape(KEY),
    "over two lines": f"{KEY[:9]}\ndata: {KEY[9:]}",
    "over three lines": f"{KEY[:20]}\r\ndata:{KEY[20:23]}\ndata: {KEY[23:]}",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("around", ["{}", 'data: {"code":"{}"}\n\n', "x{}y{}z", "Bearer {}"])
def test_a_secret_is_replaced_however_it_is_written(written: str, around: str) -> None:
    result = around.replace("{}", written).encode()
    assert SECRET.remove(result) == around.replace("{}", "[key]").encode()
    assert SECRET.remove_text(result.decode()) == around.replace("{}", "[key]")


@pytest.mark.parametrize(
    "result",
    [
        b"",
        b"data: {}\n\n",
        KEY[:-1].encode(),
        KEY[1:].encode(),
        KEY[:13].encode() + b" " + KEY[13:].encode(),
        rb'{"a":"\u002d\u00e9\u2028\/","b":"\\\\"}',
        b"\xff\x00" + KEY[:13].encode(),
        KEY.upper().encode(),
    ],
)
def test_what_has_no_secret_is_the_very_same(result: bytes) -> None:
    assert SECRET.remove(result) is result or SECRET.remove(result) == result


def test_bytes_that_are_no_utf_8_stay() -> None:
    assert SECRET.remove(b"\xff" + KEY.encode() + b"\xfe") == b"\xff[key]\xfe"


@given(st.lists(st.integers(0, 400), max_size=12), st.sampled_from(sorted(WRITTEN)), st.booleans())
def test_a_secret_is_found_wherever_the_bytes_are_cut(cuts: list[int], name: str, ended: bool) -> None:
    result = f'data: {{"a":"x"}}\n\ndata: {{"b":"{WRITTEN[name]}"}}\n\n: {WRITTEN[name]}'.encode()
    result += b"\n\n" if ended else b""
    places = [0, *sorted(min(cut, len(result)) for cut in cuts), len(result)]
    clean = SecretFilter(SECRET)
    out = b"".join(clean.feed(result[a:b]) for a, b in pairwise(places)) + clean.close()
    assert out == SECRET.remove(result)
    assert KEY.encode() not in out


def _whole_events(result: bytes) -> int:
    return len(FrameSplitter().feed(result))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_secret_is_found_whatever_the_one_cut(name: str) -> None:
    result = f'data: {{"b":"{WRITTEN[name]}"}}\r\n\r\n'.encode()
    for cut in range(len(result)):
        clean = SecretFilter(SECRET)
        out = clean.feed(result[:cut]) + clean.feed(result[cut:]) + clean.close()
        assert out == b'data: {"b":"[key]"}\r\n\r\n', cut


@given(st.lists(st.sampled_from([b"x", b"\n", b"\r", b"\r\n", b"data: y" * 90, b"sk-"]), max_size=30))
def test_other_bytes_pass_whole_and_those_of_whole_events_at_once(pieces: list[bytes]) -> None:
    clean = SecretFilter(SECRET)
    out = b""
    for number, piece in enumerate(pieces):
        out += clean.feed(piece)
        result = b"".join(pieces[: number + 1])
        assert result[len(out) : _whole_events(result)].strip(b"\r\n") == b"", "line ends may wait"
    assert out + clean.close() == b"".join(pieces)


def test_what_is_held_back_is_bounded() -> None:
    clean, passed = SecretFilter(SECRET), 0
    for _ in range(100):
        passed += len(clean.feed(b"x" * 1000))
    assert 100_000 - passed <= SECRET.longest
    assert passed + len(clean.close()) == 100_000


def test_what_may_be_a_word_is_no_secret_of_every_answer() -> None:
    assert secret_of(None) is None and secret_of("ollama") is None
    assert secret_of(KEY) is secret_of(KEY)
