/**
 * How a verification is shown, step by step; and the alarm above every page.
 * @module
 */

import { say } from './words.js';

const SIGNS = { passed: '✓', failed: '✕', unchecked: '–' };

/**
 * An element of HTML.
 * @param {string} name @param {Record<string, string>} [attributes] @param {(Node | string)[]} children
 */
export function made(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

/** A button that does something. @param {string} text @param {() => unknown} act */
export function button(text, act) {
  const element = made('button', { type: 'button' }, text);
  element.addEventListener('click', act);
  return element;
}

/** The list in which steps appear as they end, and what they come to. */
export class Panel {
  /** @param {Element} below where it appears */
  constructor(below) {
    this.list = made('ol', { class: 'steps-list' });
    this.verdict = made('p', { class: 'verdict', role: 'status', 'data-outcome': 'running' }, say('Verifying…'));
    this.element = made('div', { class: 'verification' }, this.verdict, this.list);
    below.append(this.element);
  }

  /** @param {import('./steps.js').Step} step */
  show({ ended, title, said, drawing }) {
    const spoken = { passed: say('passed'), failed: say('failed'), unchecked: say('not checked') };
    const sign = made('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[ended]);
    const heading = made('b', {}, title, made('span', { class: 'unseen' }, `, ${spoken[ended]}`));
    const text = made('div', {}, heading, made('p', {}, said));
    if (drawing) text.append(made('details', {}, made('summary', {}, say('The way to the root')), drawing));
    this.list.append(made('li', { class: ended, 'data-ended': ended }, sign, text));
  }

  /** @param {'passed' | 'failed' | 'unchecked'} outcome @param {string} said */
  end(outcome, said) {
    this.verdict.dataset.outcome = outcome;
    this.verdict.textContent = said;
  }
}

/**
 * The alarm, above everything, until the visitor decides.
 * @param {import('./pins.js').Pins} pins
 */
export function showAlarm(pins) {
  document.querySelector('#alarm')?.remove();
  if (pins.alarm === null) return;
  const { problem, since, notes } = pins.alarm;
  const close = (act) => () => {
    act();
    showAlarm(pins);
  };
  const choices = made('p', { class: 'choices' },
    button(say('Go on trusting what I trusted'), close(() => pins.dismiss())),
    button(say('Forget it and trust this node from now on'), close(() => pins.forget())));
  const alarm = made('section', { id: 'alarm', role: 'alert', 'aria-labelledby': 'alarm-title' },
    made('h2', { id: 'alarm-title' }, say('This ledger isn’t the one that you saw before')),
    made('p', {}, problem),
    made('p', {}, say('Noticed on {day}. This stays until you decide. Ask the operator, and somebody who has the ledger from elsewhere, before you do.', { day: since.slice(0, 10) })));
  if (notes.length > 0) {
    alarm.append(made('details', {}, made('summary', {}, say('The checkpoints, as evidence')),
      ...notes.map((note) => made('pre', {}, made('code', {}, note)))));
  }
  alarm.append(choices);
  document.querySelector('main').prepend(alarm);
}
