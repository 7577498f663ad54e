"""How good the answers are, on collections with human judgements."""
