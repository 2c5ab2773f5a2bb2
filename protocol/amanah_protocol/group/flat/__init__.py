"""The flat engine (suite 0xF0FF): a fresh epoch secret sealed to every member on each commit.

It has the seam, the bindings and the checks of the engine that will replace it, and less secrecy:

* a commit costs one sealing and 50 bytes a member, O(n) where MLS needs O(log n);
* a member's leaf key lives until that member itself commits, so that who steals it can open every
  epoch that was sealed to it and was recorded on the way; deleting message keys does not help then;
* a commit heals the committer (fresh leaf key) and shuts out whom it removes, nobody else;
* the key that opens a welcome stays on as leaf key.

Reading order: `keys`, `members`, `schedule`, `ratchet`, `keypackage`, `commit`, `welcome`, `message`,
`state`, `group`, `engine`.
"""
