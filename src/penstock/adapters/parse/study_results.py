"""The results of a ClinicalTrials.gov study: who took part, what was measured, what went wrong. A column for each arm.

Source: <https://clinicaltrials.gov/data-api/about-api/study-data-structure#resultsSection>.
"""

from collections.abc import Iterator

from penstock.adapters.parse.builder import DocumentBuilder
from penstock.adapters.parse.study_part import Part, lines, spoken


def add_results(builder: DocumentBuilder, results: Part) -> None:
    """Put the results into a builder, a section for each module, a table for each measure."""
    _flow(builder, results.part("participantFlowModule"))
    _baseline(builder, results.part("baselineCharacteristicsModule"))
    _outcomes(builder, results.part("outcomeMeasuresModule").parts("outcomeMeasures"))
    _events(builder, results.part("adverseEventsModule"))
    _more(builder, results.part("moreInfoModule"))


class _Groups:
    """The arms of a module, in order."""

    def __init__(self, parts: list[Part]) -> None:
        self.ids = [each.text("id") for each in parts]
        self.titles = [each.text("title") for each in parts]
        self.described = "\n".join(
            ": ".join(filter(None, (each.text("title"), each.text("description"))))
            for each in parts
            if each.text("description")
        )

    def row(self, values: list[Part], *keys: str) -> list[str]:
        """What of these values belongs to each arm: the first of `keys`, and the others behind it."""
        found = {each.text("groupId"): _shown(each, keys) for each in values}
        return [found.get(each, "") for each in self.ids]


def _flow(builder: DocumentBuilder, flow: Part) -> None:
    groups = _Groups(flow.parts("groups"))
    blocks = (flow.text("recruitmentDetails"), flow.text("preAssignmentDetails"), groups.described)
    periods = flow.parts("periods")
    if not (any(blocks) or periods):
        return
    builder.heading("Participant flow", kind="results")
    for block in blocks:
        builder.add(block)
    for period in periods:
        reached = [(each.text("type"), each.parts("achievements")) for each in period.parts("milestones")]
        left = [(each.text("type"), each.parts("reasons")) for each in period.parts("dropWithdraws")]
        rows = [[spoken(name), *groups.row(values, "numSubjects", "numUnits", "comment")] for name, values in reached]
        rows += [[f"Left: {name}", *groups.row(values, "numSubjects", "comment")] for name, values in left]
        builder.table([["", *groups.titles], *rows], caption=period.text("title"))


def _baseline(builder: DocumentBuilder, baseline: Part) -> None:
    groups = _Groups(baseline.parts("groups"))
    measures = baseline.parts("measures")
    if not (measures or groups.described or baseline.text("populationDescription")):
        return
    builder.heading("Baseline characteristics", kind="results")
    builder.add(baseline.text("populationDescription"))
    builder.add(groups.described)
    builder.table([["", *groups.titles], *_counted(groups, baseline)], caption="Number analysed")
    for measure in measures:
        _measure(builder, groups, measure, measure.text("title"))


def _outcomes(builder: DocumentBuilder, measures: list[Part]) -> None:
    for measure in measures:
        kind = f"{spoken(measure.text('type'))} outcome".strip().capitalize()
        builder.heading(": ".join(filter(None, (kind, measure.text("title")))), kind="results")
        groups = _Groups(measure.parts("groups"))
        caption = "".join(
            (measure.text("title"), f" ({measure.text('timeFrame')})" if measure.text("timeFrame") else "")
        )
        _measure(builder, groups, measure, caption)
        builder.add(groups.described)
        for analysis in measure.parts("analyses"):
            builder.add(_analysis(analysis, groups))


def _measure(builder: DocumentBuilder, groups: _Groups, measure: Part, caption: str) -> None:
    """What was measured in words, then a table with a row for each class and category."""
    builder.add(measure.text("description"))
    builder.add(measure.text("populationDescription"))
    rows = [
        [_named(inner, category), *groups.row(category.parts("measurements"), *_VALUES)]
        for inner in measure.parts("classes")
        for category in inner.parts("categories")
    ]
    what = "; ".join(
        filter(
            None,
            (spoken(measure.text("paramType")), spoken(measure.text("dispersionType")), measure.text("unitOfMeasure")),
        )
    )
    head = [["", *groups.titles], *_counted(groups, measure)]
    if rows:
        builder.table([*head, *rows], caption=f"{caption} [{what}]" if what else caption)
    elif not builder.is_empty:
        builder.add(caption)


