"""Records that an operator accepts what a pipeline waits for; where no decision is named, shows what it waits for."""

import sys

from app.failures import Failures, operator
from app.job import job
from app.model import Pipeline
from app.postgres import Role
from app.settings import settings

# What no job can go on over. Offsets of a pipeline are positions in its log, and here that log is another one.
REFUSED = {
    "topic": "the offsets of the pipeline mean other messages in a topic that was made anew",
    "log": "the offsets of the pipeline lie above the end of a log that has lost messages",
}


@job("accept")
def main(pipelines: list[Pipeline], decision: str | None, by: str | None) -> None:
    (pipeline,) = pipelines
    name, failures = pipeline.name, Failures(settings(), Role.BATCH, "batch")
    waiting = failures.waiting(name)
    if decision is None:
        for found, reason in waiting.items():
            print(f"{name} waits for: {found}\n  {reason}\n  ./scripts/accept {name} {found}")
        if not waiting:
            print(f"{name} waits for nothing")
    elif decision in REFUSED:
        sys.exit(
            f"Error: {name}: this cannot be accepted: {REFUSED[decision]}. Restore Kafka's data, and the pipeline goes "
            "on by itself; or give the pipeline another name, under which it starts anew"
        )
    elif decision not in waiting:
        listed = ", ".join(waiting) or "nothing"
        sys.exit(f"Error: {name} does not wait for {decision}: it waits for {listed}; nothing was recorded")
    else:
        who = by or operator()
        failures.accept(name, decision, who, {"reason": waiting[decision]})
        print(f"{name}: {decision} accepted by {who}; the job goes on by itself")


if __name__ == "__main__":
    main()
