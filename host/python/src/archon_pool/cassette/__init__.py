"""Cassettes: the calls of a component's imports, recorded and replayed."""
