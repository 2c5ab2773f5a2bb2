"""Questions to an examined record, each answered from verified metadata alone, with the entries that prove each row."""
