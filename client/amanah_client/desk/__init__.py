"""The officers' desk: rooms, conversation and board as a page in the officer's own browser, on this machine alone.

Reading order: `wire` (what page and server say to each other), `feed` (a room while it is looked at), `desk` (all of
them, as values of `amanah_client.view`), `doing` (what the page asks for), `live` (one page), `files` (what
is brought and taken, over `passes`, `download` and `transfers`), `app` and `serving`.
"""
