/**
 * Checkpoints: C2SP signed notes and their Ed25519 signatures (FORMAT.md, section 9).
 * @module
 */

import { Wrong, base64, fromBase64, fromHex, hex, joined, require, same, utf8 } from './bytes.js';
import { sha256 } from './sha256.js';

const MAX_NOTE_BYTES = 65536;
const MAX_SIGNATURES = 64;
/** The type of Ed25519 keys and signatures in a note. */
const ED25519 = 1;

/** Points of small order: as a key they let anything verify, as R they say nothing. */
const SMALL_ORDER = new Set([
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
]);

/** This browser can’t check signatures: it has no Ed25519, or the page came over plain HTTP. */
export class NoEd25519 extends Error {}

/** @param {Uint8Array} key */
export function isSmallOrder(key) {
  return SMALL_ORDER.has(hex(key));
}

/** The point’s y, without the sign of x, in the one form below the field’s order. */
function isCanonicalPoint(bytes) {
  const inside = bytes[31] & 0x7f;
  const largest = inside === 0x7f && bytes.subarray(1, 31).every((byte) => byte === 0xff);
  return !(largest && bytes[0] >= 0xed);
}

/**
 * Checks an Ed25519 signature, strictly: R and the key not of small order, S and R in their one form.
 * The browser refuses an S beyond the group’s order by itself.
 * @param {Uint8Array} key
 * @param {Uint8Array} message
 * @param {Uint8Array} signature
 */
export async function verifySignature(key, message, signature) {
  const wrong = 'the signature is wrong';
  require(signature.length === 64 && key.length === 32, wrong);
  const point = signature.subarray(0, 32);
  require(!isSmallOrder(key) && !isSmallOrder(point) && isCanonicalPoint(point), wrong);
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) throw new NoEd25519('the page was not loaded over a secure connection');
  let imported;
  try {
    imported = await subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
  } catch (error) {
    if (error.name === 'NotSupportedError') throw new NoEd25519('this browser has no Ed25519');
    throw new Wrong('the key is none');
  }
  require(await subtle.verify({ name: 'Ed25519' }, imported, signature, message), wrong);
}

/** The key that signs checkpoints, and its name. */
export class VerifierKey {
  /** @param {string} name @param {Uint8Array} key */
  constructor(name, key) {
    this.name = name;
    this.key = key;
    this.id = sha256(joined(utf8(name), Uint8Array.of(0x0a, ED25519), key)).slice(0, 4);
  }

  /** From one line, as C2SP writes it. @param {string} vkey */
  static parse(vkey) {
    const [name, id, ...rest] = vkey.trim().split('+');
    const typed = fromBase64(rest.join('+'), 'vkey');
    const ours = name !== '' && typed.length === 33 && typed[0] === ED25519;
    require(ours, 'vkey: not an Ed25519 key of C2SP');
    const parsed = new VerifierKey(name, typed.slice(1));
    require(hex(parsed.id) === id, 'vkey: its key id is another key’s');
    return parsed;
  }

  /** In one line. */
  toString() {
    return `${this.name}+${hex(this.id)}+${base64(joined(Uint8Array.of(ED25519), this.key))}`;
  }

  /**
   * The checkpoint in a signed note, once this key’s signature is found to hold.
   * @param {string} note
   */
  async open(note) {
    const { text, signatures } = parts(note);
    const ours = signatures.filter(({ name, id }) => name === this.name && same(id, this.id));
    require(ours.length > 0, `not signed by ${this.name} with the key ${hex(this.key)}`);
    const checkpoint = checkpointIn(text);
    require(checkpoint.origin === this.name, `of ${checkpoint.origin}, not of ${this.name}`);
    for (const { signature } of ours) await verifySignature(this.key, utf8(text), signature);
    return checkpoint;
  }
}

/**
 * The checkpoint in a note, whoever signed it: a claim.
 * @param {string} note
 */
export function claimIn(note) {
  return checkpointIn(parts(note).text);
}

/** The text of a note and its signatures. @param {string} note */
function parts(note) {
  require(utf8(note).length <= MAX_NOTE_BYTES, 'the note is too long');
  // Half a character can’t be written in UTF-8, and so can’t have been read from it.
  require(!/\p{Cs}/u.test(note), 'not UTF-8');
  require(!/[^\P{Cc}\n]/u.test(note), 'control characters');
  const divider = note.lastIndexOf('\n\n');
  require(divider >= 0 && note.endsWith('\n') && divider + 2 < note.length, 'not a signed note');
  const lines = note.slice(divider + 2, -1).split('\n');
  require(lines.length <= MAX_SIGNATURES, 'too many signatures');
  return { text: note.slice(0, divider + 1), signatures: lines.map(signatureIn) };
}

/** @param {string} line */
function signatureIn(line) {
  const match = /^— ([^\p{White_Space}+]+) (\S+)$/u.exec(line);
  require(match !== null, 'a bad signature line');
  const bytes = fromBase64(match[2], 'signature');
  require(bytes.length > 4, 'a bad signature line');
  return { name: match[1], id: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/** @param {string} text */
function checkpointIn(text) {
  const lines = text.slice(0, -1).split('\n');
  require(lines.length === 3 && lines.every((line) => line !== ''), 'not three lines');
  const [origin, digits, encoded] = lines;
  const number = /^(0|[1-9][0-9]{0,19})$/.test(digits) && BigInt(digits) < 1n << 64n;
  require(number, 'the size is no number');
  const root = fromBase64(encoded, 'root');
  require(root.length === 32, 'the root is no hash');
  return { origin, size: BigInt(digits), root };
}

/** A key from its hexadecimal digits. @param {string} origin @param {string} digits */
export function verifierKey(origin, digits) {
  const key = fromHex(digits, 'key');
  require(key.length === 32, 'a key has 64 hexadecimal digits');
  return new VerifierKey(origin, key);
}
