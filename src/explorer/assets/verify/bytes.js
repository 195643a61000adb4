/**
 * Bytes, their text forms, and what is thrown where something is not as it must be.
 * @module
 */

/** What was checked is not as it must be; the message says what and where. */
export class Wrong extends Error {}

/**
 * @param {unknown} condition
 * @param {string} problem what is wrong where it doesn't hold
 */
export function require(condition, problem) {
  if (!condition) throw new Wrong(problem);
}

/**
 * Runs `act`; what goes wrong in it is said to be wrong at `where`.
 * @template T
 * @param {string} where
 * @param {() => T} act
 * @returns {T}
 */
export function within(where, act) {
  try {
    return act();
  } catch (error) {
    throw error instanceof Wrong ? new Wrong(`${where}: ${error.message}`) : error;
  }
}

/** @param {...Uint8Array} parts */
export function joined(...parts) {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Whether two runs of bytes are the same. @param {Uint8Array} left @param {Uint8Array} right */
export function same(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Negative, 0 or positive: the order byte by byte. @param {Uint8Array} left @param {Uint8Array} right */
export function order(left, right) {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) {
    if (left[at] !== right[at]) return left[at] - right[at];
  }
  return left.length - right.length;
}

/** Lower-case hexadecimal digits. @param {Uint8Array} bytes */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {string} text lower-case hexadecimal digits @param {string} what */
export function fromHex(text, what = 'bytes') {
  const digits = typeof text === 'string' && /^([0-9a-f]{2})*$/.test(text);
  require(digits, `${what}: not hexadecimal`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Standard base64 with padding. @param {Uint8Array} bytes */
export function base64(bytes) {
  let text = '';
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return btoa(text);
}

/** @param {string} text standard base64, with padding and without stray bits @param {string} what */
export function fromBase64(text, what) {
  let bytes = null;
  // The browser's own reading lets blanks, missing padding and stray bits pass.
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0) {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  }
  require(bytes !== null && base64(bytes) === text, `${what}: not base64`);
  return bytes;
}

/** @param {string} text */
export function utf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {Uint8Array} bytes @param {string} what */
export function fromUtf8(bytes, what) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Wrong(`${what}: not UTF-8`);
  }
}
