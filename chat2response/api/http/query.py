"""Query parameters: known names only, each once, so that a misspelled name is an error and not ignored."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qsl

from chat2response.errors import InvalidRequest
from chat2response.observe.redact import redact

_MAX_SHOWN = 100  # characters of a name
_IGNORED = ("api-version",)  # Azure clients send it with every call
_CREDENTIALS = ("key", "api_key", "apikey", "api-key", "token", "access_token")


def query_parameters(query: bytes, names: Sequence[str]) -> dict[str, str]:
    """Parses the query parameters of a call. Raises InvalidRequest."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return check_parameters((pair for pair in pairs if pair[0] not in _IGNORED), names)


def check_parameters(pairs: Iterable[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    """The parameters by name. Raises InvalidRequest for a name that is not in `names`, or occurs twice."""
    params: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            raise _unknown(name, names)
        if name in params:
            raise InvalidRequest(f"The query has the parameter '{name}' twice.", param=name)
        params[name] = value
    return params


def _unknown(name: str, names: Sequence[str]) -> InvalidRequest:
    shown = redact(name[:_MAX_SHOWN])
    near = get_close_matches(shown, names, n=1)
    if near:
        hint = f" Did you mean '{near[0]}'?"
    elif name.lower() in _CREDENTIALS:
        hint = " Send a key in the header 'Authorization: Bearer <key>', never in the URL."
    elif names:
        hint = f" This endpoint accepts {', '.join(names)}."
    else:
        hint = " This endpoint accepts none: write it in the body."
    return InvalidRequest(f"Unknown query parameter: '{shown}'.{hint}", param=shown, code="unknown_parameter")
