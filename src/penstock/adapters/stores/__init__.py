"""Stores that need no server: files and embedded engines under the state folder."""
