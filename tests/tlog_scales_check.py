#!/usr/bin/env python3
"""Checks a directory of ours with tlog-scales, a reader of C2SP tlog-tiles by somebody else.

    python3 tests/tlog_scales_check.py DIR VKEY OLD_SIZE OLD_ROOT

The checkpoint's signature, the root that the hash tiles lead to, each entry and its inclusion
proof, and the consistency proof from the log of OLD_SIZE leaves and root OLD_ROOT.
"""

import sys

from tlog_scales import backend, tiles
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey


def main(directory, vkey, old_size, old_root):
    reader = TilesReader(backend.make_backend(directory))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(Vkey.from_string(vkey))
    if Vkey.from_string(vkey).serialize() != vkey:
        sys.exit("it writes the vkey in another way")
    if reader.calculate_root_hash() != checkpoint.root_hash:
        sys.exit("the tiles lead to another root than the checkpoint's")
    for index in range(checkpoint.size):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(tiles.leaf_hash(reader.get_entry(index)), checkpoint.root_hash)
    proof = reader.get_consistency_proof(int(old_size), checkpoint.size)
    proof.check(bytes.fromhex(old_root), checkpoint.root_hash)
    print(f"{checkpoint.size} leaves hold")


if __name__ == "__main__":
    main(*sys.argv[1:])
