"""How long the search for near duplicates takes on 100,000 images, and how much memory: under 2 GB is asked for.

    python scripts/bench_duplicates.py [--images 100000] [--planted 200]

The thumbnails are noise, so that hardly any pair is close by chance; planted ones are copies with a little noise, in
one of the eight orientations, and must all be proposed. Decoding files and aligning proposed pairs are not timed: the
first depends on the files, the second takes 3 ms of a core for each pair proposed.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from nmevision.data.duplicates import hashes, oriented, propose_pairs
from nmevision.data.thumbnails import SIDE


def main() -> None:
    """Draw the thumbnails, hash them, compare all pairs, print seconds and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--planted", type=int, default=200)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    n = given.images
    thumbnails = np.frombuffer(bytearray(rng.bytes(n * SIDE * SIDE)), np.uint8).reshape(n, SIDE, SIDE)
    originals, copies = rng.permutation(n)[: 2 * given.planted].reshape(2, -1)
    for i, (original, copy) in enumerate(zip(originals, copies, strict=True)):
        noise = rng.integers(-8, 9, (SIDE, SIDE))
        near = np.clip(thumbnails[original].astype(np.int64) + noise, 0, 255).astype(np.uint8)
        thumbnails[copy] = oriented(near, i % 8)
    clock, processor = time.perf_counter(), time.process_time()
    found = hashes(thumbnails)
    hashed = time.process_time() - processor
    pairs = propose_pairs(found)
    used, waited = time.process_time() - processor, time.perf_counter() - clock
    proposed = {tuple(sorted(pair)) for pair in pairs[["first", "second"]].to_numpy().tolist()}
    planted = {tuple(sorted(pair)) for pair in zip(originals.tolist(), copies.tolist(), strict=True)}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"{n:,} images, {n * (n - 1) // 2:,} pairs in 8 orientations: {used:.0f} s of the processor ({hashed:.0f} s for the "
        f"hashes), {waited:.0f} s by the clock; {len(planted & proposed)} of {len(planted)} planted pairs proposed, "
        f"{len(proposed - planted)} others; largest memory of this process {memory:.2f} GB"
    )


if __name__ == "__main__":
    main()
