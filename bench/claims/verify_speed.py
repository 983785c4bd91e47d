"""What levels 0 and 1 of a claim with a thousand segments take, in processor time.

    python bench/claims/verify_speed.py [--segments 1000] [--steps 50]

The claim is synthetic: one method and a baseline at three lengths, three seeds, `steps` steps a
segment, a heartbeat a step.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from synthetic import Story

from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.opening import open_claim

# The method and a baseline of a third, two thirds and the whole of its length, three seeds each.
_SEGMENTS_EACH = 9


def main() -> None:
    """Print the seconds by level, and the memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--segments", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        each = -(-arguments.segments // _SEGMENTS_EACH)
        path = Story(Path(folder), segments=each, segment_steps=arguments.steps).write()
        with open_claim(path) as opened:
            checked = check_claim(opened)
            size = path.stat().st_size / 1e6
        segments = opened.claim.checkpoints.segments
    print(f"{segments} segments of {arguments.steps} steps, {size:.1f} MB, ok: {checked.ok}")
    for level, seconds in sorted(checked.seconds.items()):
        print(f"level {level}: {seconds:.2f} CPU-seconds")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB (the making of the claim included)")


if __name__ == "__main__":
    main()
