"""The PDF worker: takes requests, has PDFs read in processes that may die of them, and opens gates."""
