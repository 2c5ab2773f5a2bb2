"""The websocket relay: it orders, stores and forwards what it cannot read."""
