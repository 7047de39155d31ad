"""What a key may use and what it used: admission, rate limits and budgets, estimates, prices, the usage log.

Who may pass at all is decided in `keys/`.
"""
