"""Logistic regression on a cluster of local processes, beside dask-ml and dask-glm: ``python -m benchmarks.dask``."""
