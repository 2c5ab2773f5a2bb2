"""Rooms are groups: the seam to the group engine, and the engines behind it."""
