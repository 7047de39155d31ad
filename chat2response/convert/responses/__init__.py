"""The Responses API: the hub's own language, so that reading is checking, writing is leaving things out."""
