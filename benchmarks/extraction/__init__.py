"""How well dictionaries find chemicals and diseases, and how fast."""
