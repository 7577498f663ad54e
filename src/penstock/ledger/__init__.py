"""Durable truth: jobs, stage runs, documents and their versions, artifacts, leases, outbox and dead letters."""
