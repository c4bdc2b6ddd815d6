"""Predictive distributions around the same base, ours and the peers', on random splits of real data."""
