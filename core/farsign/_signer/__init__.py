"""Floor 2: what a URI opens. Versions, caches, attempts, failover, and the one funnel through which everything is signed."""
