"""What a person types in a room becomes what is asked for, in the terminal, on the desk, on the command line."""
