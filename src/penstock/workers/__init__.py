"""Processes that stay: the outbox relay, and `penstock up`, which runs what the profile needs."""
