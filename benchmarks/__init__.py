"""Figures, each printed by one command: ``python -m benchmarks.NAME``. Ratios within one run, because machines differ and drift."""
