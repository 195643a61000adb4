/**
 * Receipts: one file that proves an entry (FORMAT.md, section 11).
 * @module
 */

import { fromBase64, fromUtf8, hex, require, same, within } from './bytes.js';
import { MAX_LEAF_BYTES, decodeLeaf, entryId, headerIndex } from './header.js';
import { parseJson } from './json.js';
import { fold, follow, leafHash } from './merkle.js';
import { VERSION } from './spec.js';
import { succeeded } from './succession.js';

export const MAX_RECEIPT_BYTES = 2097152;
const MEMBERS = ['format', 'chain_id', 'entry_id', 'spec_changes', 'entry', 'header', 'checkpoint'];

/** Whether bytes look like a receipt rather than anything else. @param {Uint8Array} bytes */
export function looksLikeReceipt(bytes) {
  return bytes.find((byte) => byte > 0x20) === 0x7b;
}

function shaped(value, names, where) {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  const exact = plain && Object.keys(value).length === names.length;
  require(exact && names.every((name) => Object.hasOwn(value, name)), `${where}: other members`);
}

function strings(values, where) {
  const all = Array.isArray(values) && values.every((value) => typeof value === 'string');
  require(all, `${where}: a list of strings is needed`);
  return values;
}

function leafOf(text, where) {
  require(typeof text === 'string', `${where}: a string is needed`);
  const leaf = fromBase64(text, where);
  require(leaf.length <= MAX_LEAF_BYTES, `${where}: too long`);
  return leaf;
}

function proofOf(value, where) {
  shaped(value, ['index', 'leaf', 'proof'], where);
  const { index } = value;
  require(typeof index === 'bigint' && index >= 0n && index < 1n << 64n, `${where}.index: no number`);
  const proof = strings(value.proof, `${where}.proof`).map((item) => fromBase64(item, `${where}.proof`));
  require(proof.every((hash) => hash.length === 32), `${where}.proof: not hashes`);
  return { index, leaf: leafOf(value.leaf, `${where}.leaf`), proof };
}

/** Reads a receipt; what it says is not verified. @param {Uint8Array} bytes */
export function parseReceipt(bytes) {
  require(bytes.length <= MAX_RECEIPT_BYTES, 'the receipt is too long');
  const receipt = parseJson(fromUtf8(bytes, 'the receipt'));
  shaped(receipt, MEMBERS, 'the receipt');
  require(receipt.format === 'counterfoil-receipt-v1', 'a receipt of another format');
  for (const name of ['chain_id', 'entry_id']) {
    require(/^[0-9a-f]{64}$/.test(receipt[name]), `${name}: 64 hexadecimal digits are needed`);
  }
  require(typeof receipt.checkpoint === 'string', 'checkpoint: a string is needed');
  return {
    chainId: receipt.chain_id,
    entryId: receipt.entry_id,
    changes: strings(receipt.spec_changes, 'spec_changes').map((item) => leafOf(item, 'spec_changes')),
    entry: proofOf(receipt.entry, 'entry'),
    header: proofOf(receipt.header, 'header'),
    checkpoint: receipt.checkpoint,
  };
}

/** Follows a leaf’s proof to the checkpoint’s root. */
function proven(part, where, checkpoint) {
  return within(where, () => {
    const way = follow(leafHash(part.leaf), part.index, checkpoint.size, part.proof);
    require(same(way.root, checkpoint.root), 'the proof doesn’t lead to the checkpoint’s root');
    return way;
  });
}

/**
 * Checks a receipt, step by step.
 * @param {ReturnType<typeof parseReceipt>} receipt
 * @param {{spec?: import('./spec.js').Spec, key?: import('./checkpoint.js').VerifierKey}} trusted
 *   the chain spec, or the authority’s key alone
 * @param {(name: string, act: () => any) => Promise<any>} step runs each step, and tells of it
 */
export async function checkReceipt(receipt, trusted, step) {
  const found = {};
  const header = await step('header-leaf', () => {
    const leaf = within('header', () => decodeLeaf(receipt.header.leaf)).header;
    require(leaf !== undefined, 'header: its leaf is an entry');
    return leaf;
  });
  found.header = header;
  if (trusted.spec) {
    found.spec = await step('spec', () => specInForce(receipt, trusted.spec, header));
  }
  const key = found.spec?.verifierKey ?? trusted.key;
  const checkpoint = await step('signature', () => key.open(receipt.checkpoint));
  found.checkpoint = checkpoint;
  found.headerWay = await step('header', () => checkSigned(receipt, header, checkpoint, key));
  found.entryWay = await step('inclusion', () => {
    const way = proven(receipt.entry, 'entry', checkpoint);
    const inside = receipt.entry.index >= header.first_index && receipt.entry.index < receipt.header.index;
    require(inside, 'the entry is not in the header’s block');
    return way;
  });
  found.entry = await step('entry', () => {
    const { entry } = within('entry', () => decodeLeaf(receipt.entry.leaf));
    require(entry !== undefined, 'entry: its leaf is a header');
    const id = hex(entryId(receipt.entry.leaf));
    require(id === receipt.entryId, `entry_id: the leaf’s is ${id}`);
    return entry;
  });
  return found;
}

/** The spec in force at the receipt’s block, by the changes that it carries. */
async function specInForce(receipt, spec, header) {
  require(receipt.chainId === hex(spec.chainId), `a receipt of chain ${receipt.chainId}, not of ${hex(spec.chainId)}`);
  const succession = await succeeded(spec, receipt.changes);
  const last = receipt.changes.at(-1);
  const needed = last === undefined || decodeLeaf(last).entry.body.from_height <= header.height;
  require(needed, 'spec_changes: they go beyond the block');
  return succession.at(header.height);
}

function checkSigned(receipt, header, checkpoint, key) {
  const way = proven(receipt.header, 'header', checkpoint);
  const { index } = receipt.header;
  require(header.format_version === VERSION, 'header: another format version');
  require(hex(header.chain_id) === receipt.chainId, 'header: it is another chain’s');
  require(same(header.authority, key.key), 'header: it names another authority');
  const last = index === headerIndex(header) && index === checkpoint.size - 1n;
  require(last, 'header: the checkpoint doesn’t end at it');
  require(same(header.log_root, fold(receipt.header.proof)), 'header: its log root is another');
  return way;
}
