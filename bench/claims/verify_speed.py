"""What levels 0 and 1 of a claim with a thousand segments take, in processor time.

    python bench/claims/verify_speed.py [--segments 1000] [--steps 50] [--to RESULT]

The claim is synthetic: one method and a baseline at three lengths, three seeds, `steps` steps a
segment, a heartbeat a step.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from result_files import RESULTS, Row, Target, write_result
from synthetic import Story

from farthing.bench.clock import Neighbours
from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.opening import open_claim

# The method and a baseline of a third, two thirds and the whole of its length, three seeds each.
_SEGMENTS_EACH = 9
_WANTED_SECONDS, _WANTED_SEGMENTS = 10.0, 1000


def main() -> None:
    """Measure, and write the seconds by level and the memory down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--segments", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--to", type=Path, default=RESULTS / "verify_speed.json")
    asked = parser.parse_args()
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory() as folder:
        each = -(-asked.segments // _SEGMENTS_EACH)
        path = Story(Path(folder), segments=each, segment_steps=asked.steps).write()
        begun = time.process_time()
        with open_claim(path) as opened:
            opening = time.process_time() - begun
            checked = check_claim(opened)
            size = path.stat().st_size / 1e6
        segments = opened.claim.checkpoints.segments
    if not checked.ok:
        raise SystemExit("a claim that is in order does not verify")
    seconds = opening + sum(checked.seconds.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        Row("segments", segments, "segments"),
        Row("steps of a segment", asked.steps, "steps"),
        Row("size of the claim", round(size, 2), "MB"),
        Row("opening: form, signature, digests of all files", round(opening, 2), "CPU-s"),
        *(
            Row(f"level {level}", round(spent, 2), "CPU-s")
            for level, spent in sorted(checked.seconds.items())
        ),
        Row("all of it", round(seconds, 2), "CPU-s"),
        Row("peak memory, the making of the claim included", round(peak), "MiB"),
    ]
    target = Target(
        "levels 0 and 1 of a claim of 1,000 segments take less than 10 s",
        f"{seconds:.1f} CPU-s for {segments:,} segments",
        seconds < _WANTED_SECONDS and segments >= _WANTED_SEGMENTS,
    )
    write_result(asked.to, "Levels 0 and 1 of a large claim", rows, target, neighbours)


if __name__ == "__main__":
    main()
