/**
 * Verification in the visitor’s browser. A page has a section `#verify`; what it asks for stands in
 * its attributes: `data-kind` (`entry`, `block` or `file`), `data-name` (what the address calls it),
 * `data-index` (where its leaf stands), `data-node` (the way to the node’s root).
 * @module
 */

import { filePage } from './file.js';
import { verifyBlock, verifyEntry } from './leaf.js';
import { Log } from './log.js';
import { LedgerNode } from './node.js';
import { Panel, button, showAlarm } from './panel.js';
import { pinsAt } from './pins.js';
import { Steps, Stopped } from './steps.js';
import { say, speak } from './words.js';

/** @param {HTMLElement} section @param {import('./pins.js').Pins} pins @param {URL} root */
async function verify(section, pins, root) {
  section.querySelector('.verification')?.remove();
  const panel = new Panel(section);
  const steps = new Steps((step) => panel.show(step));
  const log = new Log(new LedgerNode(root), pins, steps);
  const { name, index, kind } = section.dataset;
  const asked = { name, index: BigInt(index), page: document, language: document.documentElement.lang };
  try {
    await log.open();
    await (kind === 'entry' ? verifyEntry : verifyBlock)(log, asked);
  } catch (error) {
    if (!(error instanceof Stopped)) {
      steps.end({ ended: 'failed', title: say('This page'), said: String(error) });
      console.error(error);
    }
  }
  showAlarm(pins);
  const outcome = steps.outcome();
  const failed = steps.ended.filter((step) => step.ended === 'failed').map((step) => step.title);
  panel.end(outcome, {
    passed: say('Verified: what this page shows is what the signed log holds.'),
    unchecked: say('What could be checked holds; something was not checked, see below.'),
    failed: say('Not verified. Wrong: {failed}', { failed: failed.join(', ') }),
  }[outcome]);
}

/** Fills the section. @param {HTMLElement} section */
async function fill(section) {
  const words = section.dataset.words;
  if (words) speak(await (await fetch(new URL(words, location.href))).json());
  if (section.dataset.kind === 'file') {
    const pins = pinsAt(section.dataset.node ? new URL(section.dataset.node, location.href).href : 'offline');
    filePage(section, pins);
    showAlarm(pins);
    return;
  }
  const root = new URL(section.dataset.node, location.href);
  const pins = pinsAt(root.href);
  showAlarm(pins);
  const start = button(say('Verify'), async () => {
    start.disabled = true;
    await verify(section, pins, root);
    start.disabled = false;
  });
  start.className = 'verify-button';
  section.append(start);
}

const section = document.querySelector('#verify');
if (section !== null) fill(section);
