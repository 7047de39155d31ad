"""Attack loops: random inputs from a seed, sent to a gateway until a law is broken.

`make test` runs a few inputs of each loop, always the same ones; `make soak` runs all loops for a long time,
with a new seed. Each loop prints its inputs and outcomes as counts. A failure prints the option that repeats
it: `--seed 7:113` starts the loops of seed 7 at input 113.
"""
