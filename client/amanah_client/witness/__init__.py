"""A witness of logs (C2SP tlog-witness): it remembers what it cosigned, and cosigns nothing that does not continue it.

Reading order: `amanah_protocol.log.witnessing` (what is decided), `keys`, `state` (the contract: what is
durable when), `witness` (one request), `limits`, `app` and `server` (HTTP). It serves any log whose key
it was given, and knows nothing of rooms, devices or rosters.
"""
