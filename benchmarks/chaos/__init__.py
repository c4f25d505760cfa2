"""Faults on the wire, ours beside each bare SDK in the same run: ``python -m benchmarks.chaos`` (``--help`` lists what can be smaller).

The emulators run in processes of their own, so that they do not share our interpreter's lock. ``_bare.py`` has a row for each SDK;
a backend that is not installed is left out. Every signature is verified afterwards from the public key alone.
"""
