"""What a key may use and what it has used: admission, rate limits, budgets, estimates, prices and the usage
log.

Authentication happens in `keys/`.
"""
