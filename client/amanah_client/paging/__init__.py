"""Paging: what must not wait rings until a person of the own nation acknowledges it, and goes on to others meanwhile.

`duty`, `inputs`, `effects` and `machine` do no IO; `settings` reads the rota's file, `hooks` reach people, and `pager`
joins them to the SDK.
"""
