/**
 * The chain spec: its TOML, its bounds, the chain id and the genesis header (FORMAT.md, section 7).
 * @module
 */

import { Wrong, fromHex, require, utf8, within } from './bytes.js';
import { VerifierKey, isSmallOrder } from './checkpoint.js';
import { GOVERNANCE, LIMITS, WITNESS } from './entry.js';
import { HEADER, chainId, emptyAccountsRoot } from './header.js';
import { emptyRoot } from './merkle.js';
import { parseTime } from './text.js';
import { parseToml } from './toml.js';
import { KEY, SCALES, TIME, U16, list, string, struct } from './types.js';

const MAX_SPEC_BYTES = 1048576;
const MAX_LIST_ITEMS = 256;
const MAX_NAME_BYTES = 128;
/** The version of the format, and of the rules, that this reads. */
export const VERSION = 1;

const ANY = string(/^/);
/** The genesis parameters, whose digest is the chain id. */
const GENESIS = struct({
  format_version: U16, name: ANY, origin: ANY, genesis_time: TIME, rules_version: U16,
  authorities: list(KEY), governance: GOVERNANCE, witnesses: list(WITNESS), currencies: SCALES,
  limits: LIMITS,
});

/** A chain spec whose bounds hold. */
export class Spec {
  /**
   * @param {any} values of the genesis parameters
   * @param {Uint8Array} [beganAs] the chain id, of a spec that changes have led to
   */
  constructor(values, beganAs) {
    within('chain spec', () => checkBounds(values));
    this.values = values;
    this.chainId = beganAs ?? chainId(GENESIS.write(values));
    this.origin = values.origin;
    this.scales = values.currencies;
    this.verifierKey = new VerifierKey(values.origin, values.authorities[0]);
  }

  /** From a chain spec file. @param {string} text */
  static parse(text) {
    require(utf8(text).length <= MAX_SPEC_BYTES, 'chain spec: too long');
    return Spec.from(within('chain spec', () => parseToml(text)));
  }

  /** From the members that the file has. @param {any} toml */
  static from(toml) {
    return new Spec(within('chain spec', () => valuesOf(toml)));
  }

  /** The bytes whose digest is the chain id. */
  parameters() {
    return GENESIS.write(this.values);
  }

  /** The leaf of the genesis header, which follows from the spec alone. */
  genesisLeaf() {
    const header = {
      format_version: VERSION, rules_version: this.values.rules_version, chain_id: this.chainId,
      height: 0n, parent: new Uint8Array(32), time: this.values.genesis_time, first_index: 0n,
      entry_count: 0, log_root: emptyRoot(), accounts_root: emptyAccountsRoot(),
      authority: this.verifierKey.key,
    };
    const bytes = HEADER.write(header);
    const leaf = new Uint8Array(bytes.length + 1);
    leaf.set(bytes, 1);
    return leaf;
  }
}

/** An object with these members and no others. */
function members(value, where, names, mayLack = []) {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  require(plain, `${where}: a table is needed`);
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  require(unknown === undefined, `${where}: unknown: ${unknown}`);
  const lacking = names.find((name) => !(name in value) && !mayLack.includes(name));
  require(lacking === undefined, `${where}: lacks ${lacking}`);
  return value;
}

function items(value, where) {
  require(Array.isArray(value), `${where}: a list is needed`);
  return value;
}

function text(value, where) {
  require(typeof value === 'string', `${where}: a string is needed`);
  return value;
}

function number(value, where) {
  require(Number.isSafeInteger(value) && value >= 0, `${where}: a number is needed`);
  return value;
}

function keyOf(value, where) {
  const key = fromHex(text(value, where), where);
  require(key.length === 32, `${where}: a key has 64 hexadecimal digits`);
  return key;
}

