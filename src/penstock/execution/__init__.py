"""Doing the work: one stage over one batch at a time, with ledger, guard, stage and events meeting in one place."""
