/**
 * As much of TOML 1.0 as a chain spec needs: strings, integers, lists, tables, lists of tables,
 * comments. Anything else is refused.
 * @module
 */

import { require } from './bytes.js';

const ESCAPES = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', '"': '"', '\\': '\\' };

/** @param {string} text @returns {any} */
export function parseToml(text) {
  return new TomlReader(text).document();
}

class TomlReader {
  /** @param {string} text */
  constructor(text) {
    this.text = text.replaceAll('\r\n', '\n');
    this.at = 0;
    /** The tables that have been opened by a header, which may stand there once. */
    this.opened = new Set();
  }

  fail(problem) {
    const line = this.text.slice(0, this.at).split('\n').length;
    require(false, `line ${line}: ${problem}`);
  }

  /** Takes what fits here, or nothing. @param {RegExp} pattern sticky */
  take(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) return null;
    this.at += match[0].length;
    return match;
  }

  expect(pattern, what) {
    return this.take(pattern) ?? this.fail(`${what} is expected`);
  }

  /** Blanks, and between lines comments and line ends too. */
  blanks(lines) {
    this.take(lines ? /(?:[ \t\n]|#[^\n\x00-\x08\x0b-\x1f\x7f]*)*/y : /[ \t]*/y);
  }

  document() {
    const root = {};
    let table = root;
    for (this.blanks(true); this.at < this.text.length; this.blanks(true)) {
      if (this.take(/\[\[/y)) {
        const way = this.key();
        this.expect(/[ \t]*\]\]/y, ']]');
        table = this.appended(root, way);
      } else if (this.take(/\[/y)) {
        const way = this.key();
        this.expect(/[ \t]*\]/y, ']');
        table = this.open(root, way);
      } else {
        this.pair(table);
      }
      this.blanks(false);
      this.expect(/#[^\n]*(?:\n|$)|\n|$/y, 'the end of the line');
    }
    return root;
  }

  /** A key, perhaps of several parts. */
  key() {
    const parts = [];
    do {
      this.blanks(false);
      const quoted = /["']/.test(this.text[this.at] ?? '');
      parts.push(quoted ? this.string() : this.expect(/[A-Za-z0-9_-]+/y, 'a key')[0]);
      this.blanks(false);
    } while (this.take(/\./y));
    return parts;
  }

  pair(table) {
    const way = this.key();
    this.expect(/=/y, '=');
    this.blanks(false);
    this.put(this.below(table, way.slice(0, -1)), way.at(-1), this.value());
  }

  put(table, name, value) {
    if (Object.hasOwn(table, name)) this.fail(`${name} stands there twice`);
    Object.defineProperty(table, name, { value, enumerable: true });
  }

  below(table, way) {
    return way.reduce((into, name) => {
      if (!Object.hasOwn(into, name)) this.put(into, name, {});
      const next = into[name];
      const inside = Array.isArray(next) ? next.at(-1) : next;
      if (typeof inside !== 'object') this.fail(`${name} is no table`);
      return inside;
    }, table);
  }

  open(root, way) {
    const name = JSON.stringify(way);
    if (this.opened.has(name)) this.fail(`the table ${way.join('.')} stands there twice`);
    this.opened.add(name);
    return this.below(root, way);
  }

  appended(root, way) {
    const into = this.below(root, way.slice(0, -1));
    if (!Object.hasOwn(into, way.at(-1))) this.put(into, way.at(-1), []);
    const list = into[way.at(-1)];
    if (!Array.isArray(list)) this.fail(`${way.at(-1)} is no list`);
    list.push({});
    return list.at(-1);
  }

  value() {
    if (/["']/.test(this.text[this.at] ?? '')) return this.string();
    if (this.take(/\[/y)) return this.list();
    if (this.take(/\{/y)) return this.inlineTable();
    const digits = this.expect(/[+-]?(?:0|[1-9](?:_?\d)*)(?![\w.:])/y, 'a string, a number, a list or a table');
    return Number(digits[0].replaceAll('_', ''));
  }

  list() {
    const items = [];
    for (this.blanks(true); !this.take(/\]/y); this.blanks(true)) {
      items.push(this.value());
      this.blanks(true);
      if (!this.take(/,/y)) {
        this.expect(/\]/y, ']');
        break;
      }
    }
    return items;
  }

  inlineTable() {
    const table = {};
    this.blanks(false);
    if (this.take(/\}/y)) return table;
    do this.pair(table); while (this.take(/[ \t]*,/y));
    this.expect(/[ \t]*\}/y, '}');
    return table;
  }

  string() {
    if (/^(?:"""|''')/.test(this.text.slice(this.at, this.at + 3))) this.fail('one line is expected');
    const literal = this.take(/'([^'\n\x00-\x08\x0b-\x1f\x7f]*)'/y);
    if (literal) return literal[1];
    const basic = this.expect(/"((?:[^"\\\n\x00-\x08\x0b-\x1f\x7f]|\\.)*)"/y, 'a string');
    return basic[1].replace(/\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)/g, (_, escape) => {
      if (escape.length === 1) return ESCAPES[escape] ?? this.fail(`no escape is \\${escape}`);
      const point = Number.parseInt(escape.slice(1), 16);
      const half = point >= 0xd800 && point <= 0xdfff;
      return point > 0x10ffff || half ? this.fail('no such character') : String.fromCodePoint(point);
    });
  }
}
