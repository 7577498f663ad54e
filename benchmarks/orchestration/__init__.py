"""How much the engine itself costs: documents through stages that do nothing, and beside a bare loop over real ones."""
