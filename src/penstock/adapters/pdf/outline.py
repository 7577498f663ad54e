"""What a PDF says of itself before its pages are read: how many there are, how large each is, its title."""

from typing import NamedTuple

from penstock.adapters.pdf.reader import checked_count, info_title, one_at_a_time, opened


class Outline(NamedTuple):
    """Pages as they are seen, each (width, height) in points, and the title in the file's properties, or nothing."""

    sizes: tuple[tuple[float, float], ...]
    title: str


def outline(content: bytes, most_pages: int) -> Outline:
    """The outline of a PDF. Raises `RejectedError` where it does not open, has no pages, or more than `most_pages`."""
    with one_at_a_time(), opened(content) as document:
        count = checked_count(document, most_pages)
        return Outline(tuple(document.get_page_size(index) for index in range(count)), info_title(document))
