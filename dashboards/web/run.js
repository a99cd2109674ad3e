// One run: the comparison first, then what it rests on.

import {commandSections} from './command.js';
import {el, section, table} from './dom.js';
import {energies, energyOfComparison} from './energy.js';
import {NOT_MEASURED, attributed, count, fixed, flatten, interval, percent, plusMinus, shortId, showsNoDifference,
  significant, times, utc} from './format.js';
import {status} from './runs.js';
import {addTrialsChart} from './trials_chart.js';

function facts(pairs) {
  return el('dl', {class: 'facts'}, pairs.map(([term, text]) => el('div', {}, el('dt', {}, term), el('dd', {}, text))));
}

// Of a command (tern measure) the words that ran.
const models = (run) =>
  [...new Set(run.subjects.map((subject) => subject.model ?? subject.description ?? subject.name))].join(', ');

function head(run) {
  const engine = run.command ? [] : [['Kernels', run.tern.kernels ?? 'unknown'],
    ['Threads', String(run.protocol.threads ?? 'unknown')]];
  const parts = [
    el('p', {class: 'crumbs'}, el('a', {href: '#/'}, 'Runs'), ' / ', el('code', {}, run.id)),
    el('h1', {tabindex: '-1'}, models(run) || `Run ${shortId(run.id)}`),
    facts([['Status', status(run.status)], ['Created (UTC)', utc(run.created)],
      ['Machine', run.machine.cpu?.name ?? 'unknown'], ...engine]),
  ];
  if (run.reasons.length || run.notes.length) {
    parts.push(el('ul', {class: `notice ${run.status === 'ok' ? '' : 'bad'}`},
      [...run.reasons, ...run.notes].map((reason) => el('li', {}, String(reason)))));
  }
  if (!run.command && (run.tern.optimized === false || run.tern.sanitizer)) {
    parts.push(el('p', {class: 'notice'}, 'Made by a debug or sanitizer build: these are not numbers to compare with.'));
  }
  return parts;
}

// With several baselines each card names its own, whatever its verdict.
function comparisonCard(test, comparison) {
  const ratio = comparison.tokens_per_s;
  const verdict = showsNoDifference(ratio) ? 'the interval holds 1: no difference shown'
    : `${comparison.first} over ${comparison.second}, tokens per second`;
  const title = test.further_comparisons ? `${test.test}, ${comparison.first} / ${comparison.second}` : test.test;
  return el('article', {class: 'card'}, el('h3', {}, title),
    el('p', {class: 'figure'}, times(ratio)),
    el('p', {}, verdict, el('br'), `95 % interval ${interval(ratio)}, ${count(ratio.pairs, 'pair')}`),
    energyOfComparison(test, comparison));
}

// One for each baseline.
function cards(test) {
  if (!test.comparison) {
    return [el('article', {class: 'card'}, el('h3', {}, test.test),
      el('p', {}, el('strong', {}, 'No ratio'), el('br'), test.why_no_comparison ?? 'nothing to compare with'))];
  }
  return [test.comparison, ...(test.further_comparisons ?? [])].map((comparison) => comparisonCard(test, comparison));
}

function comparisons(run) {
  if (!run.tests.length) return null;
  return section('Ratio', el('div', {class: 'cards'}, run.tests.flatMap(cards)));
}

function speeds(run) {
  if (!run.tests.length) return null;
  const columns = [{title: 'Test', head: true}, {title: 'Subject'}, {title: 'Trials', number: true},
    {title: 't/s, mean ± sd', number: true}, {title: 'GB/s', number: true},
    {title: 'Share of read bandwidth', number: true}, {title: 'Logits hash'}];
  const rows = run.tests.flatMap((test) => test.rows.map((row) => [
    test.test, row.subject, String(row.trials), plusMinus(row.tokens_per_s, row.tokens_per_s_stddev),
    fixed(row.gb_per_s, 2), row.roofline_share === undefined ? NOT_MEASURED : percent(row.roofline_share),
    row.logits_hash ? el('code', {}, row.logits_hash) : 'not recorded']));
  const cached = run.tests.some((test) => test.rows.some((row) => row.roofline_share > 1));
  return section('Speed', table('Speed of each subject in each test', columns, rows),
    cached ? el('p', {class: 'dim'}, 'More than 100 % of the read bandwidth: these bytes come from the caches.') : '');
}

