"""What is swept: small documents, and the commands that take them in, change them and delete them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.unit.adapters.pdf.typeset import Sheet, pdf

_ASPIRIN = "\n\n".join(
    ["# Aspirin after a heart attack"]
    + [
        f"## Part {number}\n\nAspirin lowers the risk of a second heart attack in adults with hypertension."
        f" In part {number} we gave {number}00 mg a day to {number}40 people for two years, and metformin to nobody."
        for number in range(1, 9)
    ]
)
_PROSE = "Aspirin lowers the risk of a second heart attack in adults with hypertension, as was seen in two years."
FIRST = {
    "aspirin.md": _ASPIRIN,
    "metformin.md": "# Metformin and diabetes\n\nMetformin treats type 2 diabetes mellitus in adults.\n",
    "tea.md": "# Tea\n\nGreen tea is a drink. It is not known to treat diabetes mellitus.\n",
}
"""`aspirin.md` has several chunks, the others one."""

CHANGED = {
    "aspirin.md": "# Aspirin\n\nAspirin no longer lowers the risk of anything here.\n",
    "metformin.md": FIRST["metformin.md"] + "\nIt is also given for polycystic ovary syndrome.\n",
    "tea.md": FIRST["tea.md"],
    "cocoa.md": "# Cocoa\n\nCocoa may lower blood pressure in adults with hypertension.\n",
}
"""One document shrunk, one edited, one as it was, one new."""

PDFS = {
    "aspirin.pdf": pdf(
        Sheet().lines(72, 100, "Aspirin", size=18, bold=True).prose(72, 140, _PROSE, 70),
        Sheet().prose(72, 100, "In those who also took metformin nothing else was seen.", 70),
    ),
    "tea.pdf": pdf(Sheet().prose(72, 100, "Green tea is a drink. It is not known to treat diabetes mellitus.", 70)),
}
CHANGED_PDFS = {
    "aspirin.pdf": pdf(Sheet().prose(72, 100, "Aspirin no longer lowers the risk of anything here.", 70)),
    "tea.pdf": PDFS["tea.pdf"],
    "cocoa.pdf": pdf(Sheet().prose(72, 100, "Cocoa may lower blood pressure in adults with hypertension.", 70)),
}

_RUN = ("run", "auto", "--input", "documents", "--json")
_SUBMIT = ("submit", *_RUN[1:])
_DISPATCH = ("worker", "dispatch", "--drain")
_RELAY = ("worker", "relay", "--drain")
_PDF_RUN = ("run", "pdf-two-phase", *_RUN[2:])
_PDF = (_PDF_RUN, ("worker", "pdf", "--drain"), _PDF_RUN)
"""To the gate, what the gate waits for, and on from there."""

Documents = Mapping[str, str | bytes]
Commands = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Scenario:
    """Commands, one after another, over a folder of documents.

    They begin on an empty home, or on one in which `before` has been run over the documents `begins`.
    """

    name: str
    commands: Commands
    documents: Documents
    before: Commands = ()
    begins: Documents = field(default_factory=lambda: FIRST)
    broken_at: str = ""
    """The effect at which the last command of `before` is killed, as `run:relay.mark#1`."""

    @property
    def shown(self) -> str:
        return "`, `".join(f"penstock {' '.join(command)}" for command in self.commands)


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("first", (_RUN,), FIRST),
        Scenario("change", (_RUN,), CHANGED, before=(_RUN,)),
        Scenario("delete", (("delete", "file:tea.md", "--json"),), FIRST, before=(_RUN,)),
        Scenario("prune", ((*_RUN, "--prune"),), {}, before=(_RUN,)),
        Scenario("again", (_RUN,), FIRST, before=(_RUN,)),
        Scenario("relay", (_RELAY, _RUN), FIRST, before=(_RUN,), broken_at="run:relay.mark#1"),
        Scenario("pdf", _PDF, PDFS),
        Scenario("pdf-change", _PDF, CHANGED_PDFS, before=_PDF, begins=PDFS),
        Scenario("pdf-delete", (("delete", "file:tea.pdf", "--json"),), PDFS, before=_PDF, begins=PDFS),
        Scenario("pdf-again", _PDF, PDFS, before=_PDF, begins=PDFS),
        Scenario("dispatch", (_SUBMIT, _DISPATCH, _RUN), FIRST),
    )
}
