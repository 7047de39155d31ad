"""Parameters in the query of the management endpoints: known names only, each once."""

from difflib import get_close_matches

from fastapi import Request

from chat2response.errors import InvalidRequest


def asked(request: Request, *names: str) -> dict[str, str]:
    """What the query asks for, of these names. Raises InvalidRequest for any other."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        shown = name[:100]
        if name not in names:
            near = get_close_matches(shown, names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise InvalidRequest(
                f"Unknown parameter: '{shown}'.{hint}", param=shown, code="unknown_parameter"
            )
        if name in given:
            raise InvalidRequest(f"'{name}' is given twice.", param=name)
        given[name] = value
    return given
