// A command that tern measure ran: it has no tokens, but what it took, and how sure that is.

import {el, section, table} from './dom.js';
import {NOT_MEASURED, attributed, significant} from './format.js';

function figures(command) {
  const columns = [{title: 'Figure', head: true}, {title: 'Mean', number: true}, {title: 'sd', number: true},
    {title: '95 % interval', number: true}, {title: 'Repetitions', number: true}];
  const rows = command.figures.map((figure) => [figure.name, significant(figure.mean, 5),
    significant(figure.stddev, 3), figure.low === undefined ? NOT_MEASURED
      : `${significant(figure.low, 5)} to ${significant(figure.high, 5)}`, String(figure.n)]);
  return table('What the command took', columns, rows);
}

function repetitions(trials) {
  const columns = [{title: '#', head: true, number: true}, {title: 'Command'}, {title: 'Wall time, s', number: true},
    {title: 'User CPU, s', number: true}, {title: 'System CPU, s', number: true},
    {title: 'Peak memory, MiB', number: true}, {title: 'J', number: true}, {title: 'u abs.', number: true},
    {title: 'u cmp.', number: true}, {title: 'Exit code', number: true}];
  const rows = trials.map(({order_index: index, test, elapsed_ns: ns, command, energy}) => [
    String(index), el('code', {}, test), significant(ns / 1e9), significant(command.user_ns / 1e9),
    significant(command.system_ns / 1e9), significant(command.peak_rss_bytes / 2 ** 20),
    significant(energy.joules) + attributed(energy), significant(energy.u_abs, 2), significant(energy.u_cmp, 2),
    String(command.exit_code)]);
  return table('Repetitions of the command in the order they ran', columns, rows);
}

export function commandSections(run) {
  if (!run.command) return [];
  return [
    section('What it took', figures(run.command),
      el('ul', {class: 'notes'}, run.command.notes.map((note) => el('li', {}, note)))),
    section('Repetitions', repetitions(run.trials.filter((trial) => trial.command)))];
}