function trialsTable(name, trials) {
  const columns = [{title: '#', head: true, number: true}, {title: 'Pair', number: true}, {title: 'Subject'},
    {title: 't/s', number: true}, {title: 'ms', number: true}, {title: 'Tokens', number: true},
    {title: 'J', number: true}, {title: 'J/token', number: true}];
  const rows = trials.map((trial) => {
    const measured = trial.energy.status !== 'not_measured';
    const joules = (value) => measured ? significant(value) + attributed(trial.energy)
      : el('span', {title: trial.energy.why ?? ''}, NOT_MEASURED);
    return [String(trial.order_index), String(trial.pair), trial.subject, fixed(trial.tokens_per_s, 2),
      fixed(trial.elapsed_ns / 1e6, 3), String(trial.tokens), joules(trial.energy.joules),
      joules(trial.energy.j_per_token)];
  });
  return table(`Trials of ${name} in the order they ran`, columns, rows);
}

function trialsFigure(name, trials) {
  const canvas = el('canvas', {role: 'img',
    'aria-label': `Tokens per second of ${count(trials.length, 'trial')} of ${name}; the table below has the numbers`});
  addTrialsChart(canvas, trials);
  return el('figure', {}, el('figcaption', {}, el('h3', {}, name)), el('div', {class: 'plot'}, canvas),
    el('details', {}, el('summary', {}, `Table of ${count(trials.length, 'trial')}`), trialsTable(name, trials)));
}

function trials(run) {
  if (!run.trials.length) return run.evals.length ? null : section('Trials', el('p', {}, 'No trial was finished.'));
  const ofModels = run.trials.filter((trial) => !trial.command);
  if (!ofModels.length) return null;
  const names = [...new Set(ofModels.map((trial) => trial.test))];
  return section('Trials in order', ...names.map((name) =>
    trialsFigure(name, ofModels.filter((trial) => trial.test === name))));
}

function scoreRows(entry) {
  const energy = entry.energy ?? {status: 'not_measured'};
  const joules = energy.status === 'not_measured' ? NOT_MEASURED
    : significant(energy.j_per_question) + attributed(energy);
  const shared = [entry.items === undefined ? 'unknown' : `${entry.items} of ${entry.documents ?? 'unknown'}`,
    fixed(entry.s_per_question, 2), joules];
  if (!entry.scores.length) return [[entry.task, entry.subject ?? '', '', '', 'no item was scored', ...shared]];
  return entry.scores.map((score) => [entry.task, entry.subject ?? '', score.filter, score.metric,
    plusMinus(score.value, score.stderr, 4), ...shared]);
}

function scores(run) {
  if (!run.evals.length) return null;
  const columns = [{title: 'Task', head: true}, {title: 'Subject'}, {title: 'Filter'}, {title: 'Metric'},
    {title: 'Score ± standard error', number: true}, {title: 'Questions', number: true},
    {title: 's/question', number: true}, {title: 'J/question', number: true}];
  const whys = new Set(run.evals.map((entry) => entry.energy?.why).filter((why) => why));
  return section('Scores', table('Scores of each task', columns, run.evals.flatMap(scoreRows)),
    ...[...whys].map((why) => el('p', {class: 'notice'}, el('strong', {}, `Energy ${NOT_MEASURED}. `), why)));
}

function environment(run) {
  const before = new Map(flatten(run.environment.before ?? {}));
  const after = new Map(flatten(run.environment.after ?? {}));
  const keys = [...new Set([...before.keys(), ...after.keys()])].filter((key) => key !== '');
  if (!keys.length) return section('Environment', el('p', {}, 'Nothing about it is recorded.'));
  const columns = [{title: 'Fact', head: true}, {title: 'Before'}, {title: 'After'}];
  return section('Environment', table('The environment before and after the run', columns,
    keys.map((key) => [key, before.get(key) ?? 'not read', after.get(key) ?? 'not read'])));
}

function details(title, value) {
  const rows = flatten(value).filter(([key]) => key !== '');
  if (!rows.length) return null;
  return el('details', {}, el('summary', {}, title),
    table(title, [{title: 'Fact', head: true}, {title: 'Value'}], rows));
}

function provenance(run) {
  const parts = [details('Machine', run.machine), details('Build', run.tern), details('Protocol', run.protocol),
    ...run.subjects.map((subject) => details(`Subject ${subject.name}`, subject))];
  return section('How it was made', ...parts.filter((part) => part !== null));
}

export function runPage(run) {
  const sections = [comparisons(run), ...commandSections(run), trials(run), speeds(run), energies(run), scores(run),
    environment(run), provenance(run)];
  return {title: models(run) || shortId(run.id), body: [...head(run), ...sections.filter((part) => part !== null)]};
}