/** What a chain spec file says, as the values of the genesis parameters. */
function valuesOf(toml) {
  members(toml, 'the file', [
    'name', 'origin', 'genesis_time', 'rules_version', 'authorities', 'governance', 'witnesses',
    'currencies', 'limits',
  ], ['witnesses']);
  const governance = members(toml.governance, 'governance', ['keys', 'quorum']);
  const limits = members(toml.limits, 'limits', ['block_entries', 'block_bytes', 'event_ahead_ms']);
  const currencies = members(toml.currencies, 'currencies', Object.keys(toml.currencies ?? {}));
  const keys = (value, where) => items(value, where).map((item) => keyOf(item, where));
  return {
    format_version: VERSION,
    name: text(toml.name, 'name'),
    origin: text(toml.origin, 'origin'),
    genesis_time: parseTime(text(toml.genesis_time, 'genesis_time')),
    rules_version: number(toml.rules_version, 'rules_version'),
    authorities: keys(toml.authorities, 'authorities'),
    governance: {
      keys: keys(governance.keys, 'governance.keys'),
      quorum: number(governance.quorum, 'governance.quorum'),
    },
    witnesses: items(toml.witnesses ?? [], 'witnesses').map((item) => {
      const witness = members(item, 'witnesses', ['name', 'key']);
      return { name: text(witness.name, 'witnesses'), key: keyOf(witness.key, 'witnesses') };
    }),
    currencies: Object.fromEntries(
      Object.entries(currencies).map(([code, scale]) => [code, number(scale, `currencies.${code}`)]),
    ),
    limits: {
      block_entries: number(limits.block_entries, 'limits.block_entries'),
      block_bytes: number(limits.block_bytes, 'limits.block_bytes'),
      event_ahead_ms: BigInt(number(limits.event_ahead_ms, 'limits.event_ahead_ms')),
    },
  };
}

function distinct(values, where, least) {
  const many = values.length >= least && values.length <= MAX_LIST_ITEMS;
  require(many, `${where}: ${least} to ${MAX_LIST_ITEMS} are needed`);
  require(new Set(values.map(String)).size === values.length, `${where}: something stands there twice`);
}

function usable(keys, where, least) {
  distinct(keys, where, least);
  require(!keys.some(isSmallOrder), `${where}: a key of small order`);
}

function keyName(name, where) {
  const visible = /^[!-~]{1,128}$/.test(name) && !name.includes('+');
  require(visible && !name.includes('://') && !name.endsWith('/'), `${where}: not a name of C2SP`);
}

function between(value, where, least, most) {
  require(value >= least && value <= most, `${where}: from ${least} to ${most}`);
}

/** The bounds of section 7. */
function checkBounds(values) {
  const { name, authorities, governance, witnesses, currencies, limits } = values;
  const named = utf8(name).length <= MAX_NAME_BYTES && name.trim() !== '' && !/\p{Cc}/u.test(name);
  require(named, `name: 1 to ${MAX_NAME_BYTES} bytes, printable`);
  keyName(values.origin, 'origin');
  require(values.rules_version === VERSION, `rules_version: ${values.rules_version} is unknown`);
  usable(authorities, 'authorities', 1);
  usable(governance.keys, 'governance.keys', 0);
  const keys = governance.keys.length;
  between(governance.quorum, 'governance.quorum', Math.min(1, keys), keys);
  witnesses.forEach((witness) => keyName(witness.name, 'witnesses'));
  distinct(witnesses.map((witness) => witness.name), 'witnesses', 0);
  usable(witnesses.map((witness) => witness.key), 'witnesses', 0);
  const codes = Object.keys(currencies);
  distinct(codes, 'currencies', 1);
  require(codes.every((code) => /^[A-Z0-9]{3,8}$/.test(code)), 'currencies: not a code');
  codes.forEach((code) => between(currencies[code], `currencies.${code}`, 0, 9));
  between(limits.block_entries, 'limits.block_entries', 1, 10000);
  between(limits.block_bytes, 'limits.block_bytes', 65535, 4194304);
  between(limits.event_ahead_ms, 'limits.event_ahead_ms', 0n, 86400000n);
}

/** The spec that a change leads to, of the chain that it began as; undefined where its bounds don’t hold. */
export function changedSpec(values, beganAs) {
  try {
    return new Spec(values, beganAs);
  } catch (error) {
    if (error instanceof Wrong) return undefined;
    throw error;
  }
}
