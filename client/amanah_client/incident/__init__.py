"""What a room's entries come to: where the incident stands, who does what, what was decided."""
