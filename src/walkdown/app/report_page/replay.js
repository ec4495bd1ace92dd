// What the page of a replay draws in its own way: each photograph twice, as it was judged before
// and as it would be judged now. It stands before page.js, which gives it what both need.
"use strict";
const replayed = ({ el, count, fixed, short, frame, heat, picture, step, regions, verdicts, data }) => {
  const names = { to_anomaly: "Now an anomaly", to_normal: "Now normal", unusable: "Unusable in one", failed: "Not compared" };
  const tones = { to_anomaly: "anomaly", to_normal: "normal", unusable: "unusable", failed: "failed" };
  const words = (side) => [side.verdict ? verdicts[side.verdict] : "Failed", " ", el("b", {}, fixed(side.score, 3))];

  // What was said before as a row of its own, of the same photograph.
  function earlier(row) {
    const said = row.before;
    return { ...row, ...said, before: null, earlier: true, seen: said.shown === null ? null : said.stages[said.shown] };
  }

  function half(row, name, options) {
    const drawn = frame(row, options) || el("span", { class: "absent" }, "No picture stored");
    const holder = el("span", { class: `half ${name}` }, drawn);
    heat(holder, row);
    return holder;
  }

  const halves = (row, options) => [half(row.old, "then", { ...options, alt: options.alt && `${options.alt}, before` }), half(row, "now", { ...options, alt: options.alt && `${options.alt}, now` })];

  function sides(row) {
    return el("span", { class: "sides" }, el("span", {}, words(row.old)), el("span", {}, words(row)));
  }

  function label(row) {
    const [then, now] = [row.old, row].map((side) => `${side.verdict ? verdicts[side.verdict] : "Failed"} ${fixed(side.score, 3)}`);
    return `${row.name}, ${names[row.kind]}: ${then} before, ${now} now`;
  }

  const moved = (row) => (row.score === null || row.old.score === null ? "" : `${row.score < row.old.score ? "−" : "+"}${Math.abs(row.score - row.old.score).toFixed(3)}`);

  function captions(row) {
    return el("p", { class: "captions" }, [["Before", row.old], ["Now", row]].map(([when, side]) => el("span", {}, `${when}: ${side.model || "no model"}, `, words(side))));
  }

  function table(row) {
    const lines = [
      ["Model", (side) => side.model || "–"],
      ["Verdict", (side) => (side.verdict ? verdicts[side.verdict] : "Failed")],
      ["Score", (side) => fixed(side.score, 3)],
      ["Raw score", (side) => short(side.raw_score)],
      ["Severity", (side) => side.severity || "–"],
    ];
    const head = ["", "Before", "Now"].map((text) => el("th", { scope: "col" }, text));
    const body = lines.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value(row.old)), el("td", {}, value(row))));
    return el("table", { class: "beside" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  }

  function facts(row) {
    return [
      table(row),
      regions(row),
      el("h3", {}, "What was said before"), ...row.old.stages.map(step),
      el("h3", {}, "What would be said now"), ...row.stages.map(step),
    ];
  }

  function head(title, about, when) {
    const { model, against, made_at } = data.replay;
    const all = Object.values(data.counts).reduce((sum, number) => sum + number, 0);
    title.textContent = `${model} instead of ${against}`;
    about.append(el("b", {}, count(all, "photograph")), " of the archive, looked at again ", when(made_at), "; ", el("b", {}, String(data.counts.unchanged)), " verdicts would stay as they are. On the left what was said, on the right what would be.");
  }

  const heats = (row) => { const drawing = picture(row); return Boolean(drawing && (drawing.heat || drawing.before)); };

  return { names, tones, earlier, halves, sides, label, moved, captions, facts, head, heats };
};
