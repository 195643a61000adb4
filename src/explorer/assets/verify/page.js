/**
 * Compares what a page shows with what a leaf says.
 *
 * Two ways meet. Where an element names its field (`data-field`), its visible text must be that
 * field's value. And whatever amount, time or hash stands in the parts of a page that speak of this
 * leaf alone (`data-own`) must be one that the leaf, or its block, has: so nothing can be added there.
 * An attribute only says where to look; it is always the visible text that is compared.
 * @module
 */

import { Wrong, hex, require } from './bytes.js';
import { plain, readAmount, readNumber, readTime, sameNumber, visible } from './shown.js';
import { decimal, readableAmount, writtenTime } from './text.js';
import { say } from './words.js';

/**
 * @typedef {{path: string, say: string, value: any, currency?: string}} Fact
 */

/**
 * Every value in something decoded, by its path.
 * @param {any} type @param {any} value @param {string} [path] @param {string} [currency]
 * @returns {Fact[]}
 */
export function factsOf(type, value, path = '', currency = undefined) {
  if (value === null) return [];
  const below = (name) => (path === '' ? name : `${path}.${name}`);
  if (type.optional) return factsOf(type.of, value, path, currency);
  if (type.many) return value.flatMap((item, at) => factsOf(type.of, item, below(String(at)), currency));
  if (type.variants) {
    const [name, fields] = type.variants.find(([known]) => known === value[type.tag]);
    return [{ path: below(type.tag), say: 'text', value: name }, ...factsOf(fields, value, path, currency)];
  }
  if (type.fields) {
    const own = value.currency ?? currency;
    return Object.entries(type.fields).flatMap(([name, of]) => factsOf(of, value[name], below(name), own));
  }
  return [{ path, say: type.say, value, currency }];
}

/** What an entry's sentence can't do without, by kind. */
const PRINCIPAL = {
  program_terms: ['body.program', 'body.merchant'],
  transaction: ['body.amount', 'body.merchant', 'body.order_ref'],
  commission: ['body.amount', 'body.affiliate'],
  amendment: ['body.old', 'body.new'],
  reversal: ['body.amount'],
  adjustment: ['body.amount', 'body.affiliate'],
  inquiry: ['body.amount', 'body.affiliate'],
  funding: ['body.received', 'body.merchant'],
  payout: ['body.total', 'body.affiliate'],
  affiliate_upline: ['body.affiliate'],
  opening_balance: ['body.balance.amount', 'body.amount'],
};
/** The kinds whose sentence tells amounts of the entry that it is about, too. */
const TELLS_OF_OTHERS = [
  'decision', 'amendment', 'reversal', 'adjustment', 'inquiry', 'inquiry_resolution', 'payout_event',
];

/** What was compared, what doesn't fit, and what no leaf alone could show. */
export class Comparison {
  /**
   * @param {Record<string, number>} scales of currencies
   * @param {string} language of the page
   */
  constructor(scales, language) {
    this.scales = scales;
    this.language = language;
    /** @type {Set<string>} */
    this.problems = new Set();
    /** @type {Set<string>} */
    this.unproven = new Set();
    this.compared = 0;
  }

  /** A fact as it is written. @param {Fact} fact */
  written(fact) {
    switch (fact.say) {
      case 'amount': return `${readableAmount(fact.value, this.scales[fact.currency])} ${fact.currency}`;
      case 'time': return writtenTime(fact.value);
      case 'bytes': return hex(fact.value);
      case 'rate': return decimal(fact.value, 9);
      default: return String(fact.value);
    }
  }

  /** Whether a visible text says this. @param {string} text @param {Fact} fact */
  fits(text, fact) {
    switch (fact.say) {
      case 'amount': {
        const { currency, number } = readAmount(text, this.language);
        const expected = readableAmount(fact.value, this.scales[fact.currency]);
        return currency === fact.currency && sameNumber(number.replace('-', ''), expected);
      }
      case 'time': {
        const { start, length } = readTime(text, this.language);
        return fact.value >= start && fact.value < start + length;
      }
      case 'number': return readNumber(text, this.language) === String(fact.value);
      case 'rate': return sameNumber(readNumber(text, this.language), decimal(fact.value, 9));
      case 'bytes': return text === hex(fact.value);
      default: return text === fact.value;
    }
  }

  /** The same, where what can't be read fits nothing. */
  isShown(text, fact) {
    try {
      return this.fits(text, fact);
    } catch (error) {
      if (error instanceof Wrong) return false;
      throw error;
    }
  }

  /**
   * An element that names its field shows that field's value.
   * @param {Element} element @param {Fact | undefined} fact @param {string} field
   */
  field(element, fact, field) {
    this.compared += 1;
    const shown = visible(element);
    if (fact === undefined) {
      this.problems.add(say('{field}: the page shows “{shown}”, and the leaf has no such field', { field, shown }));
    } else if (!this.isShown(shown, fact)) {
      this.problems.add(say('{field}: the page shows “{shown}”, the leaf says {written}', {
        field, shown, written: this.written(fact),
      }));
    }
  }

