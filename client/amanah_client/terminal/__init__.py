"""The officers' terminal: rooms, conversation, board and composer in a text terminal, over the SDK and the view model.

Reading order: `lines` (what reaches the screen, and what never does), `drawing` and `panels` (from `amanah_client.view`
to lines), `feed` and `watch` (a room and all of them, kept up to date), `completing` and `doing` (what is typed),
then what Textual runs: `sheet`, `composer`, `dialogs`, `app`.
"""
