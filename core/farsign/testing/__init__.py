"""For tests: emulators of the clouds' wire protocols, a pytest plugin, and the conformance suite for backends.

``farsign.testing.emulator`` is what emulators are built from, ``farsign.testing.conformance`` what every backend runs,
``farsign.testing.plugin`` the fixtures. Each is imported by its own name.
"""
