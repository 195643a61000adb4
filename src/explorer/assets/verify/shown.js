/**
 * What a page shows, read as a visitor reads it: amounts, times and names out of visible text.
 * @module
 */

import { Wrong, require } from './bytes.js';

/** Marks that turn the direction of writing and show nothing themselves. */
const DIRECTION_MARKS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The text without marks of direction, in ASCII digits, with single blanks. @param {string} text */
export function plain(text) {
  const digits = text.replace(/\p{Nd}/gu, (digit) => {
    // Every script's digits stand in a run from 0 to 9.
    let zero = digit.codePointAt(0);
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1)) && digit.codePointAt(0) - zero < 9) zero -= 1;
    return String(digit.codePointAt(0) - zero);
  });
  return digits.replace(DIRECTION_MARKS, '').replace(/\s+/gu, ' ').trim();
}

/** How a language separates a number's parts. @param {string} language */
function separators(language) {
  const parts = new Intl.NumberFormat(`${language}-u-nu-latn`, { useGrouping: true }).formatToParts(-1234567.5);
  const of = (type) => plain(parts.find((part) => part.type === type)?.value ?? '');
  return { point: of('decimal'), group: of('group') };
}

/**
 * A number as plain decimal text, sign first.
 * @param {string} text @param {string} language
 */
export function readNumber(text, language) {
  const { point, group } = separators(language);
  const bare = plain(text).replace(/^[−–-]\s*/u, '-').replaceAll(/[\s'’]/gu, '');
  const [whole, ...fraction] = bare.split(point);
  const digits = whole.split(group === '' ? ' ' : group);
  const grouped = digits.length === 1 || digits.slice(1).every((part) => part.length === 3);
  const number = [digits.join(''), ...fraction].join('.');
  require(grouped && fraction.length <= 1 && /^-?\d+(\.\d+)?$/.test(number), `“${plain(text)}” is no number`);
  return number;
}

/**
 * An amount with its currency.
 * @param {string} text @param {string} language
 */
export function readAmount(text, language) {
  const parts = plain(text).split(' ');
  const code = parts.findIndex((part) => /^[A-Z][A-Z0-9]{2,7}$/.test(part) || /^[A-Z0-9]{3,8}$/.test(part) && /[A-Z]/.test(part));
  require(code >= 0, `“${plain(text)}” is no amount`);
  const [currency] = parts.splice(code, 1);
  return { currency, number: readNumber(parts.join(' '), language) };
}

/** Whether two decimals are the same number. @param {string} left @param {string} right */
export function sameNumber(left, right) {
  const bare = (text) => text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  return bare(left) === bare(right);
}

/** The months' names of a language, short and long. @param {string} language */
function months(language) {
  return Array.from({ length: 12 }, (_, month) => ['short', 'long'].map((form) =>
    new Intl.DateTimeFormat(language, { month: form, timeZone: 'UTC' })
      .format(Date.UTC(2026, month, 15)).replace('.', '').toLowerCase()));
}

/** @param {string} word @param {string} language */
function monthOf(word, language) {
  if (/^\d+$/.test(word)) return Number(word);
  const name = word.replace('.', '').toLowerCase();
  const fits = months(language).flatMap((names, at) =>
    names.some((known) => known === name || known.startsWith(name) && name.length >= 3) ? [at + 1] : []);
  require(fits.length === 1, `“${word}” is no month`);
  return fits[0];
}

/**
 * A day, or a point in time, in UTC: how many milliseconds it is long, and where it begins.
 * @param {string} text @param {string} language
 */
export function readTime(text, language) {
  const shown = plain(text).replace(/[,،]/g, '');
  const match = /^(?:(\d{4})-(\d\d)-(\d\d)|(\d{1,2})\.? (\S+) (\d{4}))(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))? UTC)?$/u.exec(shown);
  if (match === null) throw new Wrong(`“${shown}” is no time`);
  const [, year, month, day, dayFirst, name, yearLast, hour, minute, second, fraction] = match;
  const start = Date.UTC(
    Number(year ?? yearLast), (month === undefined ? monthOf(name, language) : Number(month)) - 1,
    Number(day ?? dayFirst), Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0),
    Number((fraction ?? '').padEnd(3, '0')),
  );
  return { start, length: hour === undefined ? 86400000 : 1 };
}

/** What a visitor sees of an element, without what explains it. @param {Element} element */
export function visible(element) {
  const copy = element.cloneNode(true);
  for (const aside of copy.querySelectorAll('p, .ago, .unseen, svg, button')) aside.remove();
  return plain(copy.textContent ?? '');
}
