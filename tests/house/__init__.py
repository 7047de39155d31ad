"""The house rules as tests: each is a small checker, shown to fail on a violation, then run over the tree."""
