"""MinerU (<https://github.com/opendatalab/MinerU>) as a reader of PDFs: its HTTP servers, and its command line.

What it answers becomes a `Layout` of `penstock.adapters.pdf`: release 4 gives its Middle JSON (`middle`), release 3 its
content list (`content_list`). Nothing of an answer is trusted: its size, its shape and its numbers are checked.
"""
