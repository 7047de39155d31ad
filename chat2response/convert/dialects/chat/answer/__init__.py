"""Chat answers, both ways: streams of chunks and whole completions.

Streams and whole answers share one reader of deltas, so that both give the same result.
"""
