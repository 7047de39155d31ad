"""Answers that are converted into the client's dialect: streams, whole answers, and several choices in one.

Answers that are passed on byte for byte live in `relay/`.
"""
