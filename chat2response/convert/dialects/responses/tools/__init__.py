"""The tools of a request, written for a Responses upstream."""