_VALUES = ("value", "spread", "lowerLimit", "upperLimit", "comment")


def _shown(part: Part, keys: tuple[str, ...]) -> str:
    """`49.6 (11.5)`, or `14 (12 to 18)`: a value with what it spreads by, or its limits."""
    first, *others = (part.shown(key) for key in keys)
    if keys == _VALUES:
        spread, lower, upper, comment = others
        within = " to ".join(filter(None, (lower, upper)))
        others = [spread or within, comment]
    behind = "; ".join(filter(None, others))
    return f"{first} ({behind})" if behind else first


def _named(inner: Part, category: Part) -> str:
    return ", ".join(filter(None, (inner.text("title"), category.text("title"))))


def _counted(groups: _Groups, part: Part) -> Iterator[list[str]]:
    for each in part.parts("denoms"):
        yield [f"Number ({each.text('units').lower()})", *groups.row(each.parts("counts"), "value")]


def _analysis(analysis: Part, groups: _Groups) -> str:
    titles = dict(zip(groups.ids, groups.titles, strict=True))
    compared = " against ".join(titles.get(each, each) for each in analysis.texts("groupIds"))
    limits = " to ".join(filter(None, (analysis.shown("ciLowerLimit"), analysis.shown("ciUpperLimit"))))
    interval = f"{analysis.shown('ciPctValue')} %, {limits}" if limits else ""
    estimate = " ".join(filter(None, (analysis.text("paramType"), analysis.shown("paramValue"))))
    spread = " ".join(filter(None, (spoken(analysis.text("dispersionType")), analysis.shown("dispersionValue"))))
    said = [
        analysis.text(key)
        for key in ("groupDescription", "estimateComment", "statisticalComment", "otherAnalysisDescription")
    ]
    told = lines(
        ("Compared", compared),
        ("Tested for", spoken(analysis.text("nonInferiorityType"))),
        ("Method", analysis.text("statisticalMethod")),
        ("p", analysis.shown("pValue")),
        ("Estimate", "; ".join(filter(None, (estimate, spread)))),
        ("Confidence interval", interval),
        ("On p", analysis.text("pValueComment")),
        ("On non-inferiority", analysis.text("nonInferiorityComment")),
    )
    return "\n".join(filter(None, (*said, told)))


def _events(builder: DocumentBuilder, events: Part) -> None:
    groups = _Groups(events.parts("eventGroups"))
    kinds = (("Serious adverse events", "seriousEvents"), ("Other adverse events", "otherEvents"))
    if not (events.text("description") or any(events.parts(key) for _, key in kinds) or groups.ids):
        return
    builder.heading("Adverse events", kind="results")
    builder.add(events.text("description"))
    builder.add(
        lines(
            ("Time frame", events.text("timeFrame")), ("Reported above", _percent(events.shown("frequencyThreshold")))
        )
    )
    builder.add(groups.described)
    totals = [
        [name, *(_of(each, f"{key}NumAffected", f"{key}NumAtRisk") for each in events.parts("eventGroups"))]
        for name, key in (("Deaths", "deaths"), ("Serious", "serious"), ("Other", "other"))
    ]
    builder.table([["Participants affected", *groups.titles], *totals], caption="Adverse events")
    for caption, key in kinds:
        rows = [_event(each, groups) for each in events.parts(key)]
        if rows:
            builder.table([["Event", "System", *groups.titles], *rows], caption=caption)


def _event(event: Part, groups: _Groups) -> list[str]:
    found = {each.text("groupId"): _of(each, "numAffected", "numAtRisk") for each in event.parts("stats")}
    name = "; ".join(filter(None, (event.text("term"), event.text("notes"))))
    return [name, event.text("organSystem"), *(found.get(each, "") for each in groups.ids)]


def _of(part: Part, some: str, all_of_them: str) -> str:
    return "/".join(filter(None, (part.shown(some), part.shown(all_of_them))))


def _percent(value: str) -> str:
    return f"{value} %" if value else ""


def _more(builder: DocumentBuilder, more: Part) -> None:
    agreement, contact = more.part("certainAgreement"), more.part("pointOfContact")
    blocks = (
        more.part("limitationsAndCaveats").text("description"),
        agreement.text("otherDetails"),
        lines(
            (
                "Contact",
                ", ".join(filter(None, (contact.text(key) for key in ("title", "organization", "email", "phone")))),
            )
        ),
    )
    if any(blocks):
        builder.heading("Limitations and contact", kind="results")
        for block in blocks:
            builder.add(block)
