/**
 * What is said to the visitor. Texts are written in English where they are said, which is also what
 * other languages are looked up by; a name in braces is the place of a value.
 * @module
 */

/** @type {Record<string, string>} */
let words = {};

/** Says everything in another language from now on. @param {Record<string, string>} translated */
export function speak(translated) {
  words = translated;
}

/** @param {string} english @param {Record<string, unknown>} [values] */
export function say(english, values = {}) {
  const text = words[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}
