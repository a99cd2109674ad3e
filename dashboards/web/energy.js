// Joules: what they are, how they were obtained, how sure they are, and what they leave out.

import {el, section, table} from './dom.js';
import {NOT_MEASURED, count, fixed, interval, percent, significant, times} from './format.js';

// A figure of two digits, as uncertainties have.
const u = (value) => significant(value, 2);

// "66.7 % = 1 − 1.001 / 3.004": how much of the saving is the speed-up alone.
function identity(comparison) {
  const {power, speed, only_speedup: only, text} = comparison.identity;
  const sentence = text ? text[0].toUpperCase() + text.slice(1) + '.' : '';
  return [el('p', {class: 'identity'}, `saving ${percent(comparison.energy_saved)} = 1 − (W ratio) / (t/s ratio) = `,
    `1 − ${fixed(power.value, 3)} / ${fixed(speed.value, 3)}`),
    sentence ? el('p', {class: only ? 'notice' : 'dim'}, sentence) : null];
}

function withMeter(ratio) {
  if (ratio.u_cmp === undefined) return 'The uncertainty of the meter is not recorded.';
  const wide = ratio.low_with_meter === undefined ? ''
    : `: with it ${fixed(ratio.low_with_meter, 3)} to ${fixed(ratio.high_with_meter, 3)}`;
  return `Meter, u cmp. ${significant(ratio.u_cmp * 100, 2)} % of the ratio${wide}.`;
}

// Of the card of one comparison.
export function energyOfComparison(test, comparison) {
  const ratio = comparison.j_per_token;
  if (!ratio) {
    const measured = test.rows.some((row) => row.energy.status === 'measured');
    return el('div', {class: 'energy'}, el('p', {},
      el('strong', {}, measured ? 'No ratio of joules' : `Energy ${NOT_MEASURED}`), el('br'),
      comparison.why_no_j_per_token));
  }
  return el('div', {class: 'energy'},
    el('p', {}, el('strong', {}, `${times(ratio)} the energy per token`),
      ` (${comparison.energy_saved >= 0 ? 'saves' : 'costs'} ${percent(Math.abs(comparison.energy_saved))})`, el('br'),
      `95 % interval ${interval(ratio)}, ${count(ratio.pairs, 'pair')}`, el('br'), withMeter(ratio)),
    identity(comparison));
}

const columns = [{title: 'Test', head: true}, {title: 'Phase'}, {title: 'Subject'}, {title: 'J/token', number: true},
  {title: 'u abs.', number: true}, {title: 'u cmp.', number: true}, {title: 'W', number: true},
  {title: 'tok/J', number: true}, {title: 'Trials', number: true}, {title: 'How'}];

function dynamicCells(energy) {
  const dynamic = energy.dynamic;
  if (!dynamic) return Array(4).fill(NOT_MEASURED);
  return [fixed(dynamic.idle_w, 2), dynamic.below_resolution ? 'below resolution' : significant(dynamic.j_per_token),
    u(dynamic.u_abs), u(dynamic.u_cmp)];
}

const measured = (energy) => energy.status !== 'not_measured';

function row(test, of) {
  const energy = of.energy;
  const there = (text) => (measured(energy) ? text : NOT_MEASURED);
  return [test.test, test.phase, of.subject, there(significant(energy.j_per_token)), u(energy.u_abs), u(energy.u_cmp),
    there(fixed(energy.w, 1)), there(significant(energy.tokens_per_j, 3)), `${energy.trials ?? 0} of ${of.trials}`,
    there(`${energy.status} by ${energy.source} (${energy.coverage})`)];
}

function totals(rows) {
  const whys = rows.some(({of}) => of.energy.why);
  return table('Energy of each subject in each test', whys ? [...columns, {title: 'What is missing, and why'}] : columns,
    rows.map(({test, of}) => (whys ? [...row(test, of), of.energy.why ?? ''] : row(test, of))));
}

// Beside the totals and never alone, since idle power is paid all the same.
function dynamics(rows, idle) {
  const why = [...new Set(rows.map(({of}) => of.energy.why_no_dynamic).filter((text) => text))];
  const reasons = why.map((text) => el('p', {class: 'notice'},
    el('strong', {}, `Dynamic energy ${NOT_MEASURED}. `), text));
  if (!rows.some(({of}) => of.energy.dynamic)) return reasons;
  const drift = idle?.drift_w === undefined ? 'not known' : `${idle.drift_w >= 0 ? '+' : ''}${fixed(idle.drift_w, 2)} W`;
  const titles = [...columns.slice(0, 3), {title: 'Idle W', number: true}, {title: 'Dynamic J/token', number: true},
    {title: 'u abs.', number: true}, {title: 'u cmp.', number: true}];
  return [
    el('h3', {}, 'Without idle power'),
    table('Dynamic energy of each subject in each test', titles,
      rows.map(({test, of}) => [test.test, test.phase, of.subject, ...dynamicCells(of.energy)])),
    idle?.mean_w === undefined ? null : el('p', {class: 'dim'},
      `Idle ${fixed(idle.mean_w, 2)} W with models loaded and threads parked, mean of ${count(idle.windows, 'window')}, `,
      `s ${fixed(idle.stddev_w, 2)} W, drift from before to after ${drift}. Dynamic = total − idle W × time.`),
    ...reasons];
}

// What counts, what does not, and what the uncertainties take on faith.
function meter(run, rows) {
  const domains = run.meter.domains;
  const known = rows.some(({of}) => of.energy.u_abs !== undefined);
  const disagreements = new Set(run.trials.map((trial) => trial.energy.disagreement).filter((text) => text));
  return [
    ...[...disagreements].map((text) => el('p', {class: 'notice bad'},
      el('strong', {}, 'Two meters of the same counters disagreed. '), text)),
    el('p', {class: 'dim'}, known
      ? 'u: one standard uncertainty of the meter, J/token; abs. with the gain of its sensor, cmp. without, since a ' +
        'common factor cancels in a ratio. How trials scatter is in the intervals of the ratios.'
      : 'The uncertainty of the meter is not recorded in every trial.',
    run.meter.assumptions.length ? ` Assumed, not calibrated: ${run.meter.assumptions.join('; ')}.` : ''),
    domains.length ? el('details', {}, el('summary', {}, `What is in the total: ${count(domains.length, 'domain')}`),
      table('Domains of the meter', [{title: 'Domain', head: true}, {title: 'In the total'}, {title: 'Why not'}],
        domains.map((domain) => [domain.name, domain.included ? 'yes' : 'no', domain.why ?? '']))) : null];
}

// One sentence where all rows lack it for one reason, tables otherwise.
export function energies(run) {
  const rows = run.tests.flatMap((test) => test.rows.map((of) => ({test, of})));
  if (!rows.length) return null;
  const whys = new Set(rows.map(({of}) => of.energy.why ?? ''));
  if (whys.size === 1 && rows.every(({of}) => !measured(of.energy))) {
    return section('Energy', el('p', {class: 'notice'}, el('strong', {}, `Energy ${NOT_MEASURED}. `), [...whys][0]));
  }
  return section('Energy', totals(rows), ...meter(run, rows), ...dynamics(rows, run.meter.idle));
}
