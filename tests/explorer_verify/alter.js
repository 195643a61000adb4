// Alters each amount, time and hash that the page shows of its own leaf, one after the other, and looks
// whether that is noticed. The first digit that is one becomes another.
(async () => {
  const press = () => new Promise((done) => {
    document.querySelector('.verify-button').click();
    const look = () => {
      const verdict = document.querySelector('.verdict');
      if (verdict.dataset.outcome === 'running') setTimeout(look, 2);
      else done(verdict.dataset.outcome);
    };
    look();
  });
  const others = /^(Decision|Amendment|Reversal|Adjustment|Inquiry|Payout event)/;
  const kind = document.querySelector('.eyebrow').textContent.trim();
  const own = Array.from(document.querySelectorAll('[data-own] .money, [data-own] time, [data-own] .hash, [data-field]'))
    .filter((element) => !element.closest('.ago, [data-sum], [data-entry]'))
    // What a sentence tells of another entry can't be known from this one.
    .filter((element) => !(element.closest('[data-said]') && others.test(kind)));
  const unnoticed = [];
  let altered = 0;
  for (const element of own) {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let text = texts.nextNode();
    while (text !== null && (!/[0-9a-z]/.test(text.data) || text.parentElement.closest('p, .ago'))) {
      if (element.matches('p')) break;
      text = texts.nextNode();
    }
    if (text === null || !/[0-9a-z]/.test(text.data)) continue;
    const before = text.data;
    text.data = before.replace(/[0-9a-z]/, (one) => (one === '1' ? '2' : '1'));
    altered += 1;
    if (await press() !== 'failed') unnoticed.push(`${element.outerHTML.slice(0, 200)}: ${before}`);
    text.data = before;
  }
  return { altered, unnoticed };
})()
