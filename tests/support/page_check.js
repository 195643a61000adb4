// What is wrong with the page that is shown, as a list of texts.
(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) faults.push(`${root.scrollWidth} wide in ${innerWidth}`);
  const padding = parseFloat(getComputedStyle(document.querySelector('main')).paddingRight);
  const edge = innerWidth - padding;
  for (const part of document.querySelectorAll('a,button,input,select,p,dt,dd,li,h1,h2,pre,table'))
    // What is wider than the page scrolls in a box of its own.
    if (!part.closest('.unseen,.skip,.wide') && (part.getBoundingClientRect().right > edge + 1
      || part.getBoundingClientRect().left < padding - 1))
      faults.push(`beyond the edge: ${part.outerHTML.slice(0, 80)}`);
  let level = 0;
  for (const heading of document.querySelectorAll('h1,h2,h3,h4')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push(`heading: ${heading.textContent}`);
    level = next;
  }
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one main heading');
  for (const field of document.querySelectorAll('input,select'))
    if (field.labels.length !== 1) faults.push(`no label: ${field.name}`);
  for (const part of ['header', 'nav', 'main', 'footer'])
    if (!document.querySelector(part)) faults.push(`no ${part}`);
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const paint = layers => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = colour => {
    const [r, g, b] = colour.map(part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const behind = [];
    for (let up = element; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
    const [back, front] = [paint(behind), paint([...behind, getComputedStyle(element).color])].map(luminance);
    const contrast = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${texts.currentNode.data.trim()}`);
  }
  return faults;
})()
