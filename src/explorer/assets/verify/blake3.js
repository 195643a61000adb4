/**
 * BLAKE3 with 32 bytes of output, in its three modes: hash, keyed hash, and key derivation.
 * After the paper (Aumasson, Neves, O’Connor, Wilcox-O’Hearn), section 2.
 * @module
 */

import { utf8 } from './bytes.js';

const IV = Uint32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);
const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;

// What is compressed, as flags.
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const KEYED_HASH = 16;
const DERIVE_KEY_CONTEXT = 32;
const DERIVE_KEY_MATERIAL = 64;

/** From one round’s message words to the next one’s. */
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;
/** The words that each of a round’s eight mixings works on. */
const MIXINGS = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

/** @param {number} word @param {number} bits */
function rotated(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}

/**
 * The compression function’s first eight words: a chaining value.
 * @param {Uint32Array} chaining
 * @param {Uint32Array} words sixteen of the message
 * @param {number} counter of chunks
 * @param {number} length of the block, in bytes
 * @param {number} flags
 */
function compress(chaining, words, counter, length, flags) {
  const state = new Uint32Array(16);
  state.set(chaining);
  state.set(IV.subarray(0, 4), 8);
  state.set([counter >>> 0, Math.floor(counter / 2 ** 32), length, flags], 12);
  let message = words;
  for (let round = 0; round < ROUNDS; round += 1) {
    MIXINGS.forEach(([a, b, c, d], mixing) => {
      state[a] += state[b] + message[2 * mixing];
      state[d] = rotated(state[d] ^ state[a], 16);
      state[c] += state[d];
      state[b] = rotated(state[b] ^ state[c], 12);
      state[a] += state[b] + message[2 * mixing + 1];
      state[d] = rotated(state[d] ^ state[a], 8);
      state[c] += state[d];
      state[b] = rotated(state[b] ^ state[c], 7);
    });
    const last = message;
    message = Uint32Array.from(PERMUTATION, (from) => last[from]);
  }
  return Uint32Array.from(IV, (_, at) => state[at] ^ state[at + 8]);
}

/** The sixteen words of a block, filled up with zeros. @param {Uint8Array} block */
function wordsOf(block) {
  const bytes = new Uint8Array(BLOCK_BYTES);
  bytes.set(block);
  const view = new DataView(bytes.buffer);
  return Uint32Array.from({ length: 16 }, (_, at) => view.getUint32(4 * at, true));
}

/**
 * The chaining value of a chunk.
 * @param {Uint32Array} key @param {Uint8Array} chunk @param {number} counter
 * @param {number} mode a flag of all blocks @param {number} last flags of the last one
 */
function chunkValue(key, chunk, counter, mode, last) {
  let value = key;
  const blocks = Math.max(1, Math.ceil(chunk.length / BLOCK_BYTES));
  for (let at = 0; at < blocks; at += 1) {
    const block = chunk.subarray(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES);
    const start = at === 0 ? CHUNK_START : 0;
    const end = at === blocks - 1 ? CHUNK_END | last : 0;
    value = compress(value, wordsOf(block), counter, block.length, mode | start | end);
  }
  return value;
}

/**
 * The value of the subtree over `input`, whose first chunk is number `counter`.
 * @param {Uint32Array} key @param {Uint8Array} input @param {number} counter
 * @param {number} mode @param {number} last
 */
function subtree(key, input, counter, mode, last) {
  if (input.length <= CHUNK_BYTES) return chunkValue(key, input, counter, mode, last);
  // The left part has as many chunks as a power of two can have and leave something.
  let chunks = 1;
  while (2 * chunks * CHUNK_BYTES < input.length) chunks *= 2;
  const words = new Uint32Array(16);
  words.set(subtree(key, input.subarray(0, chunks * CHUNK_BYTES), counter, mode, 0));
  words.set(subtree(key, input.subarray(chunks * CHUNK_BYTES), counter + chunks, mode, 0), 8);
  return compress(key, words, 0, BLOCK_BYTES, mode | PARENT | last);
}

/** @param {Uint32Array} words */
function bytesOf(words) {
  const view = new DataView(new ArrayBuffer(32));
  words.forEach((word, at) => view.setUint32(4 * at, word, true));
  return new Uint8Array(view.buffer);
}

/** @param {Uint8Array} input */
export function blake3(input) {
  return bytesOf(subtree(IV, input, 0, 0, ROOT));
}

/** @param {Uint8Array} key 32 bytes @param {Uint8Array} input */
export function keyedHash(key, input) {
  return bytesOf(subtree(wordsOf(key).subarray(0, 8), input, 0, KEYED_HASH, ROOT));
}

/** @param {string} context which purpose the digest has @param {Uint8Array} input */
export function deriveKey(context, input) {
  const key = subtree(IV, utf8(context), 0, DERIVE_KEY_CONTEXT, ROOT);
  return bytesOf(subtree(key, input, 0, DERIVE_KEY_MATERIAL, ROOT));
}
