// Draws a rehearsal's charts from the numbers in the page, and writes the same numbers as tables when they are asked for.
"use strict";

(() => {
  const { charts, kills, end } = JSON.parse(document.getElementById("numbers").textContent);
  const MINUTES_FROM = 180;
  const TICKS_MAX = 8;
  const NAMES_IN_A_COLUMN = 4;
  const PAPER_PIXELS = 2;
  // Lines differ in more than colour.
  const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
  // Steps of time that people count in; Chart.js would take 50 s for one.
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
  const step = STEPS.find((each) => end / each <= TICKS_MAX);
  const long = end >= MINUTES_FROM;
  const figures = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const drawn = [];
  // One scale for all that are compared, from one power of ten to another.
  const compared = charts.filter((each) => each.logarithmic).flatMap((each) => each.lines.flatMap((line) => line.values));
  const powers = compared.filter((value) => value > 0).map(Math.log10);
  const lowest = 10 ** Math.floor(Math.min(...powers));
  const highest = 10 ** Math.ceil(Math.max(...powers));

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const colour = (n) => style(`line-${(n % 8) + 1}`);
  const isPower = (value) => Math.abs(Math.log10(value) % 1) < 1e-9;
  const alone = (values, at) => values[at] !== null && values[at - 1] == null && values[at + 1] == null;
  const clock = (seconds) =>
    long
      ? `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`
      : figures.format(seconds);

  // A tint from each kill to when booking was back, and a dashed line with the name of what was killed.
  const killLines = {
    id: "kills",
    beforeDatasetsDraw({ ctx, chartArea, scales }) {
      ctx.save();
      ctx.globalAlpha = 0.14;
      ctx.fillStyle = style("bad");
      for (const { at, back } of kills) {
        const from = scales.x.getPixelForValue(at);
        const until = scales.x.getPixelForValue(back === null ? end : Math.min(at + back, end));
        ctx.fillRect(from, chartArea.top, until - from, chartArea.height);
      }
      ctx.restore();
    },
    afterDatasetsDraw({ ctx, chartArea, scales }, _, { names }) {
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = style("bad");
      ctx.font = `600 11px ${Chart.defaults.font.family}`;
      ctx.textBaseline = "top";
      ctx.setLineDash([4, 3]);
      kills.forEach(({ name, at }, n) => {
        const x = scales.x.getPixelForValue(at);
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
        if (!names) return;
        // One below the other, so that names of kills that follow each other do not overlap.
        const fits = x + 4 + ctx.measureText(name).width < chartArea.right;
        ctx.textAlign = fits ? "left" : "right";
        ctx.fillText(name, x + (fits ? 4 : -4), chartArea.top + 2 + (n % NAMES_IN_A_COLUMN) * 13);
      });
      ctx.restore();
    },
  };

  // The count at the end of each bar.
  const counts = {
    id: "counts",
    afterDatasetsDraw(chart) {
      const { ctx } = chart;
      ctx.save();
      ctx.fillStyle = style("ink");
      ctx.font = `600 12px ${Chart.defaults.font.family}`;
      ctx.textBaseline = "middle";
      chart.getDatasetMeta(0).data.forEach((bar, n) => {
        ctx.fillText(figures.format(chart.data.datasets[0].data[n]), bar.x + 6, bar.y);
      });
      ctx.restore();
    },
  };

  function amounts({ kind, logarithmic, unit }) {
    const inLine = style("line");
    return {
      type: logarithmic ? "logarithmic" : "linear",
      beginAtZero: !logarithmic,
      min: logarithmic ? lowest : undefined,
      max: logarithmic ? highest : undefined,
      stacked: kind === "stacked",
      title: { display: true, text: unit },
      ticks: {
        maxTicksLimit: logarithmic ? undefined : 7,
        callback: (value) => (logarithmic && !isPower(value) ? null : figures.format(value)),
      },
      grid: { color: ({ tick }) => (logarithmic && tick && !isPower(tick.value) ? "transparent" : inLine) },
      border: { display: false },
    };
  }

  function legend(stacked) {
    const made = Chart.defaults.plugins.legend.labels.generateLabels;
    const shape = stacked ? { pointStyle: "rect", pointStyleWidth: 12 } : { pointStyle: "line", pointStyleWidth: 30 };
    // Chart.js draws every line of a legend unbroken, which tells nothing to who cannot tell the colours.
    const generateLabels = (chart) =>
      made(chart).map((one) => ({ ...one, lineWidth: 2, lineDash: chart.data.datasets[one.datasetIndex].borderDash }));
    return { align: "start", labels: { usePointStyle: true, ...shape, boxHeight: 8, padding: 12, generateLabels } };
  }

  function overTime(chart) {
    const stacked = chart.kind === "stacked";
    const datasets = chart.lines.map(({ name, values }, n) => ({
      label: name,
      data: values.map((y, at) => ({ x: chart.at[at], y })),
      borderColor: colour(n),
      backgroundColor: colour(n),
      borderWidth: stacked ? 0 : 2,
      borderDash: stacked ? [] : DASHES[n % DASHES.length],
      fill: stacked ? (n ? "-1" : "origin") : false,
      // A moment with nothing known on either side is no line.
      pointRadius: ({ dataIndex }) => (!stacked && alone(values, dataIndex) ? 2.5 : 0),
      pointHoverRadius: stacked ? 0 : 3,
    }));
    return {
      type: "line",
      data: { datasets },
      options: {
        interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: {
          x: {
            type: "linear",
            min: 0,
            max: end,
            title: { display: true, text: long ? "minutes:seconds from the opening" : "seconds from the opening" },
            ticks: { callback: clock, stepSize: step, maxRotation: 0, includeBounds: false },
            grid: { display: false },
            border: { color: style("line") },
          },
          y: amounts(chart),
        },
        plugins: {
          legend: legend(stacked),
          tooltip: {
            callbacks: {
              title: ([first]) => (first ? `${clock(first.parsed.x)}${long ? "" : " s"}` : ""),
              label: ({ dataset, parsed }) => ` ${dataset.label}: ${figures.format(parsed.y)} ${chart.unit}`,
            },
          },
          kills: { names: !chart.logarithmic },
        },
      },
      plugins: [killLines],
    };
  }

  function bars(chart) {
    const [{ name, values }] = chart.lines;
    return {
      type: "bar",
      data: { labels: chart.at, datasets: [{ label: name, data: values, backgroundColor: colour(0), borderRadius: 3 }] },
      options: {
        indexAxis: "y",
        layout: { padding: { right: 44 } },
        scales: {
          x: { ...amounts(chart), ticks: { maxTicksLimit: 6, precision: 0 } },
          y: { grid: { display: false }, border: { color: style("line") } },
        },
        plugins: { legend: { display: false } },
      },
      plugins: [counts],
    };
  }

  function draw() {
    while (drawn.length) drawn.pop().destroy();
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.color = style("ink-soft");
    Chart.defaults.animation = false;
    Chart.defaults.maintainAspectRatio = false;
    for (const chart of charts) {
      const canvas = document.querySelector(`canvas[data-chart="${chart.id}"]`);
      drawn.push(new Chart(canvas, chart.kind === "bars" ? bars(chart) : overTime(chart)));
    }
  }

  function cell(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    if (name === "th") made.scope = "col";
    return made;
  }

  // Written when it is opened: a page of closed tables stays light.
  function write(chart, where) {
    const table = document.createElement("table");
    const names = table.createTHead().insertRow();
    names.append(cell("th", chart.kind === "bars" ? "" : "seconds"));
    names.append(...chart.lines.map(({ name }) => cell("th", name === chart.unit ? name : `${name}, ${chart.unit}`)));
    const body = table.createTBody();
    chart.at.forEach((at, n) => {
      const row = body.insertRow();
      const first = cell("th", typeof at === "number" ? figures.format(at) : at);
      first.scope = "row";
      row.append(first, ...chart.lines.map(({ values }) => cell("td", values[n] === null ? "–" : figures.format(values[n]))));
    });
    where.replaceChildren(table);
  }

  for (const details of document.querySelectorAll("details[data-numbers]")) {
    const chart = charts.find(({ id }) => id === details.dataset.numbers);
    details.addEventListener("toggle", () => write(chart, details.querySelector(".scroll")), { once: true });
  }

  // Ink on paper, whatever the screen is like.
  const onPaper = (is) => () => {
    document.documentElement.toggleAttribute("data-paper", is);
    Chart.defaults.devicePixelRatio = is ? PAPER_PIXELS : undefined;
    draw();
  };
  addEventListener("beforeprint", onPaper(true));
  addEventListener("afterprint", onPaper(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
