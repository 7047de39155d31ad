"""Attack loops: inputs drawn from a seed, against a gateway in a process of its own, until a law is broken.

`make test` runs a few inputs of each loop, always the same; `make soak` runs all of them for long, with a
new seed. Each loop prints what it tried and saw. A failure prints what repeats it: `--seed 7:113` starts the
loops of seed 7 at their input 113.
"""
