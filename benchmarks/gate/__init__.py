"""What waiting at a gate costs, and how long a document takes from its flag to the stage behind."""
