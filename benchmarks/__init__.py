"""Time to solution of sklearn_mle and its peers: ``python -m benchmarks.run``; README.md tells how to read it."""