  /**
   * Whatever stands in a part of the page that speaks of this leaf alone is one of its facts.
   * @param {Element} part @param {Fact[]} facts
   */
  part(part, facts) {
    for (const [selector, kind] of [['.money', 'amount'], ['time', 'time'], ['.hash', 'bytes'], ['[data-id]', 'text']]) {
      for (const element of part.querySelectorAll(selector)) {
        // A relative time is made by the browser from the attribute.
        if (element.closest('[data-said], [data-field], .ago') || 'ago' in element.dataset) continue;
        const shown = visible(element);
        // What is reckoned from several entries.
        if (element.closest('[data-sum]')) {
          this.unproven.add(shown);
          continue;
        }
        this.compared += 1;
        if (!facts.some((fact) => fact.say === kind && this.isShown(shown, fact))) {
          this.problems.add(this.stranger(kind, shown, facts));
        }
      }
    }
    this.percents(part, facts, '');
  }

  /** Rates in per cent, which have no element of their own. @param {Element} part @param {Fact[]} facts */
  percents(part, facts, where) {
    const rates = facts.filter((fact) => fact.path.includes('ppm')).map((fact) => decimal(BigInt(fact.value), 4));
    for (const [shown, number] of plain(part.textContent ?? '').matchAll(/(\d[\d.,]*) ?[%٪]/gu)) {
      this.compared += 1;
      if (rates.some((rate) => sameNumber(readNumber(number, this.language), rate))) continue;
      this.problems.add(where + say('the page shows the rate {shown}, which the leaf doesn’t have', { shown }));
    }
  }

  /** @param {string} kind @param {string} shown @param {Fact[]} facts */
  stranger(kind, shown, facts) {
    const own = facts.filter((fact) => fact.say === kind).map((fact) => this.written(fact));
    const known = own.length > 0 ? own.slice(0, 8).join(', ') : say('none');
    const values = { shown, known };
    switch (kind) {
      case 'amount': return say('the page shows the amount {shown}, which the leaf doesn’t have; it has {known}', values);
      case 'time': return say('the page shows the time {shown}, which neither leaf nor block has; they have {known}', values);
      case 'bytes': return say('the page shows the hash {shown}, which neither leaf nor block has', values);
      default: return say('the page shows the name {shown}, which the leaf doesn’t have', values);
    }
  }

  /**
   * A sentence about an entry tells its amounts.
   * @param {Element} sentence @param {any} entry @param {Fact[]} facts @param {string} [name] of the entry
   */
  sentence(sentence, entry, facts, name) {
    const kind = entry.body.kind;
    const shown = Array.from(sentence.querySelectorAll('.money'), visible);
    const names = Array.from(sentence.querySelectorAll('b'), visible);
    const amounts = facts.filter((fact) => fact.say === 'amount');
    const where = name === undefined ? '' : `${name}: `;
    this.compared += shown.length;
    for (const path of PRINCIPAL[kind] ?? []) {
      const fact = facts.find((known) => known.path === path);
      if (fact === undefined || fact.value === 0n) continue;
      const told = fact.say === 'amount' ? shown : names;
      if (told.some((text) => this.isShown(text, fact))) continue;
      this.problems.add(where + say('the sentence shows “{shown}” and not {written}, which the leaf says', {
        shown: told.join(', '), written: this.written(fact),
      }));
    }
    this.percents(sentence, facts, where);
    for (const text of Array.from(sentence.querySelectorAll('time'), visible)) {
      if (facts.some((fact) => fact.say === 'time' && this.isShown(text, fact))) continue;
      this.problems.add(where + this.stranger('time', text, facts));
    }
    for (const text of shown) {
      if (amounts.some((fact) => this.isShown(text, fact))) continue;
      if (TELLS_OF_OTHERS.includes(kind)) this.unproven.add(text);
      else this.problems.add(where + this.stranger('amount', text, facts));
    }
  }

  /** What was found, as a step; or what is wrong. */
  ended() {
    require(this.compared > 0, say('the page shows nothing that could be compared'));
    require(this.problems.size === 0, Array.from(this.problems).join('; '));
    const said = say('{count} values that the page shows are those of the leaf.', { count: this.compared });
    if (this.unproven.size === 0) return { said };
    const rest = say('Not of this leaf, and so not shown by it: {shown}.', {
      shown: Array.from(this.unproven).join(', '),
    });
    return { said: `${said} ${rest}` };
  }
}

/**
 * Compares a page with the facts of its leaf and block.
 * @param {ParentNode} page
 * @param {Comparison} comparison
 * @param {Fact[]} facts by paths as `data-field` has them
 */
export function compareFields(page, comparison, facts) {
  const byPath = new Map(facts.map((fact) => [fact.path, fact]));
  for (const element of page.querySelectorAll('[data-field]')) {
    if (element.closest('[data-entry]')) continue;
    comparison.field(element, byPath.get(element.dataset.field), element.dataset.field);
  }
  for (const part of page.querySelectorAll('[data-own]')) comparison.part(part, facts);
}
