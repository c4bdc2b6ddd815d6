"""Mutation testing: small faults planted in the package, one at a time, and the tests that should see them."""
