"""PDFs: the port of back ends (`layout.PDFReader`), and the embedded reader on the CPU (`reader.CPUReader`)."""
