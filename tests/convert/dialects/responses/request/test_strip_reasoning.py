"""Which items are removed from a request after its encrypted reasoning was rejected, and when."""

import json
from typing import Any

import pytest

from chat2response.convert.dialects.responses.request.strip_reasoning import strip_reasoning
from chat2response.convert.losses import Losses
from chat2response.state.sealing import Sealing

WORDS = "The encrypted content gAAA...DQ== could not be verified."
OURS = Sealing(["0123456789abcdef" * 2]).seal_for("key_a", "http://a/v1", "m").seal(b"thought")


def refusal(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


REFUSED = refusal(message=WORDS, type="invalid_request_error", param=None, code="invalid_encrypted_content")


def thought(blob: str | None, **more: Any) -> str:
    return json.dumps({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": blob, **more})


def sent(items: str, refused: bytes = REFUSED) -> tuple[str | None, str | None]:
    """The retried items, and the losses."""
    losses = Losses()
    rest = strip_reasoning(b'{"model":"m", "input" : %b }' % items.encode(), refused, losses)
    if rest is None:
        return None, losses.header()
    before, after = b'{"model":"m", "input" : ', b" }"
    assert rest.startswith(before) and rest.endswith(after)
    return rest[len(before) : -len(after)].decode(), losses.header()


def dropped(*places: int) -> str:
    why = "dropped: the upstream cannot open its encrypted_content"
    return ", ".join(f"input[{place}]; {why}" for place in places)


def test_the_sealed_items_go_and_the_others_keep_their_bytes() -> None:
    user, call = (
        '{ "role":"user", "content" : "1.50\\u00fc" }',
        '{"type":"function_call","call_id":"c", "x":1e2}',
    )
    items = f"[ {user},\n{thought('gAAA')}, {call} , {thought('gBBB')}]"
    assert sent(items) == (f"[{user},{call}]", dropped(1, 3))


def test_ours_go_alone_where_there_are_any() -> None:
    """The others may be the upstream's own, which it can open."""
    theirs = thought("gAAA")
    assert sent(f"[{thought(OURS)},{theirs}]") == (f"[{theirs}]", dropped(0))


@pytest.mark.parametrize(
    "items",
    [
        '"as it is"',
        "null",
        "[]",
        '[7, "x", [], {"role":"user","content":"encrypted_content"}]',
        f"[{thought(None)}]",  # only its id: the upstream has its content
        '[{"type":"compaction","encrypted_content":"gAAA"}]',  # the whole conversation: never removed
    ],
)
def test_where_no_reasoning_is_sealed_the_refusal_stands(items: str) -> None:
    assert sent(items) == (None, None)
    assert strip_reasoning(b'{"model":"m"}', REFUSED, Losses()) is None


@pytest.mark.parametrize(
    "refused",
    [
        REFUSED,
        refusal(message="", code="invalid_encrypted_content"),
        refusal(message=f"{WORDS} Reason: it could not be decrypted or parsed.", code=None),
    ],
)
def test_it_is_known_by_its_code_or_its_words(refused: bytes) -> None:
    assert sent(f"[{thought('gAAA')}]", refused) == ("[]", dropped(0))


@pytest.mark.parametrize(
    "refused",
    [
        refusal(message="Invalid value: 'input'.", code="invalid_value"),
        refusal(message="The encrypted content is too long."),
        refusal(message=None, code=None),
        b'{"error": "The encrypted content x could not be verified."}',
        b"[]",
        b"The encrypted content x could not be verified.",
    ],
)
def test_any_other_refusal_is_the_clients(refused: bytes) -> None:
    assert sent(f"[{thought('gAAA')}]", refused) == (None, None)


def test_an_item_that_is_no_reasoning_stays() -> None:
    call = '{"type":"function_call","call_id":"c","encrypted_content":"gAAA"}'
    assert sent(f"[{call},{thought('gAAA')}]") == (f"[{call}]", dropped(1))


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":[{"type":"reasoning","encrypted_content":"x","\xff":1}]}',
        b'{"\xff":1,"input":[{"type":"reasoning","encrypted_content":"x"}]}',
        b'{"input":[{"\xff":1}]}',
    ],
)
def test_what_passed_unread_may_be_no_utf_8(body: bytes) -> None:
    assert strip_reasoning(body, REFUSED, Losses()) is None
