"""Runs migrations on the connection that `migrate.upgrade` holds."""

from alembic import context

from amanah_client.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
