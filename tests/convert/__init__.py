"""Tests of the pure conversion library."""
