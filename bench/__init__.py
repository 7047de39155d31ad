"""The benchmark: what the gateway costs per request and per delta, beside fixed references, in one run."""
