"""The query side: hybrid search, and the graph, over what is active and nothing else."""
