"""Access to the admin plane: its rules, its guard, the admin token, the throttle for failed attempts.

The guarded endpoints live in `management/`.
"""
