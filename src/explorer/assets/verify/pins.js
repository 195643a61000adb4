/**
 * What the visitor's browser remembers of a ledger: whom it trusts, the newest checkpoint that it has
 * seen proven, and an alarm that was raised. An alarm stays until the visitor decides.
 *
 * Invariants:
 * - While an alarm stands, neither trust nor checkpoint change but by the visitor's hand.
 * - The checkpoint only ever gives way to one that was proven to go on from it.
 * @module
 */

/**
 * @typedef {{how: 'visit' | 'file' | 'hand', spec: string | null, key: string, chainId: string | null,
 *   since: string}} Trust the chain spec's text, or the authority's key in one line alone
 * @typedef {{note: string, size: string, root: string, seen: string}} Seen
 * @typedef {{problem: string, since: string, notes: string[]}} Alarm
 */

export class Pins {
  /**
   * @param {Storage | null} storage of the browser; without it nothing is remembered
   * @param {string} place which ledger: the address of its root
   */
  constructor(storage, place) {
    this.storage = storage;
    this.name = `counterfoil ${place}`;
    /** @type {{trust: Trust | null, seen: Seen | null, alarm: Alarm | null}} */
    this.kept = { trust: null, seen: null, alarm: null, ...this.read() };
  }

  read() {
    try {
      return JSON.parse(this.storage?.getItem(this.name) ?? '{}');
    } catch {
      // Something else wrote there; it is of no use to anybody.
      return {};
    }
  }

  write() {
    this.storage?.setItem(this.name, JSON.stringify(this.kept));
  }

  get trust() {
    return this.kept.trust;
  }

  get seen() {
    return this.kept.seen;
  }

  get alarm() {
    return this.kept.alarm;
  }

  /** The visitor, or the first visit, decides whom to trust. @param {Omit<Trust, 'since'>} trust */
  rely(trust) {
    this.kept = {
      trust: { ...trust, since: now() },
      // A checkpoint of another chain says nothing of this one.
      seen: this.kept.trust !== null && isOfOneLog(this.kept.trust, trust) ? this.kept.seen : null,
      alarm: this.kept.alarm,
    };
    this.write();
  }

  /** A checkpoint that was proven to go on from the one before. @param {Omit<Seen, 'seen'>} seen */
  see(seen) {
    if (this.kept.alarm !== null) return;
    this.kept.seen = { ...seen, seen: now() };
    this.write();
  }

  /** @param {string} problem @param {string[]} notes the checkpoints that show it */
  raise(problem, notes) {
    if (this.kept.alarm !== null) return;
    this.kept.alarm = { problem, notes, since: now() };
    this.write();
  }

  /** The visitor goes on trusting what was trusted before. */
  dismiss() {
    this.kept.alarm = null;
    this.write();
  }

  /** The visitor begins anew. */
  forget() {
    this.kept = { trust: null, seen: null, alarm: null };
    this.storage?.removeItem(this.name);
  }
}

/** The pins of the ledger at `place`, in the browser's own storage. @param {string} place */
export function pinsAt(place) {
  let storage = null;
  try {
    storage = globalThis.localStorage ?? null;
  } catch {
    // A browser may refuse; then nothing is remembered.
  }
  return new Pins(storage, place);
}

/** Whether two may be trusted for the same log; a key alone knows its origin only. */
function isOfOneLog(one, other) {
  const origins = [one, other].map(({ key }) => key.split('+')[0]);
  const chains = one.chainId === null || other.chainId === null || one.chainId === other.chainId;
  return origins[0] === origins[1] && chains;
}

function now() {
  return new Date().toISOString();
}
