/**
 * The types of a ledger and how each stands in bytes: sections 1 and 2 of FORMAT.md.
 *
 * Each type has `read`, from the front of bytes, and `write`. Numbers of up to 32 bits, and times,
 * are numbers; those of 64 bits, amounts and rates are BigInts.
 * @module
 */

import { Wrong, fromUtf8, joined, require, same, utf8 } from './bytes.js';

/**
 * @template T
 * @typedef {{read: (reader: Reader) => T, write: (value: T) => Uint8Array, say?: string, of?: any,
 *   fields?: Record<string, any>, tag?: string, variants?: [string, any][]}} Type
 */

/** Bytes that are read from the front. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** The next bytes, so many of them. @param {number} count */
  take(count) {
    require(count <= this.bytes.length - this.at, 'the bytes end too early');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** How many are left. */
  left() {
    return this.bytes.length - this.at;
  }
}

/** An integer of variable length: 0 to 250 in one byte, else a mark and 2, 4 or 8 bytes. */
const WIDTHS = [[0xfb, 2], [0xfc, 4], [0xfd, 8]];

/** @param {Reader} reader */
function readInteger(reader) {
  const first = reader.take(1)[0];
  if (first <= 250) return BigInt(first);
  const width = WIDTHS.find(([mark]) => mark === first)?.[1];
  require(width !== undefined, 'not an integer');
  const value = reader.take(width).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const least = width === 2 ? 251n : 1n << BigInt(4 * width);
  require(value >= least, 'an integer longer than it need be');
  return value;
}

/** @param {bigint} value */
function writeInteger(value) {
  if (value <= 250n) return Uint8Array.of(Number(value));
  const [mark, width] = WIDTHS.find((form) => value < 1n << BigInt(8 * form[1]));
  const places = Array.from({ length: width }, (_, place) => BigInt(8 * place));
  return Uint8Array.of(mark, ...places.map((shift) => Number((value >> shift) & 255n)));
}

/**
 * @param {bigint} largest
 * @param {string} say how it is said in text
 * @param {(value: bigint) => any} form what it is here
 */
function integer(largest, say, form) {
  return {
    say,
    read: (reader) => {
      const value = readInteger(reader);
      require(value <= largest, `${value} is more than ${largest}`);
      return form(value);
    },
    write: (value) => writeInteger(BigInt(value)),
  };
}

export const BYTE = {
  say: 'number',
  read: (reader) => reader.take(1)[0],
  write: (value) => Uint8Array.of(value),
};
export const U16 = integer((1n << 16n) - 1n, 'number', Number);
export const U32 = integer((1n << 32n) - 1n, 'number', Number);
export const U64 = integer((1n << 64n) - 1n, 'number', BigInt);
/** The last time that there is, in milliseconds: 9998-12-31T23:59:59.999Z. */
export const LAST_TIME_MS = 253370764799999;
export const TIME = integer(BigInt(LAST_TIME_MS), 'time', Number);
export const LARGEST_AMOUNT = (1n << 63n) - 1n;
export const AMOUNT = integer(LARGEST_AMOUNT, 'amount', BigInt);
export const RATE = integer((1n << 64n) - 1n, 'rate', BigInt);

/** So many bytes as they are. @param {number} count */
export function fixed(count) {
  return {
    say: 'bytes',
    read: (reader) => reader.take(count).slice(),
    write: (value) => {
      require(value.length === count, `${count} bytes are needed`);
      return value;
    },
  };
}
export const DIGEST = fixed(32);
export const KEY = fixed(32);
export const SIGNATURE = fixed(64);

