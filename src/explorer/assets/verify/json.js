/**
 * JSON (RFC 8259), strictly: no member twice, and integers of any size as BigInts.
 * @module
 */

import { require } from './bytes.js';

/** How deep lists and objects may lie in each other. */
const MAX_DEPTH = 32;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** @param {string} text @returns {any} */
export function parseJson(text) {
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at += match[0].length;
    return match?.[0] ?? null;
  };
  const blanks = () => take(/[ \t\r\n]*/y);
  const string = () => {
    const found = take(STRING);
    require(found !== null, `not JSON: at character ${at}`);
    return JSON.parse(found);
  };

  /** Items until `end`, with commas between them. */
  const sequence = (end, item) => {
    blanks();
    if (take(end) !== null) return;
    do {
      blanks();
      item();
      blanks();
    } while (take(/,/y) !== null);
    require(take(end) !== null, `not JSON: at character ${at}`);
  };

  const value = (depth) => {
    require(depth <= MAX_DEPTH, 'not JSON: too deep');
    if (text[at] === '"') return string();
    if (take(/\{/y) !== null) {
      const members = new Map();
      sequence(/\}/y, () => {
        const name = string();
        require(!members.has(name), `${name} stands there twice`);
        blanks();
        require(take(/:/y) !== null, `not JSON: at character ${at}`);
        blanks();
        members.set(name, value(depth + 1));
      });
      return Object.fromEntries(members);
    }
    if (take(/\[/y) !== null) {
      const items = [];
      sequence(/\]/y, () => items.push(value(depth + 1)));
      return items;
    }
    const word = take(/true|false|null/y);
    if (word !== null) return JSON.parse(word);
    const number = take(NUMBER);
    require(number !== null, `not JSON: at character ${at}`);
    return /^-?\d+$/.test(number) ? BigInt(number) : Number(number);
  };

  blanks();
  const read = value(0);
  blanks();
  require(at === text.length, `not JSON: at character ${at}`);
  return read;
}
