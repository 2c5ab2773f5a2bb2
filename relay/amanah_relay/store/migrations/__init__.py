"""The schema's history, one file a step; `store.migrate` runs it. A released step never changes."""
