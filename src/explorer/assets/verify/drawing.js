/**
 * A drawing of the way from a leaf to the signed root.
 * @module
 */

import { hex } from './bytes.js';
import { say } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, STEP, TOP, MIDDLE, ASIDE, BOX_WIDTH, BOX_HEIGHT] = [420, 52, 22, 210, 105, 116, 26];
const DIGITS = 12;

/** @param {string} name @param {Record<string, string | number>} attributes @param {Element[]} children */
function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  made.append(...children);
  return made;
}

function box(x, y, hash, kind) {
  const text = element('text', { x, y: y + 4, 'text-anchor': 'middle' });
  text.textContent = hex(hash).slice(0, DIGITS);
  const frame = { x: x - BOX_WIDTH / 2, y: y - BOX_HEIGHT / 2, width: BOX_WIDTH, height: BOX_HEIGHT, rx: 6 };
  const title = element('title', {});
  title.textContent = hex(hash);
  return element('g', { class: kind }, title, element('rect', frame), text);
}

function label(y, text) {
  const made = element('text', { x: 4, y: y + 4, class: 'label' });
  made.textContent = text;
  return made;
}

/**
 * @param {Uint8Array} leaf its hash
 * @param {{sibling: Uint8Array, left: boolean, parent: Uint8Array}[]} steps
 * @param {string} name what the leaf is called
 */
export function drawPath(leaf, steps, name) {
  const height = TOP * 2 + steps.length * STEP;
  const yOf = (level) => height - TOP - level * STEP;
  const [lines, boxes] = [[], [box(MIDDLE, yOf(0), leaf, 'leaf')]];
  const line = (x, from, to) => lines.push(element('line', {
    x1: x, y1: from - BOX_HEIGHT / 2, x2: MIDDLE, y2: to + BOX_HEIGHT / 2,
  }));
  steps.forEach(({ sibling, left, parent }, level) => {
    const [from, to] = [yOf(level), yOf(level + 1)];
    const x = MIDDLE + (left ? -ASIDE - BOX_WIDTH / 4 : ASIDE + BOX_WIDTH / 4);
    line(MIDDLE, from, to);
    line(x, from, to);
    boxes.push(box(x, from, sibling, 'sibling'));
    boxes.push(box(MIDDLE, to, parent, level === steps.length - 1 ? 'root' : 'way'));
  });
  const said = say('The way from {name} up to the signed root, over {count} nodes', {
    name, count: steps.length,
  });
  const ends = [label(yOf(steps.length), say('signed root')), label(yOf(0), name)];
  if (steps.length === 0) ends.shift();
  return element('svg', {
    class: 'merkle', viewBox: `0 0 ${WIDTH} ${height}`, width: WIDTH, height, role: 'img', 'aria-label': said,
  }, ...lines, ...boxes, ...ends);
}
