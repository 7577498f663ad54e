"""An adapter module that fails while it is imported."""

raise RuntimeError("planted-secret")
