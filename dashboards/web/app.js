// The address after '#' decides what is shown: #/ or #/runs/OFFSET, and #/run/ID.

import {el} from './dom.js';
import {runPage} from './run.js';
import {runsPage} from './runs.js';
import {redrawCharts} from './trials_chart.js';
import {startTheme} from './theme.js';

const content = document.getElementById('content');
let newest = 0;  // answers to older requests are dropped

async function get(path) {
  const response = await fetch(path, {headers: {Accept: 'application/json'}});
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? `status ${response.status}`);
  return body;
}

async function pageFor(hash) {
  const run = /^#\/run\/([0-9a-f-]{1,36})$/.exec(hash);
  if (run) return runPage(await get(`api/runs/${run[1]}`));
  const runs = /^#\/runs\/(\d{1,9})$/.exec(hash);
  if (runs || hash === '' || hash === '#' || hash === '#/') {
    const offset = runs ? Number(runs[1]) : 0;
    return runsPage(await get(`api/runs?offset=${offset}`));
  }
  throw new Error(`there is no page at ${hash}`);
}

function failure(error) {
  return {
    title: 'Not shown',
    body: [el('h1', {tabindex: '-1'}, 'This cannot be shown'),
      el('p', {class: 'notice bad', role: 'alert'}, error.message),
      el('p', {}, el('a', {href: '#/'}, 'All runs'))],
  };
}

async function show(moveFocus) {
  const mine = ++newest;
  content.setAttribute('aria-busy', 'true');
  let page;
  try {
    page = await pageFor(location.hash);
  } catch (error) {
    page = failure(error);
  }
  if (mine !== newest) return;
  document.title = `${page.title} · Tern`;
  content.replaceChildren(...page.body);
  content.removeAttribute('aria-busy');
  redrawCharts();
  window.scrollTo(0, 0);
  if (moveFocus) content.querySelector('h1')?.focus();
}

document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();  // the address names a page, not a place on it
  content.focus();
});
startTheme(document.getElementById('theme'), redrawCharts);
window.addEventListener('hashchange', () => show(true));
show(false);
