"""The report of a room for people: what its signed entries say, each line with the entry that says it."""
