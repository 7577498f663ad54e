

from penstock.ledger.ledger import Ledger


def test_a_new_ledger_is_empty(ledger: Ledger) -> None:
    with ledger.read() as cx:
        assert ledger.jobs.counts(cx) == []
        assert ledger.documents.counts(cx) == {"active": 0, "deleted": 0}
        assert ledger.outbox.pending_count(cx) == 0
