/**
 * Leaves, headers, and the digests of both: sections 3, 4 and 6 of FORMAT.md.
 * @module
 */

import { deriveKey } from './blake3.js';
import { require } from './bytes.js';
import { ENTRY } from './entry.js';
import { DIGEST, KEY, TIME, U16, U32, U64, decode, struct } from './types.js';

/** The longest leaf, in bytes. */
export const MAX_LEAF_BYTES = 65535;

/** A header, without the leaf's number. */
export const HEADER = struct({
  format_version: U16, rules_version: U16, chain_id: DIGEST, height: U64, parent: DIGEST,
  time: TIME, first_index: U64, entry_count: U32, log_root: DIGEST, accounts_root: DIGEST,
  authority: KEY,
});

/**
 * What a leaf holds: `header` or `entry` is there.
 * @param {Uint8Array} leaf
 * @returns {{header?: any, entry?: any}}
 */
export function decodeLeaf(leaf) {
  require(leaf.length >= 1 && leaf.length <= MAX_LEAF_BYTES, `a leaf of ${leaf.length} bytes`);
  require(leaf[0] <= 1, `no leaf has the number ${leaf[0]}`);
  const bytes = leaf.subarray(1);
  return leaf[0] === 0 ? { header: decode(HEADER, bytes) } : { entry: decode(ENTRY, bytes) };
}

/** @param {string} purpose @param {Uint8Array} bytes */
function digest(purpose, bytes) {
  return deriveKey(`counterfoil 2026-11-21 ${purpose} v1`, bytes);
}

/** @param {Uint8Array} parameters */
export function chainId(parameters) {
  return digest('chain id', parameters);
}

/** @param {Uint8Array} leaf an entry's */
export function entryId(leaf) {
  return digest('entry id', leaf.subarray(1));
}

/** @param {Uint8Array} leaf a header's */
export function headerHash(leaf) {
  return digest('header hash', leaf.subarray(1));
}

export function emptyAccountsRoot() {
  return digest('empty accounts tree', new Uint8Array());
}

/** Where a header stands in the log. @param {any} header */
export function headerIndex(header) {
  return header.first_index + BigInt(header.entry_count);
}
