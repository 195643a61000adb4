/**
 * The node that served the page, asked for what it claims: nothing of it is believed.
 * @module
 */

import { fromUtf8, require } from './bytes.js';
import { parseJson } from './json.js';
import { Tiles } from './merkle.js';

/** More than any tile, checkpoint, spec or list has. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** How many pages of changes of the spec are read: more than a ledger can have. */
const MAX_PAGES = 200;

export class LedgerNode {
  /** @param {URL} root where it serves */
  constructor(root) {
    this.root = root;
  }

  /** What it has at a path, or null. @param {string} path */
  async bytes(path) {
    let answer;
    try {
      // What it says now, not what the browser remembers of it.
      answer = await fetch(new URL(path, this.root), { cache: 'no-store' });
    } catch {
      require(false, `${path}: the node can’t be reached`);
    }
    if (answer.status === 404) return null;
    require(answer.ok, `${path}: the node answers ${answer.status}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    require(bytes.length <= MAX_ANSWER_BYTES, `${path}: too long`);
    return bytes;
  }

  /** @param {string} path */
  async text(path) {
    const bytes = await this.bytes(path);
    return bytes === null ? null : fromUtf8(bytes, path);
  }

  /** Its log at a size. @param {bigint} size */
  tiles(size) {
    return new Tiles((path) => this.bytes(path), size);
  }

  /** Where changes of the spec stand in its log, in their order. */
  async changes() {
    const indexes = [];
    let path = 'v1/entries?kind=spec_change&limit=500';
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const list = parseJson((await this.text(path)) ?? '{}');
      require(Array.isArray(list.entries), 'the list of changes of the spec is none');
      indexes.push(...list.entries.map((entry) => entry.index));
      if (typeof list.next !== 'string') return indexes;
      path = `v1/entries?kind=spec_change&limit=500&cursor=${encodeURIComponent(list.next)}`;
    }
    return indexes;
  }
}
