/**
 * The log's tree: RFC 6962 with SHA-256, its proofs, and its nodes in tiles (FORMAT.md, sections 8
 * and 12). Indexes and sizes are BigInts.
 * @module
 */

import { Wrong, joined, require, same } from './bytes.js';
import { sha256 } from './sha256.js';

const MAX_PROOF_HASHES = 64;
/** How many levels of the tree a tile has, and how many hashes or leaves. */
const TILE_LEVELS = 8n;
const TILE = 256n;
const HASH_BYTES = 32;

/** @param {Uint8Array} leaf */
export function leafHash(leaf) {
  return sha256(joined(Uint8Array.of(0), leaf));
}

/** @param {Uint8Array} left @param {Uint8Array} right */
export function nodeHash(left, right) {
  return sha256(joined(Uint8Array.of(1), left, right));
}

export function emptyRoot() {
  return sha256(new Uint8Array());
}

/** The root over adjacent complete subtrees, the smallest first. @param {Uint8Array[]} peaks */
export function fold(peaks) {
  if (peaks.length === 0) return emptyRoot();
  return peaks.slice(1).reduce((root, left) => nodeHash(left, root), peaks[0]);
}

/**
 * Follows an inclusion proof (RFC 9162, section 2.1.3.2).
 * @param {Uint8Array} hash the leaf's
 * @param {bigint} index
 * @param {bigint} size
 * @param {Uint8Array[]} proof
 * @returns {{root: Uint8Array, steps: {sibling: Uint8Array, left: boolean, parent: Uint8Array}[]}}
 *   the root that it leads to, and the way: whether the sibling stands to the left
 */
