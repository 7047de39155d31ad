"""Parameters in the query of the management endpoints: check_parameters names only, each once."""

from fastapi import Request

from chat2response.api.http.query import check_parameters


def asked(request: Request, *names: str) -> dict[str, str]:
    """What the query asks for, of these names. Raises InvalidRequest for any other."""
    return check_parameters(request.query_params.multi_items(), names)
