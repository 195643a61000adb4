/**
 * Export files, as `counterfoil export` writes them: gzip of a first line, the blocks, and their
 * number. Every leaf, link, root and signature is checked; the rules (FORMAT.md, section 13) are not.
 * @module
 */

import { Wrong, base64, fromUtf8, hex, joined, require, same, within } from './bytes.js';
import { HEADER, decodeLeaf, headerHash, headerIndex } from './header.js';
import { Frontier, leafHash } from './merkle.js';
import { VERSION } from './spec.js';
import { Succession } from './succession.js';
import { writtenTime } from './text.js';
import { Reader, SIGNATURE, U64, list, struct } from './types.js';

const MAGIC = 'counterfoil-archive-v1 ';
const FIRST_LINE_BYTES = MAGIC.length + 64 + 1;
const MAX_BLOCK_BYTES = 4225328;
const HEADER_LEAF = Uint8Array.of(0);

/** Whether bytes look like an export: gzip. @param {Uint8Array} bytes */
export function looksLikeExport(bytes) {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** What a gzip file holds, read bit by bit. */
class Unpacked {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    const packed = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    });
    this.reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader();
    this.rest = new Uint8Array();
    this.ended = false;
  }

  async more() {
    let piece;
    try {
      piece = await this.reader.read();
    } catch {
      throw new Wrong('the file is damaged or cut short');
    }
    this.ended = piece.done;
    return piece.value ?? new Uint8Array();
  }

  /** @param {number} count */
  async take(count) {
    const pieces = [this.rest];
    let length = this.rest.length;
    while (length < count) {
      const piece = await this.more();
      require(!this.ended, 'the file is cut short');
      pieces.push(piece);
      length += piece.length;
    }
    const bytes = joined(...pieces);
    this.rest = bytes.subarray(count);
    return bytes.slice(0, count);
  }

  /** Nothing may follow. */
  async end() {
    const more = this.rest.length === 0 ? await this.more() : this.rest;
    require(this.ended && more.length === 0, 'there is something after the end of the file');
  }
}

