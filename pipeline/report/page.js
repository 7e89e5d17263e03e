'use strict';
(() => {
  const tip = document.getElementById('tip');
  const hide = () => { tip.hidden = true; document.querySelectorAll('.cursor').forEach((line) => line.remove()); };
  const show = (text, event) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    const top = event.clientY + 14 + box.height > innerHeight ? event.clientY - 14 - box.height : event.clientY + 14;
    tip.style.left = Math.max(4, left) + 'px';
    tip.style.top = Math.max(4, top) + 'px';
  };
  const valueOf = (cell) => cell.dataset.n === undefined ? NaN : Number(cell.dataset.n);

  // Charts: the nearest row of the chart's own table.
  document.querySelectorAll('figure.chart').forEach((figure) => {
    const svg = figure.querySelector('svg.plot');
    if (!svg) return;
    svg.addEventListener('pointerleave', hide);
    const form = figure.dataset.form;
    if (form === 'parts') {
      svg.addEventListener('pointermove', (event) => {
        const part = event.target.closest('[data-tip]');
        if (part) show(part.dataset.tip, event); else hide();
      });
      return;
    }
    const [left, top, width, height, x0, x1, y0, y1, logX, logY] = svg.dataset.frame.split(' ').map(Number);
    const names = [...figure.querySelectorAll('thead th')].map((cell) => cell.textContent);
    const rows = [...figure.querySelectorAll('tbody tr')].map((row) => [...row.children]);
    const share = (value, low, high, log) => log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const acrossOf = (value) => left + width * share(value, x0, x1, logX);
    const upOf = (value) => top + height * (1 - share(value, y0, y1, logY));
    svg.addEventListener('pointermove', (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let best = null, nearest = Infinity;
      for (const row of rows) {
        const x = acrossOf(valueOf(row[form === 'x' ? 0 : 1]));
        const distance = form === 'x' ? Math.abs(x - at.x) : Math.hypot(x - at.x, upOf(valueOf(row[2])) - at.y);
        if (distance < nearest) { nearest = distance; best = row; }
      }
      hide();
      if (!best) return;
      const x = acrossOf(valueOf(best[form === 'x' ? 0 : 1]));
      const cursor = document.createElementNS('http://www.w3.org/2000/svg', 'line');
      for (const [name, value] of Object.entries({class: 'cursor', x1: x, x2: x, y1: top, y2: top + height})) cursor.setAttribute(name, value);
      svg.appendChild(cursor);
      show(best.map((cell, i) => names[i] + ': ' + cell.textContent).filter((_, i) => best[i].textContent !== '-').join('\n'), event);
    });
  });

  // Sorting: numbers by their values, what has none last.
  document.querySelectorAll('table.sortable').forEach((table) => {
    table.querySelectorAll('thead th button').forEach((button, column) => {
      button.addEventListener('click', () => {
        const head = button.parentElement;
        const down = head.getAttribute('aria-sort') === 'ascending';
        table.querySelectorAll('thead th').forEach((other) => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const sign = down ? -1 : 1, body = table.tBodies[0];
        const order = (a, b) => {
          const x = valueOf(a.children[column]), y = valueOf(b.children[column]);
          if (Number.isNaN(x) && Number.isNaN(y)) return sign * a.children[column].textContent.localeCompare(b.children[column].textContent);
          if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
          return sign * (x - y);
        };
        [...body.rows].sort(order).forEach((row) => body.appendChild(row));
      });
    });
  });

  document.querySelectorAll('button.copy').forEach((button) => {
    button.addEventListener('click', async () => {
      const code = button.closest('.code').querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = 'Selected';
      }
    });
  });
})();
