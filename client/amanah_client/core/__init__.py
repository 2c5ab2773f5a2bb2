"""The pure client core: inputs in, one `Step` out. It knows no socket, file, clock or random source.

machine     the core itself: dispatch of inputs and frames
context     what it knows while it works, and the step that it is making
login       login states as a table
directory   devices and keys by the control stream; `control` verifies that stream
record      one room's entries: place, sender, counter, then the kind's own module
outbox      intents to signed envelopes; `answers` to what the relay says of them
duty        who is silent or expired is removed, and added again when it is back
anchor      the newest commit of each room, proven to be in the log
monitor     checkpoints, heads and views: is everybody shown one record
"""

from amanah_client.core.machine import ClientCore
from amanah_client.core.room import group_of

__all__ = ["ClientCore", "group_of"]
