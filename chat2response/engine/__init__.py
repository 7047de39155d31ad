"""A call's story: `plan` its way, open the upstream, convert or relay, deliver. Knows no web framework."""
