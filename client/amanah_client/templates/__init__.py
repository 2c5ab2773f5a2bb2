"""Templates: a room with everything in it, asked for at once."""
