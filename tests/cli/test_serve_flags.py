"""The flags of `cog serve` that configure the server, in a container; `integration/` has the local one."""

from coglet_cli.container.serve import serving
from coglet_cli.engine.container import ContainerPlan
from coglet_cli.local.model import LocalOptions
from coglet_cli.local.serve import ServeOptions

PLAN = ContainerPlan("image", environment={"MINE": "1", "COG_QUEUE_SIZE": "7"})


def test_the_queue_and_the_records_of_a_container() -> None:
    serve = ServeOptions(LocalOptions("cog.yaml"), "127.0.0.1", 8393, queue=0, records="sqlite:/data/a b.db")
    plan = serving(PLAN, serve)
    assert plan.environment == {"MINE": "1", "COG_QUEUE_SIZE": "0", "COG_RECORDS": "sqlite:/data/a b.db"}


def test_without_flags_the_server_decides() -> None:
    plan = serving(PLAN, ServeOptions(LocalOptions("cog.yaml"), "127.0.0.1", 8393))
    assert plan.environment == PLAN.environment
