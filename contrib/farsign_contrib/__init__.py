"""Integrations over farsign's public API, one small module each; the third party is imported inside."""
