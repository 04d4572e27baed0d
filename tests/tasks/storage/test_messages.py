"""Messages that scripts send are Celery's own, one per segment."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from celery import Celery

from tasks.callers import ANYONE
from tasks.jobs import SEGMENT_PRIMES
from tasks.requests import PrimesRequest
from tasks.storage.messages import QUEUES, SEGMENT_TASK, queue_for
from tests.programs import ROOT

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys


async def test_message_contains_only_ids_and_trace_context(store: JobStore, keys: Keys) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = (await store.submit_job(PrimesRequest(10), ANYONE, trace)).job
    [message] = keys.messages()
    assert _arguments(message) == [[job.id, 0], {}]
    assert message["headers"]["task"] == SEGMENT_TASK
    assert message["headers"]["traceparent"] == trace
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "small"}
    assert "@" not in json.dumps(message)


async def test_each_segment_has_its_own_message(store: JobStore, keys: Keys) -> None:
    job = (await store.submit_job(PrimesRequest(3 * SEGMENT_PRIMES), ANYONE)).job
    messages = keys.messages("large")
    assert [_arguments(message)[0] for message in messages] == [[job.id, 0], [job.id, 1], [job.id, 2]]
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 3


async def test_message_is_what_celery_sends_for_the_task(store: JobStore, settings: JobSettings, keys: Keys) -> None:
    job = (await store.submit_job(PrimesRequest(10), ANYONE)).job
    app = Celery(broker=settings.store.celery_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": settings.key_prefix}
    with app.connection_for_write() as connection:
        app.send_task(
            SEGMENT_TASK,
            (job.id, 0),
            task_id=f"{job.id}:0",
            queue="small",
            ignore_result=True,
            headers={"traceparent": ""},
            connection=connection,
        )
    ours, celerys = keys.messages()
    assert ours["body"] == base64.b64decode(celerys["body"]).decode()
    # Celery describes the arguments for monitoring, and names the process that sent them.
    assert celerys["headers"] == ours["headers"] | {name: celerys["headers"][name] for name in ("argsrepr", "origin")}
    # Ours needs no encoding of the body, and no queue for replies.
    assert celerys["properties"] == ours["properties"] | {
        "body_encoding": "base64",
        "delivery_tag": celerys["properties"]["delivery_tag"],
        "reply_to": celerys["properties"]["reply_to"],
    }
    parts = ("body", "headers", "properties")
    assert {name: celerys[name] for name in celerys if name not in parts} == {
        name: ours[name] for name in ours if name not in parts
    }


def test_the_api_does_not_import_celery() -> None:
    program = "import gql.app, sys; print([name for name in ('celery', 'kombu', 'billiard') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_small_jobs_have_their_own_queue_with_the_highest_priority() -> None:
    assert (queue_for(1), queue_for(10_000), queue_for(10_001)) == ("small", "small", "large")
    assert QUEUES == ("small", "large")


def _arguments(message: dict[str, Any]) -> list[Any]:
    arguments: list[Any] = json.loads(message["body"])[:2]
    return arguments
