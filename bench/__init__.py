"""Benchmarks: ratios against peers that ran in the same minute on the same machine. `python -m bench`."""
