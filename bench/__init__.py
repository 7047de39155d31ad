"""The benchmark: the gateway's cost per request and per delta, compared with fixed references in one run."""
