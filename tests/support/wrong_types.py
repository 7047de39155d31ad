"""JSON with one value of the wrong type: every field in turn, with values that untrusted peers send."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

Path = tuple[str | int, ...]

WRONG: tuple[Any, ...] = (
    [], {}, [{}], [[]], 7, -1, 10**30, 1.5, True, None, "", "x", ["a"], {"a": ["b"]}, [None, 7], {"id": {}},
)  # fmt: skip


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value in `value`, including itself."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from paths(value[name], (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from paths(each, (*path, index))


def put(value: Any, path: Path, other: Any) -> Any:
    """A copy with `other` at `path`."""
    if not path:
        return other
    copied = value.copy()
    copied[path[0]] = put(value[path[0]], path[1:], other)
    return copied


def mutations(value: Any, *, each: int = len(WRONG), seed: int = 0) -> Iterator[Any]:
    """Copies of `value` with one wrong value: each of them at every path, in turn."""
    wrong = cycle(WRONG[seed % len(WRONG) :] + WRONG[: seed % len(WRONG)])
    for path in paths(value):
        for _ in range(each):
            yield put(value, path, next(wrong))
