"""Where Alembic finds the ledger: on the connection that `penstock.ledger.migrate` hands over."""

from alembic import context

from penstock.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
