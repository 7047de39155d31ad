"""Query parameters of the management endpoints: known names only, each once."""

from fastapi import Request

from chat2response.api.http.query import check_parameters


def read_query(request: Request, *names: str) -> dict[str, str]:
    """The query parameters by name. Raises InvalidRequest for a name that is not in `names`."""
    return check_parameters(request.query_params.multi_items(), names)
