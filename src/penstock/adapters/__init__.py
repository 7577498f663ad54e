"""Adapters, one module per real system or library. Nothing imports them: the registry loads them by name."""
