"""The ledger's tables. Times are seconds since 1970 by the database's clock; ids are never empty and never too long.

A change here is a new revision in `migrations/versions`: a test compares the two, on SQLite and on PostgreSQL.
"""

from penstock.ledger.tables.documents import cursors as cursors
from penstock.ledger.tables.documents import documents as documents
from penstock.ledger.tables.documents import origins as origins
from penstock.ledger.tables.documents import releases as releases
from penstock.ledger.tables.documents import sweeps as sweeps
from penstock.ledger.tables.documents import topologies as topologies
from penstock.ledger.tables.documents import versions as versions
from penstock.ledger.tables.entities import entity_decisions as entity_decisions
from penstock.ledger.tables.jobs import batches as batches
from penstock.ledger.tables.jobs import dead_letters as dead_letters
from penstock.ledger.tables.jobs import jobs as jobs
from penstock.ledger.tables.jobs import stage_runs as stage_runs
from penstock.ledger.tables.jobs import workers as workers
from penstock.ledger.tables.metadata import metadata as metadata
from penstock.ledger.tables.outputs import artifacts as artifacts
from penstock.ledger.tables.outputs import builds as builds
from penstock.ledger.tables.outputs import outbox as outbox
from penstock.ledger.tables.outputs import outbox_pending as outbox_pending
from penstock.ledger.tables.pdfs import pdf_requests as pdf_requests
from penstock.ledger.tables.shared import breakers as breakers
from penstock.ledger.tables.shared import rate_budgets as rate_budgets
