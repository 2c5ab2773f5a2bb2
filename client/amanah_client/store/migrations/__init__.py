"""Migrations of the local store."""
