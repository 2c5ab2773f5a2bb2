"""The relay's durable store: the transaction that makes "acknowledged means durable" true."""
