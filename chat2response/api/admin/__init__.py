"""Who may use the admin plane: its rules, its guard, its token, the throttle of failed attempts.

The endpoints that it guards live in `management/`.
"""
