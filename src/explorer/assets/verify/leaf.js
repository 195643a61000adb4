/**
 * An entry, or a block, of an opened log: its leaf, its way to the root, its block, and the page.
 * @module
 */

import { Wrong, hex, require, same } from './bytes.js';
import { drawPath } from './drawing.js';
import { ENTRY } from './entry.js';
import { HEADER, decodeLeaf, entryId, headerHash, headerIndex } from './header.js';
import { fold, follow, leafHash } from './merkle.js';
import { Comparison, compareFields, factsOf } from './page.js';
import { VERSION } from './spec.js';
import { writtenTime } from './text.js';
import { plain, visible } from './shown.js';
import { say } from './words.js';

/** The most entries of a block, and so of leaves before its header. */
const MAX_BLOCK_ENTRIES = 10000n;

/** How a leaf leads to the signed root. */
async function included(log, leaf, index, name) {
  const hash = leafHash(leaf);
  const known = await log.tiles.node(0n, index);
  require(same(known, hash), say('leaf {index}, as this node serves it, isn’t the one that stands in the log: its hash is {found}, the tree has {known}', {
    index, found: hex(hash).slice(0, 12), known: hex(known).slice(0, 12),
  }));
  if (log.size === 0n) return { said: say('The log has this leaf alone.'), ended: 'unchecked' };
  const { root, steps } = follow(hash, index, log.size, await log.tiles.inclusion(index));
  require(same(root, log.root), say('the tree that this node serves doesn’t lead to the signed root'));
  return {
    said: say('Leaf {index} leads to the root of all {size} leaves, over {count} nodes.', { index, size: log.size, count: steps.length }),
    drawing: drawPath(hash, steps, name),
  };
}

/** The header that closes the block of a leaf. */
async function headerAfter(log, index) {
  for (let at = index + 1n; at <= index + MAX_BLOCK_ENTRIES && at < log.size; at += 1n) {
    const leaf = await log.tiles.leaf(at);
    if (leaf[0] === 0) return { leaf, index: at, header: decodeLeaf(leaf).header };
  }
  throw new Wrong(say('no header stands after it'));
}

/** What a header must say where it stands. */
async function checkHeader(log, { leaf, header, index }) {
  const spec = log.succession?.at(header.height);
  require(header.format_version === VERSION, say('it is of another format version'));
  require(same(header.chain_id, log.spec.chainId), say('it is of another chain'));
  require(headerIndex(header) === index, say('it stands at {index}, and says {said}', { index, said: headerIndex(header) }));
  const authority = (spec ?? log.spec).verifierKey.key;
  require(log.key !== undefined || same(header.authority, authority), say('it names another authority than the spec in force'));
  if (header.height === 0n) {
    require(same(leaf, log.spec.genesisLeaf()), say('it isn’t the genesis header that follows from the chain spec'));
    return { said: say('Genesis follows from the chain spec, byte for byte.') };
  }
  const before = await log.tiles.inclusion(index, index + 1n);
  require(same(fold(before), header.log_root), say('its log root isn’t the root of the leaves before it'));
  return {
    said: say('It closes block {height}, sealed at {time}, of {count} entries; chain, authority and log root are right.', {
      height: header.height, time: writtenTime(header.time), count: header.entry_count,
    }),
  };
}

/** That a header follows the one of the block before. */
async function checkLink(log, { header }) {
  require(header.first_index > 0n, say('it says that nothing stands before it'));
  const index = header.first_index - 1n;
  const leaf = await log.tiles.leaf(index);
  const before = decodeLeaf(leaf).header;
  require(before !== undefined, say('no header stands before it'));
  const hash = headerHash(leaf);
  require(same(hash, header.parent), say('it names {parent} as the header before it, whose hash is {hash}', {
    parent: hex(header.parent).slice(0, 12), hash: hex(hash).slice(0, 12),
  }));
  require(before.height + 1n === header.height, say('the header before it is of block {height}', { height: before.height }));
  require(before.time <= header.time, say('it was sealed before the block before it'));
  await included(log, leaf, index, '');
  return { said: say('The BLAKE3 hash of block {height}’s header is the one that it names.', { height: before.height }) };
}

/** Everything of the header of a block. */
async function verifyHeader(log, steps, block) {
  const name = say('Block {height}', { height: block.header.height });
  await steps.try(say('Its header is in the log'), () => included(log, block.leaf, block.index, name));
  await steps.try(say('What its header says'), () => checkHeader(log, block));
  if (block.header.height > 0n) await steps.try(say('The block before it'), () => checkLink(log, block));
}

/** The facts of a header by the names of a page. */
function blockFacts(block) {
  const { leaf, header, index } = block;
  const also = (path, kind, value) => ({ path, say: kind, value });
  return [
    ...factsOf(HEADER, header, 'block'),
    also('block.hash', 'bytes', headerHash(leaf)), also('block.index', 'number', index),
    also('block.size', 'number', index + 1n), also('block.leaf', 'bytes', leaf),
    also('block.leaf_hash', 'bytes', leafHash(leaf)),
  ];
}

function entryFacts(leaf, entry, index) {
  return [
    ...factsOf(ENTRY, entry),
    { path: 'id', say: 'bytes', value: entryId(leaf) }, { path: 'index', say: 'number', value: index },
    { path: 'leaf_hash', say: 'bytes', value: leafHash(leaf) },
  ];
}

