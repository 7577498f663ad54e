"""PDFs set by hand, in Courier: every character is 0.6 of its size wide, so that lines end where a test wants it."""

import textwrap
from dataclasses import dataclass, field

SIZE = 10.0
WIDTH, HEIGHT = 612.0, 792.0


@dataclass
class Sheet:
    """A page that is being set. Points from the top left; `y` is where a line stands."""

    rotate: int = 0
    parts: list[str] = field(default_factory=list)

    def line(self, x: float, y: float, text: str, size: float = SIZE, *, bold: bool = False) -> "Sheet":
        """One line of text."""
        escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        font = "B" if bold else "R"
        self.parts.append(f"BT /{font} {size} Tf 1 0 0 1 {x} {HEIGHT - y} Tm ({escaped}) Tj ET")
        return self

    def lines(self, x: float, y: float, *texts: str, size: float = SIZE, bold: bool = False) -> "Sheet":
        """Lines under each other, 1.2 of their size apart."""
        for number, text in enumerate(texts):
            self.line(x, y + 1.2 * size * number, text, size, bold=bold)
        return self

    def prose(self, x: float, y: float, text: str, characters: int, size: float = SIZE) -> "Sheet":
        """A paragraph, its lines no longer than so many characters; hyphens in it may end a line."""
        return self.lines(x, y, *textwrap.wrap(text, characters), size=size)

    def rule(self, x0: float, y0: float, x1: float, y1: float) -> "Sheet":
        """A thin line."""
        self.parts.append(f"0.5 w {x0} {HEIGHT - y0} m {x1} {HEIGHT - y1} l S")
        return self

    def curve(self, x0: float, y0: float, x1: float, y1: float) -> "Sheet":
        """A drawing in a box."""
        a, b, c, d = x0, HEIGHT - y0, x1, HEIGHT - y1
        self.parts.append(f"{a} {b} m {c} {b} {c} {d} {a} {d} c h S {a} {d} m {c} {b} {a} {b} {c} {d} c S")
        return self

    def picture(self, x0: float, y0: float, x1: float, y1: float) -> "Sheet":
        """An image, all grey."""
        self.parts.append(f"q {x1 - x0} 0 0 {y1 - y0} {x0} {HEIGHT - y1} cm /I Do Q")
        return self


def pdf(*sheets: Sheet, title: str = "") -> bytes:
    """The sheets as a file."""
    faces = {"R": "Courier", "B": "Courier-Bold"}
    fonts = " ".join(f"/{name} << /Type /Font /Subtype /Type1 /BaseFont /{face} >>" for name, face in faces.items())
    image = (
        "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>"
    )
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(sheets)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(sheets)} /MediaBox [0 0 {WIDTH} {HEIGHT}]"
        f" /Resources << /Font << {fonts} >> /XObject << /I 3 0 R >> >> >>",
        f"{image}\nstream\n\x80\nendstream",
        f"<< /Title ({title}) >>",
    ]
    for number, sheet in enumerate(sheets):
        content = "\n".join(sheet.parts)
        objects.append(f"<< /Type /Page /Parent 2 0 R /Contents {6 + 2 * number} 0 R /Rotate {sheet.rotate} >>")
        objects.append(f"<< /Length {len(content.encode('latin-1'))} >>\nstream\n{content}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")
