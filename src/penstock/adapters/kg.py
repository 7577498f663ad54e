"""Writes facts to the graph."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.errors import PermanentError, StageError
from penstock.graph_digest import facts_digest
from penstock.machine import os_error
from penstock.ports import Resources
from penstock.records import Facts, GraphWriteReceipt, StageContext


class GraphWriterSettings(BaseModel):
    """Nothing can be set: the profile names the graph."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class GraphWriter:
    """Writes each document's facts to the graph as one build."""

    settings_type: ClassVar[type[BaseModel]] = GraphWriterSettings
    version: ClassVar[str] = "1"

    def __init__(self, settings: GraphWriterSettings, resources: Resources) -> None:
        self._resources = resources

    def execute(self, ctx: StageContext, facts: Facts) -> GraphWriteReceipt:
        """Write one build. Raises `PermanentError` for a context without a build, and what the graph raises."""
        [result] = self.execute_batch([(ctx, facts)])
        if isinstance(result, StageError):
            raise result
        return result

    def execute_batch(self, items: Sequence[tuple[StageContext, Facts]]) -> list[GraphWriteReceipt | StageError]:
        """Write many builds, with one call of the graph for each tenant; a receipt or an error for each, in order."""
        results: list[GraphWriteReceipt | StageError] = []
        tenants: dict[str, dict[str, tuple[str, Facts]]] = {}
        for ctx, facts in items:
            builds = tenants.setdefault(ctx.tenant_id, {})
            content = (ctx.doc_id, facts)
            if not ctx.build:
                results.append(PermanentError(f"graph of `{ctx.doc_id}`: the context names no build"))
            elif builds.setdefault(ctx.build, content) != content:
                message = f"graph of `{ctx.doc_id}`: build `{ctx.build}` stands for other facts in the same batch"
                results.append(PermanentError(message))
            else:
                results.append(_receipt(ctx.build, facts))
        failed = {tenant: error for tenant, builds in tenants.items() if (error := self._write(tenant, builds))}
        return [
            result if isinstance(result, StageError) else failed.get(ctx.tenant_id, result)
            for (ctx, _), result in zip(items, results, strict=True)
        ]

    def _write(self, tenant: str, builds: Mapping[str, tuple[str, Facts]]) -> StageError | None:
        try:
            self._resources.graph.write(tenant, builds)
        except StageError as exc:
            return exc
        except OSError as exc:
            return os_error(exc, f"graph of tenant `{tenant}`")
        return None


def _receipt(build: str, facts: Facts) -> GraphWriteReceipt:
    return GraphWriteReceipt(
        build=build, entities=len(facts.entities), relations=len(facts.claims), digest=facts_digest(facts)
    )
