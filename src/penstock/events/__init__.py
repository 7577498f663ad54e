"""One fact, rendered as an event: what the ledger's outbox owes becomes CloudEvents."""
