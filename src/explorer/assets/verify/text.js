/**
 * Text forms: times, amounts, and values as JSON would have them (FORMAT.md, section 14).
 * @module
 */

import { Wrong, hex, require } from './bytes.js';
import { LARGEST_AMOUNT, LAST_TIME_MS } from './types.js';

/** Decimals of an exchange rate. */
const RATE_DECIMALS = 9;

/** The time that an RFC 3339 text stands for, in milliseconds. @param {string} text */
export function parseTime(text) {
  const shape = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3})0{0,6})?(?:Z|([+-])(\d\d):(\d\d))$/;
  const match = shape.exec(text);
  require(match !== null, `${text} is not a time of RFC 3339 to the millisecond`);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  const [sign, hours, minutes] = [match[8], Number(match[9] ?? 0), Number(match[10] ?? 0)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && day > 0;
  const clock = hour < 24 && minute < 60 && second < 60 && hours < 24 && minutes < 60;
  require(real && clock, `${text} is not a time`);
  const offset = (hours * 60 + minutes) * 60000 * (sign === '-' ? 1 : -1);
  const inDay = ((hour * 60 + minute) * 60 + second) * 1000 + Number((match[7] ?? '').padEnd(3, '0'));
  const time = date.getTime() + inDay + offset;
  require(time >= 0 && time <= LAST_TIME_MS, `${text} is out of range`);
  return time;
}

/** @param {number} milliseconds */
export function writtenTime(milliseconds) {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}

/** @param {bigint} units @param {number} scale how many decimals */
export function decimal(units, scale) {
  const digits = String(units).padStart(scale + 1, '0');
  return scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** The units of a decimal string. @param {string} text @param {number} scale @param {bigint} largest */
export function parseDecimal(text, scale, largest = LARGEST_AMOUNT) {
  const match = /^(0|[1-9]\d*)(?:\.(\d+))?$/.exec(text);
  require(match !== null && text.length <= 21, 'not a decimal');
  const fraction = match[2] ?? '';
  require(fraction.length <= scale, 'too many decimals');
  const units = BigInt(match[1] + fraction.padEnd(scale, '0'));
  require(units <= largest, 'too large');
  return units;
}

/** @param {bigint} rate in billionths */
export function writtenRate(rate) {
  return decimal(rate, RATE_DECIMALS);
}

/**
 * A value as JSON has it. Where a scale isn’t known, an amount is so many units.
 * @param {any} type
 * @param {any} value
 * @param {Record<string, number>} scales of currencies
 * @param {string} [currency] of amounts
 * @returns {any}
 */
export function readable(type, value, scales, currency) {
  if (type.optional) {
    const stated = type.of.many && value !== null;
    return stated ? value.map((item) => readable(type.of.of, item, scales, currency))
      : value === null ? undefined : readable(type.of, value, scales, currency);
  }
  if (type.many) {
    return value.length === 0 ? undefined
      : value.map((item) => readable(type.of, item, scales, currency));
  }
  if (type.variants) {
    const fields = type.variants.find(([name]) => name === value[type.tag])[1];
    return { [type.tag]: value[type.tag], ...readable(fields, value, scales, currency) };
  }
  if (type.fields) {
    const own = value.currency ?? currency;
    const said = Object.entries(type.fields).map(([name, of]) => [name, readable(of, value[name], scales, own)]);
    return Object.fromEntries(said.filter(([, text]) => text !== undefined));
  }
  switch (type.say) {
    case 'amount': return readableAmount(value, scales[currency]);
    case 'rate': return writtenRate(value);
    case 'time': return writtenTime(value);
    case 'bytes': return hex(value);
    case 'scales': return Object.keys(value).length === 0 ? undefined : value;
    case 'number': return typeof value === 'bigint' ? spoken(value) : value;
    case 'text': return value;
    default: throw new Wrong('a type that has no text');
  }
}

/** @param {bigint} units @param {number | undefined} scale */
export function readableAmount(units, scale) {
  return scale === undefined ? `${units} units` : decimal(units, scale);
}

/** @param {bigint} value */
function spoken(value) {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