/** @param {RegExp} pattern what all of it must fit */
export function string(pattern) {
  return {
    say: 'text',
    read: (reader) => {
      const length = readInteger(reader);
      require(length <= BigInt(reader.left()), 'the bytes end too early');
      const text = fromUtf8(reader.take(Number(length)), 'a string');
      require(pattern.test(text), `“${text}” is not of the form that it must have`);
      return text;
    },
    write: (value) => {
      require(pattern.test(value), `“${value}” is not of the form that it must have`);
      const bytes = utf8(value);
      return joined(writeInteger(BigInt(bytes.length)), bytes);
    },
  };
}
export const ID = string(/^[!-~]{1,128}$/);
export const CURRENCY = string(/^[A-Z0-9]{3,8}$/);

/** @param {any} of */
export function option(of) {
  return {
    of,
    optional: true,
    read: (reader) => {
      const mark = reader.take(1)[0];
      require(mark <= 1, `no option has the number ${mark}`);
      return mark === 1 ? of.read(reader) : null;
    },
    write: (value) => (value === null ? Uint8Array.of(0) : joined(Uint8Array.of(1), of.write(value))),
  };
}

/** @param {any} of */
export function list(of) {
  return {
    of,
    many: true,
    read: (reader) => {
      const count = readInteger(reader);
      // Every item has a byte at least, so a length that lies is found before anything is made.
      require(count <= BigInt(reader.left()), 'the bytes end too early');
      return Array.from({ length: Number(count) }, () => of.read(reader));
    },
    write: (values) => joined(writeInteger(BigInt(values.length)), ...values.map(of.write)),
  };
}

/** Fields in order. @param {Record<string, any>} fields */
export function struct(fields) {
  const order = Object.entries(fields);
  return {
    fields,
    read: (reader) => Object.fromEntries(order.map(([name, type]) => [name, type.read(reader)])),
    write: (value) => joined(...order.map(([name, type]) => type.write(value[name]))),
  };
}

/** An enum without fields: the names of its variants, numbered from 1. @param {...string} names */
export function choice(...names) {
  return {
    say: 'text',
    names,
    read: (reader) => {
      const number = reader.take(1)[0];
      require(number >= 1 && number <= names.length, `the number ${number} is unknown`);
      return names[number - 1];
    },
    write: (value) => Uint8Array.of(names.indexOf(value) + 1),
  };
}

/**
 * An enum with fields, its variants numbered from 1; the variant's name stands under `tag`.
 * @param {string} tag
 * @param {Record<string, any>} named the fields of each
 */
export function variant(tag, named) {
  const variants = Object.entries(named);
  return {
    tag,
    variants,
    read: (reader) => {
      const number = reader.take(1)[0];
      require(number >= 1 && number <= variants.length, `no ${tag} has the number ${number}`);
      const [name, fields] = variants[number - 1];
      return { [tag]: name, ...fields.read(reader) };
    },
    write: (value) => {
      const number = variants.findIndex(([name]) => name === value[tag]);
      return joined(Uint8Array.of(number + 1), variants[number][1].write(value));
    },
  };
}

/** Currencies, each with its scale, sorted and none twice; an object from code to scale. */
export const SCALES = {
  say: 'scales',
  read: (reader) => {
    const pairs = list(struct({ code: CURRENCY, scale: BYTE })).read(reader);
    const sorted = pairs.every((pair, at) => at === 0 || pairs[at - 1].code < pair.code);
    require(sorted, 'currencies that aren’t sorted');
    // A plain object would put codes that are numbers before all others; writing sorts.
    return Object.fromEntries(pairs.map(({ code, scale }) => [code, scale]));
  },
  write: (value) => {
    const codes = Object.keys(value).sort();
    const pairs = codes.map((code) => joined(CURRENCY.write(code), BYTE.write(value[code])));
    return joined(writeInteger(BigInt(codes.length)), ...pairs);
  },
};

/**
 * The value whose one encoding `bytes` is.
 * @param {any} type
 * @param {Uint8Array} bytes
 */
export function decode(type, bytes) {
  const reader = new Reader(bytes);
  const value = type.read(reader);
  if (reader.left() > 0) throw new Wrong(`${reader.left()} bytes left over after the value`);
  require(same(type.write(value), bytes), 'not the canonical encoding of its value');
  return value;
}
