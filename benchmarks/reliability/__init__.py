"""Hard inputs, for us and the peers: what comes out, judged by one rule against answers that owe nothing to either."""
