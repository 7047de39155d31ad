"""Answers that pass byte for byte, because both sides speak one dialect: the relay, its taps, its one end.

Answers that change their dialect live in `respond/`.
"""
