"""The protocol of Amanah: signed envelopes, identities, rooms and the log. Pure: no IO, no clock, no randomness."""