export function follow(hash, index, size, proof) {
  const shape = 'the inclusion proof is not one for this index and size';
  require(index >= 0n && index < size && proof.length <= MAX_PROOF_HASHES, shape);
  let [node, last, root] = [index, size - 1n, hash];
  const steps = [];
  for (const sibling of proof) {
    require(last > 0n, shape);
    const left = (node & 1n) === 1n || node === last;
    if (left) {
      root = nodeHash(sibling, root);
      while ((node & 1n) === 0n && node > 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      root = nodeHash(root, sibling);
    }
    steps.push({ sibling, left, parent: root });
    [node, last] = [node >> 1n, last >> 1n];
  }
  require(last === 0n, shape);
  return { root, steps };
}

/**
 * The roots of both trees that a consistency proof leads to (RFC 9162, section 2.1.4.2), where
 * `oldRoot` is that of the smaller one as it is known; null where the proof has no such shape.
 * @param {bigint} oldSize @param {Uint8Array} oldRoot @param {bigint} size
 * @param {Uint8Array[]} proof
 */
export function rootsOfConsistency(oldSize, oldRoot, size, proof) {
  if (oldSize < 1n || oldSize > size || proof.length > MAX_PROOF_HASHES) return null;
  if (oldSize === size) return proof.length === 0 ? { old: oldRoot, new: oldRoot } : null;
  const hashes = [...proof];
  // Where the old tree is one complete subtree, its root starts the way and isn't sent.
  if ((oldSize & (oldSize - 1n)) === 0n) hashes.unshift(oldRoot);
  if (hashes.length === 0) return null;
  let [node, last] = [oldSize - 1n, size - 1n];
  while ((node & 1n) === 1n) [node, last] = [node >> 1n, last >> 1n];
  let [before, after] = [hashes[0], hashes[0]];
  for (const hash of hashes.slice(1)) {
    if (last === 0n) return null;
    if ((node & 1n) === 1n || node === last) {
      before = nodeHash(hash, before);
      after = nodeHash(hash, after);
      while ((node & 1n) === 0n && node > 0n) [node, last] = [node >> 1n, last >> 1n];
    } else {
      after = nodeHash(after, hash);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return last === 0n ? { old: before, new: after } : null;
}

/**
 * Whether the tree of `size` leaves begins with that of `oldSize` leaves, by `proof`.
 * @param {bigint} oldSize @param {Uint8Array} oldRoot @param {bigint} size @param {Uint8Array} root
 * @param {Uint8Array[]} proof
 */
export function isConsistent(oldSize, oldRoot, size, root, proof) {
  if (oldSize === 0n) {
    const empty = same(oldRoot, emptyRoot()) && (size > 0n || same(root, oldRoot));
    return size >= 0n && proof.length === 0 && empty;
  }
  const roots = rootsOfConsistency(oldSize, oldRoot, size, proof);
  return roots !== null && same(roots.old, oldRoot) && same(roots.new, root);
}

/** A tree as it grows: its size, and the roots of its complete subtrees, the largest first. */
export class Frontier {
  constructor() {
    this.size = 0n;
    /** @type {Uint8Array[]} */
    this.peaks = [];
  }

  /** @param {Uint8Array} hash a leaf's */
  push(hash) {
    let peak = hash;
    for (let size = this.size; (size & 1n) === 1n; size >>= 1n) peak = nodeHash(this.peaks.pop(), peak);
    this.peaks.push(peak);
    this.size += 1n;
  }

  root() {
    return fold(this.peaks.toReversed());
  }
}

/**
 * The path of a tile (C2SP tlog-tiles).
 * @param {string | bigint} level a number, or `entries`
 * @param {bigint} number
 * @param {bigint} width how many items it has; all where there are 256
 */
export function tilePath(level, number, width) {
  const groups = [String(number % 1000n).padStart(3, '0')];
  for (let rest = number / 1000n; rest > 0n; rest /= 1000n) {
    groups.unshift(`x${String(rest % 1000n).padStart(3, '0')}`);
  }
  return `tile/${level}/${groups.join('/')}${width < TILE ? `.p/${width}` : ''}`;
}

/** The largest power of two below `count`, which is at least two. @param {bigint} count */
function split(count) {
  let half = 1n;
  while (2n * half < count) half *= 2n;
  return half;
}

/** The tiles of a log, as somebody serves them; each is read once. */
export class Tiles {
  /**
   * @param {(path: string) => Promise<Uint8Array | null>} read null where there is nothing
   * @param {bigint} size of the log
   */
  constructor(read, size) {
    this.read = read;
    this.size = size;
    /** @type {Map<string, Promise<Uint8Array>>} */
    this.tiles = new Map();
  }

  /** @param {string | bigint} level @param {bigint} number @param {bigint} count items at this size */
  tile(level, number, count) {
    const width = count - number * TILE < TILE ? count - number * TILE : TILE;
    const path = tilePath(level, number, width);
    if (!this.tiles.has(path)) this.tiles.set(path, this.fetched(level, number, width));
    return this.tiles.get(path);
  }

  /** @param {string | bigint} level @param {bigint} number @param {bigint} width */
  async fetched(level, number, width) {
    const path = tilePath(level, number, width);
    // A partial tile may be gone once the full one is there.
    const bytes = (await this.read(path)) ?? (await this.read(tilePath(level, number, TILE)));
    require(bytes !== null, `${path}: not there`);
    return bytes;
  }

  /** The leaf at an index. @param {bigint} index */
  async leaf(index) {
    require(index >= 0n && index < this.size, `the log of ${this.size} leaves has no leaf ${index}`);
    const bundle = await this.tile('entries', index / TILE, this.size);
    for (let [at, left] = [0, index % TILE]; at + 2 <= bundle.length; left -= 1n) {
      const end = at + 2 + ((bundle[at] << 8) | bundle[at + 1]);
      if (left === 0n && end > at + 2 && end <= bundle.length) return bundle.slice(at + 2, end);
      require(left > 0n, `leaf ${index}: cut short in its bundle`);
      at = end;
    }
    throw new Wrong(`leaf ${index}: its bundle ends before it`);
  }

  /** The root of the complete subtree over `[index << level, (index + 1) << level)`. */
  async node(level, index) {
    const [tileLevel, inside] = [level / TILE_LEVELS, level % TILE_LEVELS];
    const [first, count] = [index << inside, 1n << inside];
    const tile = await this.tile(tileLevel, first / TILE, this.size >> (TILE_LEVELS * tileLevel));
    const start = Number(first % TILE) * HASH_BYTES;
    const bytes = tile.subarray(start, start + Number(count) * HASH_BYTES);
    require(bytes.length === Number(count) * HASH_BYTES, `tile ${tileLevel}/${first / TILE}: too short`);
    let hashes = Array.from({ length: Number(count) }, (_, at) =>
      bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES));
    while (hashes.length > 1) {
      hashes = hashes.filter((_, at) => at % 2 === 0).map((left, at) => nodeHash(left, hashes[2 * at + 1]));
    }
    return hashes[0];
  }

  /** The root over a range that begins where a subtree of that size does. */
  async rangeRoot(start, end) {
    const peaks = [];
    for (let at = start; at < end;) {
      let level = 0n;
      while (2n << level <= end - at) level += 1n;
      peaks.unshift(await this.node(level, at >> level));
      at += 1n << level;
    }
    return fold(peaks);
  }

  /** The root of the tree when it had so many leaves. @param {bigint} size */
  rootAt(size) {
    return this.rangeRoot(0n, size);
  }

  /** The inclusion proof of a leaf, in the tree of `size` leaves. */
  async inclusion(index, size = this.size) {
    let [start, end] = [0n, size];
    const proof = [];
    while (end - start > 1n) {
      const middle = start + split(end - start);
      if (index < middle) {
        proof.unshift(await this.rangeRoot(middle, end));
        end = middle;
      } else {
        proof.unshift(await this.rangeRoot(start, middle));
        start = middle;
      }
    }
    return proof;
  }

  /** The proof that the tree begins with the one of `oldSize` leaves. @param {bigint} oldSize */
  async consistency(oldSize) {
    let [start, end] = [0n, this.size];
    const proof = [];
    while (oldSize > 0n && end !== oldSize) {
      const middle = start + split(end - start);
      if (oldSize <= middle) {
        proof.unshift(await this.rangeRoot(middle, end));
        end = middle;
      } else {
        proof.unshift(await this.rangeRoot(start, middle));
        start = middle;
      }
    }
    if (oldSize > 0n && start > 0n) proof.unshift(await this.rangeRoot(start, end));
    return proof;
  }
}
