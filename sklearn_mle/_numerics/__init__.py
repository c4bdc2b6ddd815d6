"""Layer 0: stable special functions, factors of small matrices, and the one BLAS limiter."""
