"use strict";
(() => {
  const source = document.getElementById("explorer-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const slider = document.getElementById("threshold");
  const none = "-";
  const number = (value) => (value === null ? none : value.toFixed(3));
  const share = (part, whole) => (whole ? (100 * part / whole).toFixed(1) + " %" : none);
  const count = (value) => value.toLocaleString("en-US");
  const short = (value) => String(Number(value.toPrecision(4)));

  // The same sentences as `saving` in charts.py.
  const saving = (cost) => {
    if (cost === null) return "has an unknown cost";
    return cost < 1 ? `saves ${share(1 - cost, 1)}` : `saves nothing, costs ${share(cost - 1, 1)} more`;
  };

  const write = (name, text) => {
    for (const cell of document.querySelectorAll(`[data-out="${name}"]`)) cell.textContent = text;
  };

  // One vertical line per chart marks the threshold of the slider.
  const markers = [...document.querySelectorAll("#gate .panel svg")].map((chart) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("class", "now");
    chart.append(line);
    return line;
  });

  const showLabel = (label, k, at) => {
    const n = label.positives;
    write(`recall-${k}`, number(n ? label.kept[at] / n : null));
    write(`interval-${k}`, n ? `${number(label.low[at])} to ${number(label.high[at])}` : none);
    write(`found-${k}`, number(n ? label.found[at] / n : null));
    write(`false-${k}`, count(label.false_alarms[at]));
  };

  const show = () => {
    const at = Number(slider.value);
    const threshold = short(data.thresholds[at]);
    const examined = share(data.passed[at], data.rows);
    const cost = data.gate_share === null ? null : data.gate_share + data.passed[at] / data.rows;
    slider.setAttribute("aria-valuetext", threshold);
    write("threshold", threshold);
    write("examined", examined);
    write("examined-rows", `${count(data.passed[at])} of ${count(data.rows)}`);
    write("empty", count(data.empty_passed[at]));
    write("alarmed", count(data.alarmed[at]));
    write("false", count(data.empty_alarmed[at]));
    write("cost", cost === null ? none : share(cost, 1));
    write("saving", saving(cost));
    data.labels.forEach((label, k) => showLabel(label, k, at));
    // The same vertical range as TOP and BOTTOM in panels.py.
    for (const line of markers) line.setAttribute("d", `M${data.x[at]},26V190`);
    document.getElementById("explorer-status").textContent = `At ${threshold}, ${examined} of the rows are examined.`;
  };

  slider.addEventListener("input", show);
  document.getElementById("reset-threshold").addEventListener("click", () => {
    slider.value = data.own;
    show();
  });
  // Browsers may restore the slider's position on reload, so the figures are updated once at the start.
  show();
})();
