"""Who may look, what must stay, what went: grants, holds, erasures, and the policy of a room.

chain      where what concerns a room's record stands in the log
parties    what two parties of one organisation sign together
grants     an auditor may read what its own organisation is not in
holds      what a room's content is kept for
erasures   what was dropped, as the relay says; whose name is forgotten, as the organisation says
retention  a room's own policy: how long content stays
"""
