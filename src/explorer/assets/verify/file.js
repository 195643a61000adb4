/**
 * Verifying files that the visitor drops: receipts and exports, by a chain spec or a key. Nothing is
 * sent or asked for.
 * @module
 */

import { Wrong, fromUtf8, hex, require } from './bytes.js';
import { VerifierKey } from './checkpoint.js';
import { drawPath } from './drawing.js';
import { ENTRY } from './entry.js';
import { checkExport, looksLikeExport } from './export.js';
import { leafHash } from './merkle.js';
import { Panel, button, made, showAlarm } from './panel.js';
import { checkReceipt, looksLikeReceipt, parseReceipt } from './receipt.js';
import { Spec } from './spec.js';
import { Steps, Stopped } from './steps.js';
import { readable, writtenTime } from './text.js';
import { say } from './words.js';

/** The longest file that is read at all: beyond it, use the command line. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

/** What the visitor trusts, for files. @param {import('./pins.js').Pins} pins */
function trusted(pins) {
  const { trust } = pins;
  require(trust !== null, say('Whom to trust isn’t known yet: drop the chain spec file, or set the authority’s key below. It must come from where you trust it, not from whoever gave you the receipt.'));
  return trust.spec === null ? { key: VerifierKey.parse(trust.key) } : { spec: Spec.parse(trust.spec) };
}

/** A value as nested lists of terms. @param {any} value @returns {Node} */
function told(value) {
  if (typeof value !== 'object') return document.createTextNode(String(value));
  if (Array.isArray(value)) return made('ol', {}, ...value.map((item) => made('li', {}, told(item))));
  const rows = Object.entries(value).map(([name, item]) =>
    made('div', {}, made('dt', {}, name.replaceAll('_', ' ')), made('dd', {}, told(item))));
  return made('dl', { class: 'fields' }, ...rows);
}

/** @param {Uint8Array} bytes @param {import('./pins.js').Pins} pins @param {Steps} steps */
async function verifyReceipt(bytes, pins, steps) {
  const trust = trusted(pins);
  const titles = {
    'header-leaf': say('The header in it'),
    spec: say('The spec in force'),
    signature: say('The checkpoint’s signature'),
    header: say('The header ends the signed log'),
    inclusion: say('The entry is in its block'),
    entry: say('What the entry says'),
  };
  let receipt;
  await steps.must(say('The file'), () => {
    receipt = parseReceipt(bytes);
    return { said: say('A receipt of {count} bytes', { count: bytes.length }) };
  });
  const step = async (name, act) => {
    const found = await steps.must(titles[name], async () => saidOf(name, await act(), receipt));
    return found.value;
  };
  const found = await checkReceipt(receipt, trust, step);
  return made('div', { class: 'proven' },
    made('h3', {}, say('What is proven')),
    made('p', {}, say('This stands in block {height}, sealed at {time}:', { height: found.header.height, time: writtenTime(found.header.time) })),
    told(readable(ENTRY, found.entry, found.spec?.scales ?? {})));
}

/** What a step of a receipt found, in words. */
function saidOf(name, value, receipt) {
  switch (name) {
    case 'header-leaf':
      return { value, said: say('Of block {height}, sealed at {time}', { height: value.height, time: writtenTime(value.time) }) };
    case 'spec':
      return { value, said: say('Chain {chain}; {count} changes of the spec lead to the key {key}.', { chain: receipt.chainId.slice(0, 12), count: receipt.changes.length, key: hex(value.verifierKey.key).slice(0, 12) }) };
    case 'signature':
      return { value, said: say('{origin} signed the log of {size} leaves.', { origin: value.origin, size: value.size }) };
    case 'header':
      return { value, said: say('Leaf {index} leads to the signed root.', { index: receipt.header.index }), drawing: drawPath(leafHash(receipt.header.leaf), value.steps, say('Leaf {index}', { index: receipt.header.index })) };
    case 'inclusion':
      return { value, said: say('Leaf {index} leads to the signed root.', { index: receipt.entry.index }), drawing: drawPath(leafHash(receipt.entry.leaf), value.steps, say('Leaf {index}', { index: receipt.entry.index })) };
    default:
      return { value, said: say('{kind} {external} of {tenant}', { kind: value.body.kind, external: value.external_id, tenant: value.tenant }) };
  }
}

/** @param {Uint8Array} bytes @param {import('./pins.js').Pins} pins @param {Steps} steps @param {Panel} panel */
async function verifyExport(bytes, pins, steps, panel) {
  const { spec } = trusted(pins);
  require(spec !== undefined, say('An export needs the chain spec: drop its file, too.'));
  let ledger;
  await steps.must(say('Every block'), async () => {
    ledger = await checkExport(bytes, spec, (height) => {
      panel.verdict.textContent = say('Verifying block {height}…', { height });
    });
    return { said: say('{blocks} blocks with {entries} entries: every leaf, link, root and signature holds.', { blocks: ledger.header.height, entries: ledger.entries }) };
  });
  steps.end({ ended: 'unchecked', title: say('The rules'), said: say('Whether each entry follows the rules (deadlines, sums, states), this page doesn’t check; `counterfoil verify --file` does.') });
  const kinds = Object.fromEntries([...ledger.kinds].sort());
  return made('div', { class: 'proven' },
    made('h3', {}, say('What is in it')),
    told({ [say('last block')]: `${ledger.header.height}, ${writtenTime(ledger.header.time)}`, [say('log size')]: ledger.log.size, root: hex(ledger.log.root()), ...kinds }));
}