/** @param {Uint8Array} bytes big-endian */
function numberIn(bytes) {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** The blocks of an export, undecoded, in turn. @param {Uint8Array} file @param {string} chainId */
async function* blocksIn(file, chainId) {
  const input = new Unpacked(file);
  const line = fromUtf8(await input.take(FIRST_LINE_BYTES), 'the first line');
  const ours = line.startsWith(MAGIC) && line.endsWith('\n');
  require(ours, 'this is no export of a ledger: its first line is another');
  const found = line.slice(MAGIC.length, -1);
  require(found === chainId, `an export of chain ${found}, not of ${chainId}`);
  for (let count = 0n; ; count += 1n) {
    const length = Number(numberIn(await input.take(4)));
    if (length === 0) {
      const stated = numberIn(await input.take(8));
      require(stated === count, `it says that it has ${stated} blocks, but ${count} are there`);
      await input.end();
      return;
    }
    require(length <= MAX_BLOCK_BYTES, `block ${count + 1n}: longer than any`);
    yield input.take(length);
  }
}

const BLOCK_BEGINNING = struct({ header: HEADER, signature: SIGNATURE });

/** A block on the wire (section 10). @param {Uint8Array} bytes */
export function decodeBlock(bytes) {
  const reader = new Reader(bytes);
  const block = BLOCK_BEGINNING.read(reader);
  const leaves = list({ read: (from) => from.take(Number(lengthIn(from))).slice() }).read(reader);
  require(reader.left() === 0, `${reader.left()} bytes left over after the value`);
  require(leaves.length <= 10000, `a block of ${leaves.length} entries`);
  require(bytes.length <= MAX_BLOCK_BYTES, 'longer than any block');
  return { ...block, leaves };
}

/** @param {Reader} reader */
function lengthIn(reader) {
  const length = U64.read(reader);
  require(length <= BigInt(reader.left()), 'the bytes end too early');
  return length;
}

/** A ledger as it is read from its blocks. */
export class Ledger {
  /** @param {import('./spec.js').Spec} spec */
  constructor(spec) {
    this.succession = new Succession(spec);
    this.log = new Frontier();
    const genesis = spec.genesisLeaf();
    this.header = decodeLeaf(genesis).header;
    this.hash = headerHash(genesis);
    this.log.push(leafHash(genesis));
    this.entries = 0;
    /** Each kind, and how many entries of it. @type {Map<string, number>} */
    this.kinds = new Map();
  }

  /** Takes up the next block. @param {Uint8Array} bytes */
  async take(bytes) {
    const { header, signature, leaves } = decodeBlock(bytes);
    const height = this.header.height + 1n;
    await this.takeLeaves(leaves, height);
    const spec = this.succession.at(height);
    this.checkHeader(header, leaves, spec);
    const leaf = joined(HEADER_LEAF, HEADER.write(header));
    this.log.push(leafHash(leaf));
    await spec.verifierKey.open(noteOf(spec, this.log, signature));
    [this.header, this.hash] = [header, headerHash(leaf)];
  }

  /** @param {Uint8Array[]} leaves @param {bigint} height */
  async takeLeaves(leaves, height) {
    let [opening, bytes] = [true, 0];
    for (const [at, leaf] of leaves.entries()) {
      const { entry } = within(`entry ${at + 1}`, () => decodeLeaf(leaf));
      require(entry !== undefined, `entry ${at + 1}: it is a header`);
      const { kind } = entry.body;
      const changes = kind === 'spec_change';
      require(opening || !changes, `entry ${at + 1}: breaks the rule change-not-first`);
      opening = changes;
      const { block_entries: most, block_bytes: room } = this.succession.at(height).values.limits;
      bytes += leaf.length;
      require(at < most && bytes <= room, 'the block is larger than the spec allows');
      if (changes) await this.succession.takeAt(leaf, height, this.hash);
      this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    }
    this.entries += leaves.length;
    this.first = this.log.size;
    leaves.forEach((leaf) => this.log.push(leafHash(leaf)));
  }

  checkHeader(header, leaves, spec) {
    const before = this.header;
    const checks = [
      [leaves.length > 0, 'it closes a block without entries'],
      [header.format_version === VERSION, 'another format version'],
      [header.rules_version === spec.values.rules_version, 'another version of the rules'],
      [same(header.chain_id, spec.chainId), 'it is another chain’s'],
      [header.height === before.height + 1n, `its height is ${header.height}`],
      [same(header.parent, this.hash), 'it doesn’t follow the header before it'],
      [header.time >= before.time, `sealed at ${writtenTime(header.time)}, before the block before it`],
      [header.first_index === this.first, `its first index is ${header.first_index}`],
      [header.entry_count === leaves.length, `it counts ${header.entry_count} entries`],
      [headerIndex(header) === this.log.size, 'it stands at another index'],
      [same(header.log_root, this.log.root()), 'its log root is another'],
      [same(header.accounts_root, before.accounts_root), 'its accounts root is another'],
      [same(header.authority, spec.verifierKey.key), 'it names another authority'],
    ];
    const [, problem] = checks.find(([holds]) => !holds) ?? [];
    require(problem === undefined, `header: ${problem}`);
  }
}

/** The checkpoint that a signature is on, as a note. */
function noteOf(spec, log, signature) {
  const { name, id } = spec.verifierKey;
  const text = `${name}\n${log.size}\n${base64(log.root())}\n`;
  return `${text}\n— ${name} ${base64(joined(id, signature))}\n`;
}

/**
 * Checks a whole export; what it holds.
 * @param {Uint8Array} file
 * @param {import('./spec.js').Spec} spec
 * @param {(height: bigint) => void} progress is told each height
 */
export async function checkExport(file, spec, progress = () => {}) {
  const ledger = new Ledger(spec);
  for await (const block of blocksIn(file, hex(spec.chainId))) {
    const height = ledger.header.height + 1n;
    try {
      await ledger.take(block);
    } catch (error) {
      within(`block ${height}`, () => { throw error; });
    }
    progress(height);
  }
  return ledger;
}
