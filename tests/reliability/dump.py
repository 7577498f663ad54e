"""A ledger as a Penstock of an earlier revision has left it, full."""

from typing import Any

from sqlalchemy import Connection, MetaData

from penstock.ledger.status import FAILURES, JobStatus

JOBS = 1_200
AT = 1_700_000_000.0


def populate(cx: Connection) -> None:
    """A thousand documents as a ledger of this revision holds them: jobs in every state, and all that goes with them.

    By the tables that are there, not by those that Penstock knows now.
    """
    known = MetaData()
    known.reflect(cx)
    states = [*JobStatus, *FAILURES, "summary_failed"]
    numbers = range(JOBS)
    status = [states[number % len(states)] for number in numbers]
    failed = [each in (*FAILURES, "summary_failed") for each in status]
    rows: dict[str, list[dict[str, Any]]] = {
        "topologies": [
            {"digest": f"t{n}", "pipeline": "auto", "version": f"1.{n}", "content": "{}", "created_at": AT}
            for n in range(3)
        ],
        "workers": [
            {"worker": f"w{n}", "host": "elsewhere", "pid": n, "lease_expires_at": AT, "started_at": AT}
            for n in range(4)
        ],
        "batches": [
            {
                "batch": f"b{n}",
                "pipeline": "auto",
                "topology": f"t{n % 3}",
                "segment": 0,
                "generation": n,
                "status": ["planned", "started", "ended"][n % 3],
                "run_id": None if n % 3 == 0 else f"run{n}",
                "size": 10,
                "created_at": AT,
                "updated_at": AT,
            }
            for n in range(30)
        ],
        "documents": [
            {
                "tenant": f"tenant{n % 2}",
                "document": f"file:Dökument {n}.md",
                "source": "file",
                "generation": 1,
                "active_generation": int(status[n] == "completed"),
                "active_job": f"j{n}" if status[n] == "completed" else None,
                "active_hash": f"{n:064x}" if status[n] == "completed" else None,
                "index_build": f"i{n}" if status[n] == "completed" else None,
                "graph_build": f"g{n}" if status[n] == "completed" else None,
                "deleted_at": AT if status[n] == "superseded" else None,
                "created_at": AT,
                "updated_at": AT + n,
            }
            for n in numbers
        ],
        "versions": [
            {
                "tenant": f"tenant{n % 2}",
                "document": f"file:Dökument {n}.md",
                "content_hash": f"{n:064x}",
                "size": 2**40 + n,
                "created_at": AT,
            }
            for n in numbers
        ],
        "origins": [
            {"tenant": f"tenant{n % 2}", "origin": "/home/me/docs", "document": f"file:Dökument {n}.md"}
            for n in numbers
        ],
        "jobs": [
            {
                "job": f"j{n}",
                "tenant": f"tenant{n % 2}",
                "document": f"file:Dökument {n}.md",
                "source": "file",
                "pipeline": "auto",
                "version": "1.0",
                "topology": f"t{n % 3}",
                "work_digest": "w",
                "content_hash": f"{n:064x}",
                "size": 2**40 + n,
                "locator": f"/home/me/docs/{n}",
                "kind_hint": "",
                "metadata": '{"path": "x"}',
                "generation": 1,
                "status": str(status[n]),
                "current_stage": "parse",
                "segment": int(status[n] == "waiting"),
                "pdf_downloaded": n % 2 == 0,
                "pdf_ir_ready": False,
                "post_pdf_started": False,
                "retry_count_per_stage": '{"parse": 2}',
                "correlation_id": f"c{n}",
                "batch": f"b{n % 30}" if status[n] in ("queued", "running") else None,
                "lease_owner": f"w{n % 4}" if status[n] == "running" else None,
                "lease_token": n % 7,
                "index_build": f"i{n}" if status[n] == "completed" else None,
                "graph_build": f"g{n}" if status[n] == "completed" else None,
                "error_type": "RejectedError" if failed[n] else None,
                "error_message": "no text — nothing" if failed[n] else None,
                "error_stage": "parse" if failed[n] else None,
                "error_recovery": "rejected" if failed[n] else None,
                "created_at": AT + n,
                "updated_at": AT + n,
                "waiting_since": AT if status[n] == "waiting" else None,
                "finished_at": AT if failed[n] or status[n] == "completed" else None,
            }
            for n in numbers
        ],
        "stage_runs": [
            {
                "job": f"j{n}",
                "stage": stage,
                "status": "completed",
                "attempts": 1,
                "seconds": 0.25,
                "reused": n % 2 == 0,
                "work_key": f"k{n}{stage}",
                "run_id": "run1",
                "error": None,
                "finished_at": AT,
            }
            for n in numbers
            for stage in ("ingest", "parse")
        ],
        "artifacts": [
            {
                "work_key": f"k{n}parse",
                "pack": f"p{n // 50}",
                "start": n,
                "length": 10,
                "checksum": "c" * 32,
                "build": f"i{n}" if n % 2 else None,
                "created_at": AT,
            }
            for n in numbers
        ],
        "builds": [
            {
                "build": f"i{n}",
                "tenant": f"tenant{n % 2}",
                "document": f"file:Dökument {n}.md",
                "store": "index",
                "job": f"j{n}",
                "work_key": f"k{n}parse",
                "doomed": n % 5 == 0,
                "created_at": AT,
            }
            for n in numbers
        ],
        "sweeps": [{"tenant": "tenant0", "document": f"file:Dökument {n}.md", "created_at": AT} for n in range(9)],
        "dead_letters": [
            {
                "job": f"j{n}",
                "tenant": f"tenant{n % 2}",
                "document": f"file:Dökument {n}.md",
                "pipeline": "auto",
                "stage": "parse",
                "status": str(status[n]),
                "error_type": "RejectedError",
                "message": "no text — nothing",
                "recovery": "rejected",
                "chain": '["ValueError"]',
                "attempts": 3,
                "raw": f"{n:064x}",
                "created_at": AT,
                "resolved_at": AT if n % 2 else None,
                "resolution": "retried" if n % 2 else None,
            }
            for n in numbers
            if failed[n]
        ],
        "outbox": [{"facts": bytes([n % 256]) * 9, "count": 1, "created_at": AT} for n in range(300)],
    }
    if "outbox_pending" in known.tables:
        rows["outbox_pending"] = [{"sequence": n} for n in range(1, 301, 2)]
    else:
        rows["outbox"] = [{**row, "relayed_at": None if n % 2 else AT} for n, row in enumerate(rows["outbox"])]
    for name, values in rows.items():
        cx.execute(known.tables[name].insert(), values)
