"""The officers' desk: rooms, conversation and board as a page in the officer's own browser, on this machine alone.

Reading order: `wire` (what page and server say to each other), `desk` (all rooms, as values of `amanah_client.view`;
one that is looked at is an `amanah_client.feed`), `doing` (what the page asks for), `frames` and `live` (one page),
`files` (what is brought and taken, over `passes`, `download` and `transfers`), `rooms`, `app` and `serving`.
"""
