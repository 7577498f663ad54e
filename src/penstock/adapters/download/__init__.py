"""Where the PDF of a document comes from, and how it gets into the object store."""
