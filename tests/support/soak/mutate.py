"""Random faults in bodies: in their values, or in their bytes."""

import copy
import json
import random
from typing import Any

JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**20,
    10**400,
    1e308,
    float("nan"),
    "",
    "x",
    "\x00",
    "\ud800",
    "\u2028\r\n",
    "x" * 5000,
    [],
    {},
    [[]],
    [None],
    [""],
    [{}],
    {"id": "x"},
    {"id": ["x"]},
    {"type": "text"},
    {"type": ["message"]},
    {"type": {}},
    {"": ""},
    "data:image/png;base64,AAAA",
    "auto",
    "message",
    "item_reference",
    "resp_other",
)
"""Values of an unexpected type or content."""


def changed(value: Any, rng: random.Random) -> Any:
    """A copy of a JSON value with one to three random changes."""
    copied = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(copied))
        if not places:
            return rng.choice(JUNK)
        holder, key = rng.choice(places)
        _change(holder, key, copied, rng)
    return copied


def encoded(value: Any, rng: random.Random) -> bytes:
    """The JSON bytes of a value, in one of the usual formats."""
    separators = rng.choice(((",", ":"), (", ", ": ")))
    text = json.dumps(value, ensure_ascii=rng.random() < 0.8, separators=separators)
    return text.encode("utf-8", "surrogatepass")


def broken(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to three random faults."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = _break(data, rng.randrange(len(data) + 1), rng)
    return data


def nested(size: int, rng: random.Random) -> bytes:
    """A body of about `size` bytes that consists almost only of containers."""
    kind = rng.choice(("deep", "objects", "flat", "members", "rows"))
    if kind == "deep":
        return b"[" * (size // 2) + b"]" * (size // 2)
    if kind == "objects":
        return b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6)
    field = rng.choice((b"messages", b"input", b"tools", b"metadata", b"x"))
    unit = {"flat": b"[],", "members": b'{"role":"user"},', "rows": b'{"id":[{}]},'}[kind]
    return b'{"model":"m","%b":[%b0]}' % (field, unit * (size // len(unit)))


def _places(value: Any) -> Any:
    """Every container in a JSON value with each of its keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _change(holder: Any, key: Any, whole: Any, rng: random.Random) -> None:
    kind = rng.choice(("junk", "junk", "junk", "remove", "wrap", "double", "move", "rename"))
    if kind == "junk":
        holder[key] = copy.deepcopy(rng.choice(JUNK))
    elif kind == "remove":
        del holder[key]
    elif kind == "wrap":
        holder[key] = rng.choice(([holder[key]], {"type": holder[key]}, {"content": holder[key]}))
    elif kind == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == "rename" and isinstance(holder, dict):
        holder[rng.choice(("id", "type", "x", "\ud800", "content", str(key).upper()))] = holder.pop(key)
    else:
        other, place = rng.choice(list(_places(whole)))
        holder[key] = copy.deepcopy(other[place])


def _break(data: bytes, at: int, rng: random.Random) -> bytes:
    kind = rng.randrange(7)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + rng.randbytes(rng.choice((1, 1, 2, 40))) + data[at:]
    if kind == 2:
        return data[:at] + rng.randbytes(1) + data[at + 1 :]
    if kind == 3:
        return data[:at] + data[at + rng.randrange(1, 20) :]
    if kind == 4:
        return (
            data[:at]
            + rng.choice((b"\xff", b"\xed\xa0\x80", b"\x00", b"\n", b"\\", b'"', b"}", b"["))
            + data[at:]
        )
    if kind == 5:
        return data + rng.choice((b"{}", b"\x00", b" ", b",", data))
    return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b" " * 100, b"[", b"")) + data
