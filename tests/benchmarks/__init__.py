"""Benchmarks: Holdfast and the baselines beside it, in one run on one machine.

`python -m tests.benchmarks --help`, or `make bench`.
"""
