"""Policies made executable: attempts, waits and timeouts live here and nowhere else."""
