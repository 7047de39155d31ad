"""The parameters of a query: known names only, each once. Ignored, a misspelled one would leave its caller
wondering.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qsl

from chat2response.errors import InvalidRequest
from chat2response.observe.redact import redact

_SHOWN = 100  # characters of a name
_IGNORED = ("api-version",)  # clients made for Azure send it with every call
_CREDENTIALS = ("key", "api_key", "apikey", "api-key", "token", "access_token")


def parameters_of(query: bytes, names: Sequence[str]) -> dict[str, str]:
    """The query parameters of a call, by name. Raises InvalidRequest."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return known((pair for pair in pairs if pair[0] not in _IGNORED), names)


def known(pairs: Iterable[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """The parameters, of these names. Raises InvalidRequest for any other, and for one given twice."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            raise _unknown(name, names)
        if name in given:
            raise InvalidRequest(f"'{name}' is given twice.", param=name)
        given[name] = value
    return given


def _unknown(name: str, names: Sequence[str]) -> InvalidRequest:
    shown = redact(name[:_SHOWN])
    near = get_close_matches(shown, names, n=1)
    if near:
        hint = f" Did you mean '{near[0]}'?"
    elif name.lower() in _CREDENTIALS:
        hint = " A key is sent in the header 'Authorization: Bearer <key>', never in the address."
    elif names:
        hint = f" Known are {', '.join(names)}."
    else:
        hint = " This endpoint takes none: write it in the body."
    return InvalidRequest(
        f"Unknown parameter in the query: '{shown}'.{hint}", param=shown, code="unknown_parameter"
    )
