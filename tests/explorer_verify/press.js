// Presses the button of a page and waits for the verdict.
new Promise((done) => {
  const press = () => {
    const button = document.querySelector('.verify-button');
    if (button === null) setTimeout(press, 5);
    else {
      button.click();
      look();
    }
  };
  const look = () => {
    const verdict = document.querySelector('.verdict');
    if (verdict === null || verdict.dataset.outcome === 'running') {
      setTimeout(look, 10);
      return;
    }
    const steps = Array.from(document.querySelectorAll('.steps-list > li'), (step) => ({
      ended: step.dataset.ended,
      title: step.querySelector('b').firstChild.textContent,
      said: step.querySelector('p').textContent,
    }));
    const alarm = document.querySelector('#alarm')?.innerText ?? null;
    done({ outcome: verdict.dataset.outcome, said: verdict.textContent, steps, alarm });
  };
  press();
})
