"""The client: keys, rooms, the local store, and the faces that stand on them."""
