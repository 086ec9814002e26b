"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const figures = new Map(report.figures.map((figure) => [figure.key, figure]));
  const details = new Map(report.details.map((detail) => [detail.number, detail]));
  const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset" };
  const ROW_GAP = 92; // pixels between panels: axis labels and a title
  const NARROW = 400;
  const ENTRY = 145; // pixels of a word in the legend
  const SAVED_WIDTH = 1000;
  const place = (key) => document.getElementById(`figure-${key}`);

  const LONG_REMARK = 20;
  const isLong = ({ remark }) => Boolean(remark) && remark.length > LONG_REMARK;

  // Returns the title of an axis; before the unit, and a long remark, stands a space or the end of a line.
  function titleText({ name, unit, remark }, between = " ") {
    const comma = isLong({ remark }) ? `,${between}` : ", ";
    return `${name}${unit ? `${between}(${unit})` : ""}${remark ? `${comma}${remark}` : ""}`;
  }

  // Returns the layout with the panels arranged in as many columns as fit.
  function arrange(figure, layout, width) {
    const panels = figure.panels;
    const arranged = JSON.parse(JSON.stringify(layout));
    const margin = arranged.margin;
    if (panels.some((panel) => panel.title)) margin.t = Math.max(margin.t, 34);
    const fit = Math.max(1, Math.min(panels.length, figure.mostColumns, Math.floor(width / figure.panelWidth)));
    const rows = Math.ceil(panels.length / fit);
    const columns = Math.ceil(panels.length / rows);
    const inner = { width: width - margin.l - margin.r };
    const gap = { x: figure.columnGap / inner.width };
    const size = { x: (1 - (columns - 1) * gap.x) / columns };
    const isNarrow = size.x * inner.width < NARROW;
    const broken = isNarrow ? panels.filter((panel) => panel.xTitle.unit) : [];
    for (const panel of broken) arranged[panel.x.replace("x", "xaxis")].title.text = titleText(panel.xTitle, "<br>");
    const line = broken.length ? (broken.some((panel) => isLong(panel.xTitle)) ? 36 : 18) : 0;
    margin.b += line;
    inner.height = rows * figure.panelHeight + (rows - 1) * (ROW_GAP + line);
    gap.y = (ROW_GAP + line) / inner.height;
    size.y = (1 - (rows - 1) * gap.y) / rows;
    panels.forEach((panel, index) => {
      const start = { x: (index % columns) * (size.x + gap.x), y: 1 - Math.floor(index / columns) * (size.y + gap.y) };
      const domains = { x: [start.x, Math.min(1, start.x + size.x)], y: [Math.max(0, start.y - size.y), start.y] };
      for (const letter of ["x", "y"]) arranged[panel[letter].replace(letter, `${letter}axis`)].domain = domains[letter];
    });
    arranged.annotations = [
      ...(arranged.annotations || []),
      ...panels.filter((panel) => panel.title).map((panel) => ({
        text: `<b>${panel.title}</b>`, xref: columns > 1 ? `${panel.x} domain` : "paper", yref: `${panel.y} domain`, x: 0,
        y: 1, xanchor: "left", yanchor: "bottom", xshift: columns > 1 ? 0 : 12 - margin.l, yshift: 4, showarrow: false,
        font: { size: 13 },
      })),
    ];
    // The legend stands above the titles of the panels, in as many lines as it needs.
    const entries = figure.data.filter((trace) => trace.type === "scatter" && trace.showlegend !== false).length;
    if (entries) {
      arranged.legend.y = 1 + (margin.t - 8) / inner.height;
      const inLine = Math.max(1, Math.floor((inner.width - Math.max(0, figure.columnGap - 64)) / ENTRY));
      margin.t += 8 + 20 * Math.ceil(entries / inLine);
    }
    arranged.width = width;
    arranged.height = inner.height + margin.t + margin.b;
    return arranged;
  }

  function draw(figure) {
    const element = place(figure.key);
    const width = Math.floor(element.clientWidth);
    figure.drawnWidth = width;
    for (const trace of figure.data) {
      if (trace.meta && trace.meta.isNamed) trace.mode = width < NARROW * 1.5 ? "markers" : "markers+text";
    }
    return Plotly.react(element, figure.data, arrange(figure, figure.layout, width), CONFIG);
  }

  // What is saved has the legend and the caption in it, whatever the width of the screen.
  function save(figure, format) {
    const layout = arrange(figure, figure.layout, SAVED_WIDTH);
    const lines = wrap(figure.note, 150);
    const below = layout.margin.b + 8;
    layout.annotations.push({
      text: lines.join("<br>"), xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "left", yanchor: "top", xshift: 12 - layout.margin.l,
      yshift: -below, align: "left", showarrow: false, font: { size: 11, color: "#595959" },
    });
    const more = { top: 40, bottom: 14 * lines.length + 24 };
    layout.margin = { ...layout.margin, t: layout.margin.t + more.top, b: layout.margin.b + more.bottom };
    layout.height += more.top + more.bottom;
    layout.title = { text: figure.title, x: 0.01, xanchor: "left", y: 1, yref: "container", yanchor: "top", pad: { t: 12 } };
    const options = { format, filename: figure.key, width: SAVED_WIDTH, height: layout.height, scale: format === "png" ? 2 : 1 };
    return Plotly.downloadImage({ data: figure.data, layout, config: CONFIG }, options);
  }

  function wrap(text, length) {
    const lines = [""];
    for (const word of text.replace(/&/g, "&amp;").replace(/</g, "&lt;").split(" ")) {
      if ((lines.at(-1) + word).length > length) lines.push(word);
      else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
    }
    return lines;
  }

  // Curves of one configuration.
  function chosenFigure(detail) {
    const panels = [];
    const data = [];
    const axis = (title) => ({
      title: { text: titleText(title), standoff: 8 }, automargin: true, gridcolor: "#dddddd", linecolor: "#595959", ticks: "outside",
      showline: true, zeroline: false,
    });
    const layout = {
      font: { size: 13, color: "#1a1a1a", family: "system-ui, sans-serif" }, margin: { l: 60, r: 16, t: 12, b: 52 },
      hovermode: "x unified", showlegend: true, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
      legend: { orientation: "h", x: 0, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
    };
    const epoch = { name: "epoch" };
    Object.entries({ accuracy: "%", loss: "nat" }).forEach(([quantity, unit], index) => {
      const number = index ? "2" : "";
      panels.push({ x: `x${number}`, y: `y${number}`, title: quantity, xTitle: epoch });
      const ticks = detail.curves.epochs.at(-1) <= 8 ? { dtick: 1 } : { nticks: 8 };
      layout[`xaxis${number}`] = { ...axis(epoch), ...ticks, anchor: `y${number}` };
      layout[`yaxis${number}`] = { ...axis({ name: quantity, unit }), anchor: `x${number}` };
      for (const [images, [mean, low, high]] of Object.entries(detail.curves.series[quantity] ?? {})) {
        data.push(...curve(detail, images, mean, low, high, number, index === 0));
      }
    });
    return { key: "chosen", panels, data, layout, panelWidth: 330, panelHeight: 230, mostColumns: 2, columnGap: 64 };
  }

  function curve(detail, images, mean, low, high, number, isFirst) {
    const epochs = detail.curves.epochs;
    const isTraining = images === "train";
    const shared = { type: "scatter", xaxis: `x${number}`, yaxis: `y${number}` };
    const line = { color: isTraining ? "#595959" : detail.colour, dash: isTraining ? "dash" : "solid", width: 2 };
    const name = { train: "training images", val: "validation images", test: "test images" }[images];
    const traces = [];
    if (low) {
      const known = epochs.map((_, at) => at).filter((at) => low[at] !== null && high[at] !== null);
      const back = [...known].reverse();
      traces.push({
        ...shared, mode: "lines", line: { width: 0 }, fill: "toself", fillcolor: line.color, opacity: 0.2,
        x: [...known, ...back].map((at) => epochs[at]), y: [...known.map((at) => low[at]), ...back.map((at) => high[at])],
        hoverinfo: "skip", showlegend: false,
      });
    }
    traces.push({
      ...shared, mode: "lines+markers", marker: { symbol: isTraining ? "circle-open" : "square", size: 6, maxdisplayed: 10 },
      x: epochs, y: mean, line, name, showlegend: isFirst, legendgroup: images,
    });
    return traces;
  }

  function choose(number) {
    const detail = details.get(number);
    const note = document.getElementById("chosen-note");
    note.hidden = Boolean(detail && detail.curves);
    if (!detail) {
      note.textContent = `Facts and curves are kept for the first ${details.size} configurations by rank; this one is in `
        + "trials.parquet and epochs/ of the run folder.";
      return;
    }
    document.getElementById("choose").value = String(number);
    document.getElementById("chosen-title").textContent = detail.label;
    document.getElementById("chosen-facts").replaceChildren(...detail.facts.slice(1).map(fact));
    if (!detail.curves) {
      note.textContent = "No curves: no epoch of this configuration was recorded in all of its seeds.";
      Plotly.purge(place("chosen"));
      document.getElementById("chosen-caption").textContent = "";
      return;
    }
    const figure = chosenFigure(detail);
    figures.set("chosen", figure);
    draw(figure);
    const seeds = detail.facts.find(([term]) => term === "seeds")[1];
    document.getElementById("chosen-caption").textContent = seeds === "1"
      ? "One seed: no band. Sources as in the figure above."
      : `Lines: means of ${seeds} seeds; bands: least to greatest over seeds. Sources as in the figure above.`;
  }

  function fact([term, words]) {
    const box = document.createElement("div");
    for (const [tag, text] of [["dt", term], ["dd", words]]) {
      const element = document.createElement(tag);
      element.textContent = text;
      box.append(element);
    }
    return box;
  }

  // The front over the number of images: moves the networks to what they emit in all, and draws the front of the position.
  function showImages(position) {
    const { networks, steps } = report.lifetime;
    const { n, text, front } = steps[position];
    const figure = figures.get("lifetime");
    const total = (place) => networks[place].training + n * networks[place].use;
    const every = networks.map((_, place) => total(place));
    const accuracies = networks.map((network) => network.accuracy);
    const ends = (values, margin) => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const reach = margin * (high - low || Math.abs(high) || 1);
      return [low - reach, high + reach];
    };
    const [x, y] = [ends(every, 0.15), ends(accuracies, 0.15)];
    figure.layout.xaxis.range = x;
    figure.layout.yaxis.range = y;
    for (const trace of figure.data) {
      if (trace.customdata) trace.x = trace.customdata.map(total);
      if (!trace.meta.isFront) continue;
      trace.x = [total(front[0]), ...front.map(total), x[1]];
      trace.y = [y[0], ...front.map((place) => accuracies[place]), accuracies[front.at(-1)]];
    }
    const members = front.map((place) => `${networks[place].label} (${accuracies[place].toFixed(2)} %, ${grams(total(place))})`);
    document.getElementById("images-number").textContent = text;
    document.getElementById("images").setAttribute("aria-valuetext", `${text} images`);
    document.getElementById("images-front").textContent = `On the front: ${members.join("; ")}.`;
  }

  // Returns emissions in words, such as "21.3 g CO2eq".
  function grams(value) {
    const [size, unit] = [[1e6, "t"], [1e3, "kg"], [1, "g"], [1e-3, "mg"], [0, "µg"]].find(([least]) => value >= least);
    return `${(value / (size || 1e-6)).toPrecision(3).replace(/e\+?/, " x 10^")} ${unit} CO2eq`;
  }

  function showFamily(family, isShown) {
    for (const figure of figures.values()) {
      const traces = figure.data.filter((trace) => trace.meta && trace.meta.family === family);
      for (const trace of traces) trace.visible = isShown;
      if (traces.length) draw(figure);
    }
  }

  function listen() {
    for (const box of document.querySelectorAll("[data-family]")) {
      box.checked = true; // browsers keep the state of a page that is loaded again
      box.addEventListener("change", () => showFamily(box.dataset.family, box.checked));
    }
    for (const button of document.querySelectorAll("[data-save]")) {
      button.addEventListener("click", () => save(figures.get(button.dataset.figure), button.dataset.save));
    }
    const list = document.getElementById("choose");
    if (list) {
      list.append(...report.details.map((detail) => new Option(detail.label, String(detail.number))));
      list.addEventListener("change", () => choose(Number(list.value)));
    }
    for (const key of ["front", "parallel"]) {
      if (!list || !place(key)) continue;
      place(key).on("plotly_click", (event) => {
        const number = event.points.map((point) => point.customdata).find((value) => typeof value === "number");
        if (number !== undefined) choose(number);
      });
    }
    const slider = document.getElementById("images");
    if (slider) {
      slider.addEventListener("input", () => {
        showImages(Number(slider.value));
        draw(figures.get("lifetime"));
      });
    }
    let waiting = 0;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        for (const figure of figures.values()) if (figure.drawnWidth !== place(figure.key).clientWidth) draw(figure);
      }, 150);
    });
  }

  if (report.lifetime) {
    document.getElementById("images").value = String(report.lifetime.start);
    document.getElementById("slider").hidden = false;
    showImages(report.lifetime.start);
  }

  Promise.all(report.figures.map(draw)).then(() => {
    listen();
    if (report.details.length && place("chosen")) choose(report.details[0].number);
    document.documentElement.dataset.ready = "yes";
  });
})();
