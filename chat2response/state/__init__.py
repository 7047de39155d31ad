"""What outlives a call: so far, who owns the ids that an upstream has made."""
