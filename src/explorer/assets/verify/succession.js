/**
 * Which chain spec is in force at which height: sections 5.17 and 13.18 of FORMAT.md.
 * @module
 */

import { joined, order, require, same, utf8, within } from './bytes.js';
import { verifySignature } from './checkpoint.js';
import { ENTRY } from './entry.js';
import { decodeLeaf, entryId } from './header.js';
import { VERSION, changedSpec } from './spec.js';

const MAX_CHANGES_BYTES = 1048576;
const SIGNED_CONTEXT = 'counterfoil 2026-11-21 spec change v1\n';
/** What a change puts in the place of what the spec had. */
const REPLACED = ['authorities', 'governance', 'witnesses', 'limits', 'rules_version'];

/** A rule of section 13.18. */
function demand(condition, rule) {
  require(condition, `breaks the rule ${rule}`);
}

/** The periods of a ledger’s spec, as its changes have made them. */
export class Succession {
  /** @param {import('./spec.js').Spec} spec */
  constructor(spec) {
    this.chainId = spec.chainId;
    /** The height at which each begins, ascending, and the spec from there on. */
    this.periods = [{ from: 0n, spec }];
    this.number = 0;
    this.last = null;
    this.bytes = 0;
  }

  /** The spec in force at a height. @param {bigint} height */
  at(height) {
    return this.periods.filter((period) => period.from <= height).at(-1).spec;
  }

  /**
   * Takes up a change where it stands: in the block at `height`, after the header `parent`.
   * @param {Uint8Array} leaf @param {bigint} height @param {Uint8Array} parent
   */
  async takeAt(leaf, height, parent) {
    const { from_height: from, after } = changeIn(leaf).body;
    demand(from >= height, 'change-reaches-back');
    demand(after !== null || from > height, 'wrong-history');
    demand(after === null || same(after, parent), 'wrong-history');
    await this.take(leaf);
  }

  /** Takes up the next change, wherever it stands. @param {Uint8Array} leaf */
  async take(leaf) {
    const entry = changeIn(leaf);
    const { body } = entry;
    demand(entry.tenant === '@ledger', 'reserved-tenant');
    demand(body.number === this.number + 1, 'wrong-number');
    demand(entry.external_id === String(body.number), 'misnamed-change');
    const follows = this.last === null ? body.previous === null
      : body.previous !== null && same(body.previous, this.last);
    demand(follows, 'wrong-previous');
    demand(this.bytes + leaf.length <= MAX_CHANGES_BYTES, 'too-many-changes');
    demand(body.from_height > 0n, 'change-reaches-back');
    const base = this.at(body.from_height);
    const spec = this.changed(base, body);
    await this.checkSignatures(base, entry);
    demand([null, VERSION].includes(body.rules_version), 'unknown-rules-version');
    const kept = this.periods.filter((period) => period.from < body.from_height);
    this.periods = [...kept, { from: body.from_height, spec }];
    this.number = body.number;
    this.last = entryId(leaf);
    this.bytes += leaf.length;
  }

  /** @param {import('./spec.js').Spec} base @param {any} body */
  changed(base, body) {
    const added = Object.keys(body.currencies);
    demand(!added.some((code) => Object.hasOwn(base.scales, code)), 'currency-taken');
    const values = { ...base.values, currencies: { ...base.scales, ...body.currencies } };
    for (const field of REPLACED) if (body[field] !== null) values[field] = body[field];
    demand(!alike(values, base.values), 'changes-nothing');
    // Whatever its rules are: those are looked at last.
    const spec = changedSpec({ ...values, rules_version: VERSION }, this.chainId);
    demand(spec !== undefined, 'bad-spec');
    return spec;
  }

  /** @param {import('./spec.js').Spec} base @param {any} entry */
  async checkSignatures(base, entry) {
    const { keys, quorum } = base.values.governance;
    const { signatures } = entry.body;
    demand(quorum > 0 && signatures.length >= quorum, 'below-quorum');
    const ascending = signatures.every((signed, at) => at === 0 || order(signatures[at - 1].key, signed.key) < 0);
    demand(ascending, 'signatures-unordered');
    const message = signedMessage(this.chainId, entry);
    for (const { key, signature } of signatures) {
      demand(keys.some((known) => same(known, key)), 'not-governing');
      await verifySignature(key, message, signature);
    }
  }
}

/** @param {Uint8Array} leaf */
function changeIn(leaf) {
  const { entry } = decodeLeaf(leaf);
  require(entry?.body.kind === 'spec_change', 'not a change of the spec');
  return entry;
}

/** Whether two values of a spec are the same. */
function alike(left, right) {
  const plain = (values) => JSON.stringify(values, (_, value) => {
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Uint8Array) return Array.from(value);
    const table = typeof value === 'object' && value !== null && !Array.isArray(value);
    return table ? Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)) : value;
  });
  return plain(left) === plain(right);
}

/** What governance keys sign: the chain, and the entry without any signature. */
export function signedMessage(chainId, entry) {
  const unsigned = { ...entry, body: { ...entry.body, signatures: [] } };
  return joined(utf8(SIGNED_CONTEXT), chainId, ENTRY.write(unsigned));
}

/**
 * The succession that changes lead to, each wherever it stands.
 * @param {import('./spec.js').Spec} spec @param {Uint8Array[]} leaves
 */
export async function succeeded(spec, leaves) {
  const succession = new Succession(spec);
  for (const [at, leaf] of leaves.entries()) {
    try {
      await succession.take(leaf);
    } catch (error) {
      within(`change ${at + 1} of the spec`, () => { throw error; });
    }
  }
  return succession;
}
