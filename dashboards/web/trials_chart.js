// Tokens per second of each trial in the order they ran, drawn by Chart.js: one series per subject, told
// apart by colour and by shape. The table with the same numbers stands beside it.

// More shapes than colours: together they tell apart more subjects than either.
const SHAPES = ['circle', 'triangle', 'rect', 'star', 'rectRot'];

const charts = [];  // {canvas, trials, chart}

// What a colour of the style sheet is right now; a canvas understands neither variables nor pairs.
function colour(name) {
  const probe = document.body.appendChild(document.createElement('span'));
  probe.style.color = `var(${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function series(trials) {
  const subjects = [...new Set(trials.map((trial) => trial.subject))];
  return subjects.map((subject, i) => {
    const tint = colour(`--series-${(i % 4) + 1}`);
    return {
      label: subject,
      data: trials.filter((trial) => trial.subject === subject && Number.isFinite(trial.tokens_per_s))
        .map((trial) => ({x: trial.order_index, y: trial.tokens_per_s, pair: trial.pair})),
      pointStyle: SHAPES[i % SHAPES.length],
      pointRadius: 5,
      pointHoverRadius: 7,
      borderColor: tint,
      backgroundColor: tint,
      borderWidth: 1.5,
      showLine: true,
    };
  });
}

function axis(title) {
  return {
    title: {display: true, text: title, color: colour('--dim')},
    ticks: {color: colour('--dim'), precision: 0},
    grid: {color: colour('--line')},
  };
}

function configuration(trials) {
  return {
    type: 'scatter',
    data: {datasets: series(trials)},
    options: {
      animation: false,
      maintainAspectRatio: false,
      scales: {x: axis('position in the study'), y: {...axis('tokens per second'), beginAtZero: true}},
      plugins: {
        legend: {
          align: 'start',
          labels: {color: colour('--ink'), usePointStyle: true, boxWidth: 8, boxHeight: 8},
        },
        tooltip: {
          callbacks: {
            label: ({dataset, raw}) => `${dataset.label}: ${raw.y.toFixed(2)} t/s (trial ${raw.x}, pair ${raw.pair})`,
          },
        },
      },
    },
  };
}

// Remembers what to draw on the canvas; redrawCharts() draws once it is on the page.
export function addTrialsChart(canvas, trials) {
  charts.push({canvas, trials, chart: null});
}

// Draws all charts with the colours of now, and forgets those that have left the page.
export function redrawCharts() {
  globalThis.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  for (let i = charts.length - 1; i >= 0; --i) {
    const entry = charts[i];
    entry.chart?.destroy();
    if (!entry.canvas.isConnected) charts.splice(i, 1);
    else entry.chart = new globalThis.Chart(entry.canvas, configuration(entry.trials));
  }
}