/** The scales of currencies where a block stands. */
function scalesAt(log, header) {
  return (log.succession?.at(header.height) ?? log.spec).scales;
}

/**
 * @param {import('./log.js').Log} log an opened one
 * @param {{name: string, index: bigint, page: ParentNode, language: string}} asked
 */
export async function verifyEntry(log, { name, index, page, language }) {
  const { steps } = log;
  let leaf;
  await steps.must(say('The entry’s leaf'), async () => {
    leaf = await log.tiles.leaf(index);
    return { said: say('Leaf {index}: {count} bytes, from the tiles', { index, count: leaf.length }) };
  });
  await steps.try(say('It is in the log'), () => included(log, leaf, index, say('Leaf {index}', { index })));
  let entry;
  await steps.must(say('What it says'), () => {
    entry = decodeLeaf(leaf).entry;
    require(entry !== undefined, say('it is a block’s header'));
    const id = hex(entryId(leaf));
    require(name.length !== 64 || name.toLowerCase() === id, say('its id is {id}, not the one of this page', { id }));
    require(name.length === 64 || name === String(index), say('it stands at {index}', { index }));
    return { said: say('{kind} {external} of {tenant}; its id is {id}.', { kind: entry.body.kind, external: entry.external_id, tenant: entry.tenant, id }) };
  });
  let block;
  await steps.must(say('Its block'), async () => {
    block = await headerAfter(log, index);
    const { header } = block;
    require(header.first_index <= index, say('the header after it doesn’t count it'));
    return { said: say('Block {height}, whose header stands at {index}', { height: header.height, index: block.index }) };
  });
  await verifyHeader(log, steps, block);
  await steps.try(say('What this page shows'), () => {
    const comparison = new Comparison(scalesAt(log, block.header), language);
    const facts = [...entryFacts(leaf, entry, index), ...blockFacts(block)];
    compareFields(page, comparison, facts);
    const sentences = Array.from(page.querySelectorAll('[data-said]'));
    require(sentences.length > 0, say('the page shows nothing that could be compared'));
    for (const sentence of sentences) comparison.sentence(sentence, entry, facts);
    return comparison.ended();
  });
}

/**
 * @param {import('./log.js').Log} log an opened one
 * @param {{name: string, index: bigint, page: ParentNode, language: string}} asked
 */
export async function verifyBlock(log, { name, index, page, language }) {
  const { steps } = log;
  let block;
  await steps.must(say('The header’s leaf'), async () => {
    const leaf = await log.tiles.leaf(index);
    const { header } = decodeLeaf(leaf);
    require(header !== undefined, say('leaf {index} is an entry', { index }));
    require(String(header.height) === name, say('it is of block {height}', { height: header.height }));
    block = { leaf, header, index };
    return { said: say('Leaf {index}: {count} bytes, from the tiles', { index, count: leaf.length }) };
  });
  await verifyHeader(log, steps, block);
  const note = page.querySelector('[data-note]');
  if (note !== null) await steps.try(say('The block’s own checkpoint'), () => checkNote(log, block, note.textContent ?? ''));
  await steps.try(say('What this page shows'), async () => {
    const comparison = new Comparison(scalesAt(log, block.header), language);
    const root = { path: 'block.root', say: 'bytes', value: await log.tiles.rootAt(index + 1n) };
    compareFields(page, comparison, [...blockFacts(block), root]);
    for (const line of page.querySelectorAll('[data-entry]')) await compareLine(log, block, comparison, line);
    return comparison.ended();
  });
}

/** The checkpoint that a page shows of a block. */
async function checkNote(log, { header, index }, note) {
  const checkpoint = await log.keyAt(header.height).open(note);
  require(checkpoint.size === index + 1n, say('it is of {size} leaves, the block ends with {expected}', { size: checkpoint.size, expected: index + 1n }));
  require(same(checkpoint.root, await log.tiles.rootAt(index + 1n)), say('its root isn’t that of the log that ends with this block'));
  return { said: say('Signed for the log of {size} leaves, which ends with this block', { size: checkpoint.size }) };
}

/** A line of a list of entries: its link, its number, its sentence. */
async function compareLine(log, block, comparison, line) {
  const index = BigInt(line.dataset.entry);
  const { first_index: first } = block.header;
  require(index >= first && index < block.index, say('leaf {index} isn’t of this block', { index }));
  const leaf = await log.tiles.leaf(index);
  await included(log, leaf, index, '');
  const { entry } = decodeLeaf(leaf);
  require(entry !== undefined, say('leaf {index} is a header', { index }));
  const facts = entryFacts(leaf, entry, index);
  const sentence = line.querySelector('[data-said]') ?? line;
  const linked = line.querySelector('a[href*="entries/"]')?.getAttribute('href')?.split('/').at(-1);
  if (linked !== hex(entryId(leaf)) && linked !== String(index)) {
    comparison.problems.add(say('No. {index} leads to the entry {linked}', { index, linked }));
  }
  // The digits that stand there are its number, the code its name.
  const number = plain(line.querySelector('.where span')?.textContent ?? '').replace(/\D/g, '');
  const external = visible(line.querySelector('.names code') ?? line);
  if (number !== String(index) || external !== entry.external_id) {
    comparison.problems.add(say('No. {index} is shown as {external}, No. {number}', { index, external, number }));
  }
  comparison.sentence(sentence, entry, facts, say('No. {index}', { index }));
}
