"""Parts for Penstock: a chunker that cuts at blank lines, and a stage type that sums documents up."""
