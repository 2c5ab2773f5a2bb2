"""Finding what people said: what of an entry is searched, how letters are compared, how a query is read."""
