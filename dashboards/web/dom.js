// Elements from data. Text only ever becomes text nodes: nothing a record holds is read as markup.

// el("a", {href: "#/", class: "x"}, "text", child, …); null and undefined children are left out.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, '');
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// columns: [{title, number, head}]; rows: arrays of cells, each text or an element. A caption names the
// table to those who cannot see it; wide ones scroll in a box of their own that the keyboard can reach.
export function table(caption, columns, rows) {
  const kind = (column) => (column.number ? {class: 'number'} : {});
  const head = el('tr', {}, columns.map((column) => el('th', {scope: 'col', ...kind(column)}, column.title)));
  const body = rows.map((cells) => el('tr', {}, cells.map((cell, i) =>
    columns[i].head ? el('th', {scope: 'row', ...kind(columns[i])}, cell) : el('td', kind(columns[i]), cell))));
  return el('div', {class: 'scroll', role: 'region', 'aria-label': caption, tabindex: '0'},
    el('table', {}, el('caption', {class: 'unseen'}, caption), el('thead', {}, head), el('tbody', {}, body)));
}

export function section(title, ...children) {
  return el('section', {}, el('h2', {}, title), ...children);
}
