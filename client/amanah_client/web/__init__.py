"""The frame of the web faces: a server on this machine's loopback, who is let in, pages, and files beside them.

Nothing is ever loaded from elsewhere, and everything but the way in works without a script.
"""
