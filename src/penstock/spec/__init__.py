"""Everything that a user may write in YAML, and what is told when it is not sound."""
