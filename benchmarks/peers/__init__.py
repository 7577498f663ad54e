"""The same split-and-embed job over the same documents through Penstock and its peers, in one run."""
