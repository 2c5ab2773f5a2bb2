"""The officers' terminal: rooms, conversation, board and composer in a text terminal, over the SDK and the view model.

Reading order: `lines` (what reaches the screen, and what never does), `drawing` and `panels` (from `amanah_client.view`
to lines), `watch` (all rooms, kept up to date; each is an `amanah_client.feed`), `completing` and `doing` (what is
typed), then what Textual runs: `sheet`, `composer`, `dialogs`, `app`.
"""
