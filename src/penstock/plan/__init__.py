"""From a checked pipeline file to what can be run: stages in order, wired by type, with their settings resolved."""
