"""Answers that are converted: streams and whole answers through the hub, and several choices merged into one.

Answers that pass byte for byte live in `relay/`.
"""
