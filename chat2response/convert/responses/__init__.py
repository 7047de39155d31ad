"""The Responses API: the hub's own language, so that reading is checking and writing is leaving things out."""
