"""Floor 0: what everything stands on. URIs, algorithms, encodings, hosts, the clock, policies and events; no key, no network."""
