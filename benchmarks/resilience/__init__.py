"""What resilience costs where nothing is wrong, and how exactly processes share breakers and rates."""
