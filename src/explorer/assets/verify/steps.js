/**
 * The steps of a verification: each is told when it begins and how it ended.
 * @module
 */

import { Wrong } from './bytes.js';
import { NoEd25519 } from './checkpoint.js';

/**
 * @typedef {'passed' | 'failed' | 'unchecked'} Ended
 * @typedef {{ended: Ended, title: string, said: string, drawing?: Element}} Step
 */

/** Something failed that the next steps need: they aren't tried. */
export class Stopped extends Error {}

export class Steps {
  /** @param {(step: Step) => void} tell is told of each step as it ends */
  constructor(tell) {
    this.tell = tell;
    /** @type {Step[]} */
    this.ended = [];
  }

  /**
   * Tries a step. What `act` gives is an object whose `said` tells what was found.
   * @template {{said: string, ended?: Ended, drawing?: Element}} T
   * @param {string} title what is checked
   * @param {() => T | Promise<T>} act
   * @returns {Promise<T | null>} null where it failed, or couldn't be checked
   */
  async try(title, act) {
    try {
      const found = await act();
      this.end({ ended: found.ended ?? 'passed', title, said: found.said, drawing: found.drawing });
      return found;
    } catch (error) {
      if (error instanceof NoEd25519) this.end({ ended: 'unchecked', title, said: error.message });
      else if (error instanceof Wrong) this.end({ ended: 'failed', title, said: error.message });
      else throw error;
      return null;
    }
  }

  /** The same, of a step that everything after it needs. */
  async must(title, act) {
    const found = await this.try(title, act);
    if (found === null) throw new Stopped();
    return found;
  }

  /** @param {Step} step */
  end(step) {
    this.ended.push(step);
    this.tell(step);
  }

  /** How all of it ended. */
  outcome() {
    const ended = (how) => this.ended.some((step) => step.ended === how);
    if (ended('failed')) return 'failed';
    return ended('unchecked') ? 'unchecked' : 'passed';
  }
}
