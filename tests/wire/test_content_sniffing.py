"""The kind of a body is detected by its first bytes."""

import pytest

from chat2response.wire.content_sniffing import sniff_content

KINDS = [
    (b'data: {"a":1}\n\n', "events"),
    (b"data\n\n", "events"),
    (b"data:[DONE]\r\n\r\n", "events"),
    (b"event: response.created\ndata: {}\n\n", "events"),
    (b"id: 7\ndata: {}\n\n", "events"),
    (b"retry: 1\n\n", "events"),
    (b"error: x\n\n", "events"),
    (b": OPENROUTER PROCESSING\n\n", "events"),
    (b"\r\n\ndata: {}\n\n", "events"),
    (b"\xef\xbb\xbfdata: {}\n\n", "events"),
    (b"{}", "json"),
    (b"\n \t {}", "json"),
    (b"\xef\xbb\xbf[]", "json"),
    (b'"text"', "json"),
    (b"<html>data: x</html>", "other"),
    (b"dataset: x", "other"),
    (b"Internal Server Error", "other"),
    (b"ide", "other"),
    (b"dat", "other"),
    (b"data", "other"),
    (b"", "other"),
    (b"\n", "other"),
    (b"\xef\xbb", "other"),
    (b"null", "other"),
]


@pytest.mark.parametrize(("body", "kind"), KINDS)
def test_a_kind_is_told_by_a_few_bytes_however_they_come(body, kind):
    assert sniff_content(body, ended=True) == kind
    kinds = [each for at in range(len(body)) if (each := sniff_content(body[:at])) is not None]
    assert set(kinds) <= {kind}
    assert len(kinds) >= len(body) - 10


def test_blanks_are_not_awaited_without_end():
    assert sniff_content(b"\n" * 1024) is None
    assert sniff_content(b"\n" * 1025) == sniff_content(b"\n" * 1025 + b"data: x") == "other"
