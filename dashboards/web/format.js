// Values as people read them. What is absent is said to be absent, never shown as a zero.

export const NOT_MEASURED = 'not measured';

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

export function fixed(value, digits) {
  return isNumber(value) ? value.toFixed(digits) : NOT_MEASURED;
}

// So many significant digits, without an exponent in the usual range.
export function significant(value, digits = 4) {
  if (!isNumber(value)) return NOT_MEASURED;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-6 || size >= 1e9)) return value.toExponential(digits - 1);
  const whole = size === 0 ? 1 : Math.floor(Math.log10(size)) + 1;
  return value.toFixed(Math.max(0, digits - whole));
}

export function plusMinus(value, spread, digits = 2) {
  if (!isNumber(value)) return NOT_MEASURED;
  return isNumber(spread) ? `${value.toFixed(digits)} ± ${spread.toFixed(digits)}` : value.toFixed(digits);
}

export const percent = (share, digits = 1) => `${fixed(share * 100, digits)} %`;

// Somebody's share of a meter is not a reading of it, and is never shown as one.
export const attributed = (energy) => (energy.status === 'attributed' ? ' (attributed)' : '');

export const times = (ratio) => `${fixed(ratio.value, 3)}×`;

export function interval(ratio) {
  if (!isNumber(ratio.low) || !isNumber(ratio.high)) return ratio.why_no_interval ?? 'no interval';
  return `${fixed(ratio.low, 3)} to ${fixed(ratio.high, 3)}`;
}

// An interval that holds 1 shows no difference.
export const showsNoDifference = (ratio) => isNumber(ratio.low) && ratio.low <= 1 && ratio.high >= 1;

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

// "2026-01-31T12:34:56.789Z" as "2026-01-31 12:34:56"; what is no such time stays as it is.
export function utc(time) {
  const parts = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d+)?Z$/.exec(time ?? '');
  return parts ? `${parts[1]} ${parts[2]}` : String(time ?? 'unknown');
}

export const shortId = (id) => `${id.slice(0, 8)}…${id.slice(-4)}`;

export function statusText(status) {
  return status === 'running' ? 'running or cut off' : status;
}

// {a: {b: 1}} as [["a.b", "1"]].
export function flatten(value, path = '') {
  if (value === null || typeof value !== 'object') return [[path, String(value)]];
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== 'object')) {
    return [[path, value.length ? value.join(', ') : 'none']];
  }
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path ? `${path}.${key}` : key));
}
