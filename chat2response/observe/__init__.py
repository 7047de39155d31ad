"""Call records, metrics, log helpers and redaction. Every floor above may call it; it imports errors only."""
