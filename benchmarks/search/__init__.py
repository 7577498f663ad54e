"""How long `penstock search` takes over many chunks, in a warm process and as a command."""
