"""What Alembic runs to reach the database: the connection and transaction are the caller's."""

from alembic import context

# SQLite can undo a change of the schema; without this Alembic would not put the steps into the transaction.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
