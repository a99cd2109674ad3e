// All stored runs, newest first.

import {el, table} from './dom.js';
import {count, interval, showsNoDifference, significant, statusText, times, utc} from './format.js';

export function status(text) {
  return el('span', {class: `status ${/^[a-z]+$/.test(text) ? text : ''}`}, statusText(text));
}

// Of a command: how long, and joules or that there are none.
function commandCell(figures) {
  const shown = figures.filter((figure) => ['wall time, s', 'energy, J'].includes(figure.name));
  return el('ul', {class: 'plain'}, shown.map((figure) => el('li', {},
    el('strong', {}, significant(figure.mean)), ' ',
    el('span', {class: 'dim'}, figure.name,
      figure.low === undefined ? '' : `, ${significant(figure.low)} to ${significant(figure.high)}`))));
}

function ratioCell(run) {
  if (run.command) return commandCell(run.command);
  if (!run.ratios.length) return el('span', {class: 'dim'}, 'none');
  const several = new Set(run.ratios.map((entry) => entry.second)).size > 1;
  const what = (entry) => several ? `${entry.test} over ${entry.second}` : entry.test;
  return el('ul', {class: 'plain'}, run.ratios.map((entry) => el('li', {},
    el('strong', {}, times(entry.tokens_per_s)), ' ',
    el('span', {class: 'dim'}, `${what(entry)}, `, interval(entry.tokens_per_s),
      showsNoDifference(entry.tokens_per_s) ? ', no difference shown' : '',
      entry.j_per_token ? `; J/token ${times(entry.j_per_token)}` : ''))));
}

function row(run) {
  return [
    el('a', {href: `#/run/${run.id}`, title: run.id}, utc(run.created)),
    status(run.status),
    run.models || 'unknown',
    run.tests || 'none',
    ratioCell(run),
    String(run.trials),
    run.machine || 'unknown',
  ];
}

function pager(page) {
  const end = page.offset + page.runs.length;
  const links = [];
  if (page.offset > 0) {
    links.push(el('a', {href: `#/runs/${Math.max(0, page.offset - 100)}`, rel: 'prev'}, 'Newer runs'));
  }
  if (end < page.total) links.push(el('a', {href: `#/runs/${end}`, rel: 'next'}, 'Older runs'));
  return links.length ? el('nav', {class: 'pager', 'aria-label': 'More runs'}, links) : null;
}

function emptyPage(page) {
  if (page.total > 0) return el('p', {}, `There are only ${count(page.total, 'run')}.`);
  return el('div', {class: 'notice'}, el('p', {}, 'Nothing has been measured yet. This keeps a first run:'),
    el('pre', {}, 'tern bench --quick'));
}

export function runsPage(page) {
  const first = page.offset + 1;
  const last = page.offset + page.runs.length;
  const lead = page.runs.length === page.total ? count(page.total, 'run')
    : `runs ${first} to ${last} of ${page.total}`;
  const columns = [{title: 'Created (UTC)', head: true}, {title: 'Status'}, {title: 'Models'}, {title: 'Tests'},
    {title: 'Ratio of t/s, or what a command took; 95 % interval'}, {title: 'Trials', number: true}, {title: 'Machine'}];
  const body = [el('h1', {tabindex: '-1'}, 'Runs')];
  if (page.runs.length) {
    body.push(el('p', {class: 'lead'}, `${lead}, newest first`), table('Stored runs', columns, page.runs.map(row)),
      pager(page));
  } else {
    body.push(emptyPage(page));
  }
  return {title: 'Runs', body: body.filter((part) => part !== null)};
}
