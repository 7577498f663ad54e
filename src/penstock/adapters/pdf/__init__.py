"""PDFs: the embedded reader on the CPU (`reader.CPUReader`), as an adapter of `PDFReader` (`embedded`)."""
