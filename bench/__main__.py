"""Command line of the benchmark: `python -m bench`, through `scripts/bench`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from bench import report
from bench.environment import Environment, prepare
from bench.runner import run
from bench.scenario import BOTH, Effort, Scenario
from bench.scenarios import SCENARIOS

# A process that is always running adds 1 to the load; two servers and a load generator share the rest.
_QUIET_LOAD: Final = 0.7


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 if every scenario has a result, 1 if one has none, 130 if interrupted."""
    options = _parse(argv)
    sides = BOTH if options.server == "both" else (options.server,)
    names = options.scenario or [scenario.name for scenario in SCENARIOS]
    effort = Effort(seconds=options.seconds, repeats=1 if options.quick else 5)
    load_before = os.getloadavg()[0]
    settings = {"rounds": options.rounds, **vars(effort), "load_before": load_before}
    environments = [prepare(side) for side in sides]
    selected = [item for item in SCENARIOS if item.name in names and set(item.sides) & set(sides)]
    try:
        results = asyncio.run(_run_all(selected, environments, options.rounds, effort))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; the servers are stopped, nothing was written", file=sys.stderr)
        return 130
    print(report.table(results))
    if load_before > _QUIET_LOAD:
        print(
            f"\nThe machine was busy (load {load_before:.1f} before the start): do not trust these figures."
        )
    print(f"\nwritten to {report.write(results, environments, settings)}")
    return 1 if report.problems(results) else 0


async def _run_all(
    scenarios: Sequence[Scenario], environments: Sequence[Environment], rounds: int, effort: Effort
) -> report.Results:
    # SIGTERM as Ctrl-C: the task is canceled, so that every block stops what it has started.
    main_task = asyncio.current_task()
    assert main_task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main_task.cancel)
    return [(scenario, await run(scenario, environments, rounds, effort)) for scenario in scenarios]


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", choices=names, help="run only this one; repeatable")
    parser.add_argument("--rounds", type=_count, help="samples a side (default 3)")
    parser.add_argument("--seconds", type=_count, help="duration of one run of wrk (default 3)")
    parser.add_argument("--server", choices=[*BOTH, "both"], default="both", help="which side to measure")
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second, to see whether it works"
    )
    options = parser.parse_args(argv)
    default = 1 if options.quick else 3
    options.rounds = options.rounds or default
    options.seconds = options.seconds or default
    return options


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())
