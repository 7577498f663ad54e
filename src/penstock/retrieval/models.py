"""Which embedding models a tenant's visible vectors were made by, and the stage that embeds a query for each.

A query must be embedded as its chunks were, whatever the profile binds today: so the model is not asked of the profile
but of the builds that are visible. Each was written by a job; the job's pipeline version, which the ledger keeps, names
the embed stage with its settings, and the build's receipt names the model.
"""

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, and_, func, select

from penstock.execution.outputs import read_packs
from penstock.execution.workspace import Workspace
from penstock.ledger.artifacts import ArtifactRow
from penstock.ledger.tables import artifacts, builds, documents, jobs, outbox
from penstock.plan.topology import PlannedStage, Topology
from penstock.records import IndexReceipt
from penstock.registry import stage_type


class QueryModel(NamedTuple):
    """A model that has visible vectors, and the stage whose adapter embeds queries for it."""

    name: str
    stage: PlannedStage


class QueryModels:
    """The models of each tenant; looked up again only when the ledger has changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[str, tuple[int | None, list[QueryModel]]] = {}

    def of(self, cx: Connection, tenant: str) -> list[QueryModel]:
        """The tenant's models by name; none where nothing is indexed."""
        change = cx.execute(select(func.max(outbox.c.sequence))).scalar()  # every switch and deletion owes a fact
        known = self._known.get(tenant)
        if known is None or known[0] != change:
            known = self._known[tenant] = (change, self._find(cx, tenant))
        return known[1]

    def _find(self, cx: Connection, tenant: str) -> list[QueryModel]:
        made = and_(
            jobs.c.tenant == documents.c.tenant,
            jobs.c.document == documents.c.document,
            jobs.c.index_build == documents.c.index_build,
        )
        query = select(jobs.c.topology, func.max(documents.c.index_build)).select_from(documents.join(jobs, made))
        found: dict[tuple[str, str], QueryModel] = {}
        for digest, build in cx.execute(query.where(documents.c.tenant == tenant).group_by(jobs.c.topology)).all():
            stage = _embed_stage(Topology.decode(self._workspace.ledger.topology(cx, digest) or ""))
            model = self._model_of(cx, build, stage) if stage else ""
            if stage and model:
                found[model, stage.signature] = QueryModel(model, stage)
        return [found[key] for key in sorted(found)]

    def _model_of(self, cx: Connection, build: str, stage: PlannedStage) -> str:
        """The model that the build's receipt names, or where that is lost, what the adapter calls its own."""
        of_build = artifacts.join(builds, builds.c.work_key == artifacts.c.work_key)
        columns = [artifacts.c[name] for name in ArtifactRow.__struct_fields__]
        rows = cx.execute(select(*columns).select_from(of_build).where(builds.c.build == build)).all()
        stored, _ = read_packs(self._workspace.resources.packs, [ArtifactRow(**row._mapping) for row in rows])
        for content in stored.values():
            return msgspec.msgpack.decode(content, type=IndexReceipt).model
        return getattr(self._workspace.adapter(stage), "model", "")


def _embed_stage(topology: Topology) -> PlannedStage | None:
    """The stage that gave the index its vectors."""
    for writer in reversed(topology.stages):
        if writer.gate is None and stage_type(writer.type).store == "index":
            stage: PlannedStage | None = writer
            while stage is not None and stage.type != "EmbedStage":
                stage = topology.stage(stage.input) if stage.input else None
            return stage
    return None
