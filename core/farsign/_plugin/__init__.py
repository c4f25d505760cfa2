"""Floor 1: how a backend is found and opened, and what a backend's author may lean on (public through farsign.driver)."""