/** One file, from its bytes to a verdict. @param {File} file @param {import('./pins.js').Pins} pins @param {Element} below */
async function verifyFile(file, pins, below) {
  below.append(made('h3', { class: 'file' }, file.name));
  const panel = new Panel(below);
  const steps = new Steps((step) => panel.show(step));
  let proven = null;
  try {
    await steps.must(say('Whom you trust'), () => saidOfTrust(pins));
    require(file.size <= MAX_FILE_BYTES, say('the file is too long for a browser; use `counterfoil verify`'));
    const bytes = new Uint8Array(await file.arrayBuffer());
    proven = looksLikeExport(bytes) ? await verifyExport(bytes, pins, steps, panel)
      : await verifyReceipt(bytes, pins, steps);
  } catch (error) {
    if (error instanceof Wrong) steps.end({ ended: 'failed', title: say('The file'), said: error.message });
    else if (!(error instanceof Stopped)) throw error;
  }
  const outcome = steps.outcome();
  panel.end(outcome, {
    passed: say('Proven.'),
    failed: say('Not proven: {problem}', { problem: steps.ended.find((step) => step.ended === 'failed')?.said }),
    unchecked: proven === null ? say('Not proven: something could not be checked here.')
      : say('What could be checked here holds; something was not checked.'),
  }[outcome]);
  if (proven !== null) below.append(proven);
}

function saidOfTrust(pins) {
  const { spec, key } = trusted(pins);
  if (spec) return { said: say('{name}, chain {chain}', { name: spec.values.name, chain: hex(spec.chainId) }) };
  return { said: String(key) };
}

/** Takes a chain spec or a key as what is trusted from now on. */
async function rely(pins, text, how) {
  if (how === 'file') {
    const spec = Spec.parse(text);
    pins.rely({ how, spec: text, key: String(spec.verifierKey), chainId: hex(spec.chainId) });
  } else {
    pins.rely({ how, spec: null, key: String(VerifierKey.parse(text)), chainId: null });
  }
}

/** What is trusted, and how to change it. @param {import('./pins.js').Pins} pins @param {Element} below */
function showTrust(pins, below) {
  below.replaceChildren(made('h3', {}, say('Whom this browser trusts')));
  const again = () => {
    showTrust(pins, below);
    showAlarm(pins);
  };
  const { trust, seen } = pins;
  const how = { visit: say('taken from this node on your first visit'), file: say('from a chain spec file'), hand: say('set by hand') };
  if (trust === null) below.append(made('p', { class: 'quiet' }, say('Nobody yet.')));
  else {
    below.append(told({
      [say('key')]: trust.key, [say('chain')]: trust.chainId ?? say('by the authority’s word'),
      [say('how')]: `${how[trust.how]}, ${trust.since.slice(0, 10)}`,
      ...(seen === null ? {} : { [say('newest checkpoint seen')]: say('{size} leaves, root {root}, {day}', { size: seen.size, root: seen.root.slice(0, 12), day: seen.seen.slice(0, 10) }) }),
    }), button(say('Forget this'), () => {
      pins.forget();
      again();
    }));
  }
  const input = made('input', { id: 'vkey', name: 'vkey', autocomplete: 'off', spellcheck: 'false', placeholder: 'ledger.example+1f2e3d4c+AZ…' });
  const problem = made('p', { class: 'problem', role: 'status' });
  const form = made('form', { class: 'trust' }, made('label', { for: 'vkey' }, say('The authority’s key, in one line')), input, made('button', {}, say('Trust this key')), problem);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await rely(pins, input.value, 'hand');
      again();
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      problem.textContent = error.message;
    }
  });
  below.append(form);
}

/** Sorts dropped files: chain specs first, since the others are verified by them. */
async function take(files, pins, trust, results) {
  results.replaceChildren();
  const others = [];
  for (const file of files) {
    const start = new Uint8Array(await file.slice(0, 4096).arrayBuffer());
    if (looksLikeExport(start) || looksLikeReceipt(start) || file.size > MAX_FILE_BYTES) {
      others.push(file);
      continue;
    }
    try {
      await rely(pins, fromUtf8(new Uint8Array(await file.arrayBuffer()), file.name), 'file');
      results.append(made('p', { class: 'trusted' }, say('{name} is the chain spec from now on.', { name: file.name })));
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      const said = say('{name} is no receipt, no export, and no chain spec: {problem}', { name: file.name, problem: error.message });
      results.append(made('p', { class: 'problem', role: 'alert' }, said));
    }
  }
  showTrust(pins, trust);
  for (const file of others) await verifyFile(file, pins, results);
  results.dataset.done = String(Number(results.dataset.done ?? 0) + 1);
}

/**
 * The page that takes files.
 * @param {Element} section @param {import('./pins.js').Pins} pins
 */
export function filePage(section, pins) {
  const input = made('input', { id: 'files', type: 'file', multiple: '' });
  const zone = made('div', { class: 'drop' },
    made('label', { for: 'files' }, say('Drop a receipt, an export or a chain spec here, or choose files')), input);
  const [results, trust] = [made('div', { class: 'results' }), made('section', { class: 'trusts' })];
  const taken = (files) => take(Array.from(files), pins, trust, results);
  input.addEventListener('change', () => taken(input.files));
  for (const name of ['dragenter', 'dragover', 'dragleave', 'drop']) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle('over', name === 'dragenter' || name === 'dragover');
      if (name === 'drop') taken(event.dataTransfer.files);
    });
  }
  section.append(zone, results, trust);
  showTrust(pins, trust);
}
