"""Messaging Layer Security (RFC 9420): one group's keys, agreed by its members and by nobody else.

Pure: bytes come in and go out, randomness is an argument, and so is the time where a check needs it.
Files and names are the RFC's; `README.md` of the protocol says which section stands where.
"""
