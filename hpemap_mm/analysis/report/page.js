'use strict';
// The page reads without this script; it adds details on demand, sorting and larger pictures.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Details of a cell, below its matrix.
  for (const matrix of all('.matrix')) {
    const pane = matrix.querySelector('.pane');
    const links = all('.heat a', matrix);
    const close = () => {
      const current = links.find((link) => link.hasAttribute('aria-current') && link.offsetParent);
      pane.hidden = true;
      for (const link of links) link.removeAttribute('aria-current');
      if (current) current.focus();
    };
    const open = (target) => {
      const copy = document.getElementById(target).cloneNode(true);
      copy.removeAttribute('id');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'close';
      button.textContent = 'close';
      button.addEventListener('click', close);
      pane.replaceChildren(button, copy);
      pane.hidden = false;
      for (const link of links) {
        if (link.hash === `#${target}`) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    };
    for (const link of links) {
      link.addEventListener('click', (event) => {
        event.preventDefault();
        if (link.hasAttribute('aria-current')) close();
        else {
          open(link.hash.slice(1));
          pane.scrollIntoView({ block: 'nearest' });
        }
      });
    }
  }

  // A folded section opens when its entry in the contents is followed.
  const unfold = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const folded = target && target.querySelector(':scope > details');
    if (folded) folded.open = true;
  };
  addEventListener('hashchange', unfold);
  unfold();
  for (const link of all('nav a')) link.addEventListener('click', () => setTimeout(unfold));

  // Tooltips, for a mouse and for the keyboard.
  const tip = document.getElementById('tip');
  const show = (element) => {
    tip.textContent = element.dataset.tip;
    tip.hidden = false;
    const at = element.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
    const above = at.top - own.height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : Math.min(at.bottom + 8, innerHeight - own.height - 8)}px`;
  };
  const hide = () => { tip.hidden = true; };
  const tipped = (event) => event.target.closest && event.target.closest('[data-tip]');
  document.addEventListener('pointerover', (event) => {
    const element = event.pointerType === 'mouse' && tipped(event);
    if (element) show(element); else hide();
  });
  document.addEventListener('focusin', (event) => {
    const element = tipped(event);
    if (element && element.matches(':focus-visible')) show(element); else hide();
  });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
  document.addEventListener('click', (event) => {
    const element = tipped(event);
    if (element && !element.matches('a')) show(element);
  });
  addEventListener('scroll', hide, { passive: true, capture: true });

  // Tables sort by a click on a heading, again for the other way; what is not known stays last.
  for (const table of all('.sortable')) {
    const headings = all('thead th', table);
    headings.forEach((heading, column) => {
      const numeric = heading.classList.contains('num');
      heading.querySelector('button').addEventListener('click', () => {
        const before = heading.getAttribute('aria-sort');
        const first = numeric ? 'descending' : 'ascending';
        const second = numeric ? 'ascending' : 'descending';
        const order = before === first ? second : first;
        for (const other of headings) other.setAttribute('aria-sort', other === heading ? order : 'none');
        const sign = order === 'ascending' ? 1 : -1;
        const key = (row) => row.cells[column].dataset.v;
        const compare = (a, b) => {
          const [x, y] = [key(a), key(b)];
          if (x === '' || y === '') return (x === '') - (y === '');
          return sign * (numeric ? Number(x) - Number(y) : x.localeCompare(y, 'en', { numeric: true }));
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort(compare));
      });
    });
  }

  // Pictures at full size.
  const dialog = document.getElementById('enlarged');
  for (const button of all('.enlarge')) {
    button.addEventListener('click', () => {
      const image = button.querySelector('img').cloneNode();
      const caption = document.createElement('p');
      caption.textContent = image.alt;
      dialog.replaceChildren(image, caption);
      dialog.showModal();
    });
  }
  dialog.addEventListener('click', () => dialog.close());
})();
