/**
 * The log of a node: whose it is, who signed it, and that it goes on from what was seen before.
 * @module
 */

import { Wrong, hex, require, same } from './bytes.js';
import { VerifierKey, claimIn } from './checkpoint.js';
import { decodeLeaf } from './header.js';
import { follow, isConsistent, leafHash } from './merkle.js';
import { Spec } from './spec.js';
import { Succession, succeeded } from './succession.js';
import { say } from './words.js';

/** @param {Uint8Array} bytes */
function short(bytes) {
  return `${hex(bytes).slice(0, 12)}…`;
}

/** A node's log, once it was opened. */
export class Log {
  /**
   * @param {import('./node.js').LedgerNode} node
   * @param {import('./pins.js').Pins} pins
   * @param {import('./steps.js').Steps} steps
   */
  constructor(node, pins, steps) {
    this.node = node;
    this.pins = pins;
    this.steps = steps;
  }

  /** Goes through all that must hold before any leaf of it is looked at. */
  async open() {
    const { steps } = this;
    await steps.must(say('Whom you trust'), () => this.trust());
    await steps.must(say('The latest checkpoint'), () => this.claim());
    if (this.size === 0n) return;
    await steps.try(say('Who may sign it'), () => this.authority());
    const signed = await steps.try(say('Its signature'), () => this.signature());
    this.signed = signed !== null;
    const goesOn = await steps.try(say('It goes on from what you saw before'), () => this.past());
    if (this.signed && goesOn !== null && this.headProven) this.remember();
  }

  /** The chain spec that is trusted: kept, or on the first visit this node’s. */
  async trust() {
    const text = await this.node.text('v1/chain/spec');
    require(text !== null, 'the node serves no chain spec');
    const served = Spec.parse(text);
    const { trust } = this.pins;
    if (trust === null) {
      this.spec = served;
      const [key, chainId] = [String(served.verifierKey), hex(served.chainId)];
      this.pins.rely({ how: 'visit', spec: text, key, chainId });
      return {
        said: say('Your first visit: from now on this browser expects the chain {chain} and its keys. Compare them with what is published elsewhere.', { chain: chainId }),
      };
    }
    if (trust.spec === null) {
      // A key alone: what chain it is, the authority says.
      this.spec = served;
      this.key = VerifierKey.parse(trust.key);
      return { said: say('The key that you set: {key}', { key: trust.key }) };
    }
    this.spec = Spec.parse(trust.spec);
    if (!same(served.chainId, this.spec.chainId)) {
      this.alarm(say('This node serves another chain than the one that you trust: {found} instead of {expected}.', {
        found: short(served.chainId), expected: short(this.spec.chainId),
      }));
    }
    const how = {
      visit: say('as on your first visit'), file: say('by the chain spec that you gave'), hand: say('by your hand'),
    };
    return {
      said: say('The chain {chain}, {how}, since {since}.', {
        chain: short(this.spec.chainId), how: how[trust.how], since: trust.since.slice(0, 10),
      }),
    };
  }

  /** What the checkpoint claims, and the header that the log ends with. */
  async claim() {
    this.note = await this.node.text('checkpoint');
    this.size = 0n;
    if (this.note === null) {
      this.tiles = this.node.tiles(1n);
      return { said: say('There is none yet: the log has its genesis block only.'), ended: 'unchecked' };
    }
    const { origin, size, root } = claimIn(this.note);
    require(origin === this.spec.origin, `it is of ${origin}, not of ${this.spec.origin}`);
    require(size > 0n, 'it is of a log without even the genesis header');
    [this.size, this.root, this.tiles] = [size, root, this.node.tiles(size)];
    return { said: say('{size} leaves, root {root}', { size, root: short(root) }) };
  }

  /** The authority of the last block, by the spec and its changes. */
  async authority() {
    const leaf = await this.tiles.leaf(this.size - 1n);
    this.head = decodeLeaf(leaf).header;
    require(this.head !== undefined, 'the log doesn’t end with a header');
    const indexes = await this.node.changes();
    const changes = await Promise.all(indexes.map((index) => this.tiles.leaf(index)));
    this.succession = await succeeded(this.spec, changes);
    const proof = await this.tiles.inclusion(this.size - 1n);
    const { root } = follow(leafHash(leaf), this.size - 1n, this.size, proof);
    require(same(root, this.root), 'the header that the log ends with doesn’t lead to the checkpoint’s root');
    this.headProven = true;
    const key = this.keyAt(this.head.height);
    if (!same(key.key, this.head.authority)) {
      this.alarm(say('Block {height} names the key {found}, but the key in force is {expected}: no valid change of the spec put another in its place.', {
        height: this.head.height, found: short(this.head.authority), expected: short(key.key),
      }));
    }
    const count = this.succession.number;
    if (count === 0) return { said: say('{key}: the spec’s key, which no change has replaced', { key: short(key.key) }) };
    return {
      said: say('{key}: after {count} changes of the spec, each signed by those who govern', { key: short(key.key), count }),
    };
  }

  /** The key that signs a block. @param {bigint} height */
  keyAt(height) {
    return this.key ?? (this.succession ?? new Succession(this.spec)).at(height).verifierKey;
  }

  async signature() {
    const key = this.keyAt(this.head?.height ?? 0n);
    try {
      await key.open(this.note);
    } catch (error) {
      const another = error instanceof Wrong && error.message.startsWith('not signed by');
      if (another && this.succession !== undefined) {
        this.alarm(say('The checkpoint is signed with another key than {expected}, and no valid change of the spec put it in its place.', { expected: short(key.key) }));
      }
      throw error;
    }
    return { said: say('{name} signed it with the key {key}.', { name: key.name, key: short(key.key) }) };
  }

  /** That the log begins with the one that was proven before. */
  async past() {
    const { seen } = this.pins;
    if (seen === null) return { said: say('Nothing was seen before: this checkpoint is the first.') };
    const [size, note] = [BigInt(seen.size), seen.note];
    const { root } = claimIn(note);
    const older = this.size < size;
    const [small, smallRoot, large, largeRoot] = older
      ? [this.size, this.root, size, root] : [size, root, this.size, this.root];
    const tiles = older ? this.node.tiles(large) : this.tiles;
    let holds = small === large && same(smallRoot, largeRoot);
    if (small < large) {
      try {
        holds = isConsistent(small, smallRoot, large, largeRoot, await tiles.consistency(small));
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
      }
    }
    const sizes = { size: this.size, seen: size };
    const unproven = say('The checkpoint of {size} leaves can’t be shown to belong to one history with the one of {seen} leaves that you saw before.', sizes);
    // Who can't sign can't tell two histories either: then it is only a wrong checkpoint.
    if (!holds && this.signed) this.alarm(unproven, [note, this.note]);
    require(holds, unproven);
    require(!older, say('It is an old one: it has {size} leaves, and you have seen {seen}.', sizes));
    return { said: say('It begins with the {seen} leaves that you saw on {day}.', { ...sizes, day: seen.seen.slice(0, 10) }) };
  }

  remember() {
    this.pins.see({ note: this.note, size: String(this.size), root: hex(this.root) });
  }

  /** Raises what stays until the visitor decides, and fails the step. @param {string} problem */
  alarm(problem, notes = [this.note].filter(Boolean)) {
    this.pins.raise(problem, notes);
    throw new Wrong(problem);
  }
}
