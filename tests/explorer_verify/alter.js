// Alters each amount, time, hash and name that the page shows of its own leaf, and looks whether each of
// these lies is named. The first digit or letter of each becomes another.
(async () => {
  const press = () => new Promise((done) => {
    document.querySelector('.verify-button').click();
    const look = () => {
      const verdict = document.querySelector('.verdict');
      if (verdict.dataset.outcome === 'running') setTimeout(look, 2);
      else done(Array.from(document.querySelectorAll('.steps-list .failed p'), (step) => step.textContent).join('\n'));
    };
    look();
  });
  const others = /^(Decision|Amendment|Reversal|Adjustment|Inquiry|Payout event)/;
  const kind = document.querySelector('.eyebrow').textContent.trim();
  const own = '[data-own] .money, [data-own] time, [data-own] .hash, [data-own] [data-id], [data-field]';
  const elements = Array.from(document.querySelectorAll(own))
    .filter((element) => !element.closest('.ago, [data-sum], [data-entry]') && !element.querySelector('.money, time, .hash'))
    // What a sentence tells of another entry can't be known from this one.
    .filter((element) => !(element.closest('[data-said]') && others.test(kind)));
  const altered = elements.flatMap((element) => {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let text = texts.nextNode();
    while (text !== null && !/[0-9a-z]/.test(text.data)) text = texts.nextNode();
    if (text === null) return [];
    text.data = text.data.replace(/[0-9a-z]/, (one) => (one === '1' ? '2' : '1'));
    return [text.data.replace(/\s+/g, ' ').trim()];
  });
  const said = (await press()).replace(/\s+/g, ' ');
  return { altered: altered.length, unnoticed: altered.filter((text) => !said.includes(text)) };
})()
