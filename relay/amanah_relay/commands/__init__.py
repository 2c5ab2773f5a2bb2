"""The verbs of `amanah-relay`, loaded when they are called."""
