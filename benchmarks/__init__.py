"""Time to solution of sklearn_mle and its peers; ``python -m benchmarks.run --help`` and README.md tell how to run it."""
