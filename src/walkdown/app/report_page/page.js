// The page keeps one state (filters, order, open image), mirrored in the URL's fragment, and draws
// cards in chunks as they come into view. All text is set as text, never as HTML.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const DATA = JSON.parse($("data").textContent);
  const VERDICTS = { anomaly: "Anomaly", normal: "Normal", unusable: "Unusable", failed: "Failed" };
  const CHUNK = 48;
  const BINS = 20;
  const HOLD_MS = 220;
  const PRINTED = 1000;

  const rows = DATA.results;
  // On the page of a replay each photograph is there twice; see replay.js.
  const twice = DATA.replay
    ? replayed({ el, count, fixed, short, frame, heat: attachHeat, picture, step, regions, verdicts: VERDICTS, data: DATA })
    : null;
  const NAMES = twice ? twice.names : VERDICTS;
  const KINDS = Object.keys(NAMES);
  const tone = (kind) => (twice ? twice.tones[kind] : kind);
  const root = document.documentElement.style;
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const brief = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
  const whole = new Intl.NumberFormat(undefined);
  rows.forEach((row, rank) => {
    row.rank = rank;
    row.kind = row.change || (row.status === "failed" || !row.verdict ? "failed" : row.verdict);
    row.text = [row.image, row.asset, row.viewpoint, row.severity, row.status === "partial" ? "partial" : ""].join(" ").toLowerCase();
    row.taken = row.taken_at ? Date.parse(row.taken_at) : -Infinity;
    row.seen = row.shown === null ? null : row.stages[row.shown];
    row.old = twice ? twice.earlier(row) : null;
  });
  const byId = new Map(rows.map((row) => [row.id, row]));

  const state = { kinds: new Set(), q: "", sort: "score", bin: null, open: null };
  let [listed, failures, drawn] = [[], [], 0];
  let [pushed, touchedHeat] = [false, false];

  // Making elements
  function el(tag, props, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(props || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (key === "class") node.className = value;
      else if (key.startsWith("--")) node.style.setProperty(key, value);
      else if (key in node && typeof value !== "string") node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  }

  const icons = Object.fromEntries(KINDS.map((kind) => {
    const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `#icon-${tone(kind)}`);
    svg.append(use);
    return [kind, svg];
  }));
  const icon = (kind) => icons[kind].cloneNode(true);

  function count(n, word) {
    return `${whole.format(n)} ${word}${n === 1 ? "" : "s"}`;
  }
  function fixed(value, digits) {
    return value === null || value === undefined ? "–" : value.toFixed(digits);
  }
  const dollars = (usd) => `$${usd >= 1 ? usd.toFixed(2) : usd.toFixed(6).replace(/0{1,4}$/, "")}`;
  function short(value) {
    return value === null || value === undefined ? "–" : String(Number(value.toPrecision(4)));
  }
  const share = (part, all) => `${Math.min(100, Math.max(0, (100 * part) / all))}%`;

  function when(iso, style = day) {
    const utc = `${iso.slice(0, 19).replace("T", " ")} UTC`;
    return el("time", { datetime: iso, title: utc }, style.format(new Date(iso)));
  }

  const blocks = new Map();
  function drawnAt(kind, number) {
    const name = `${kind}-${Math.floor(number / DATA.per_block)}`;
    if (!blocks.has(name)) {
      const block = $(name);
      blocks.set(name, block ? JSON.parse(block.textContent) : []);
    }
    return blocks.get(name)[number % DATA.per_block] || null;
  }
  function picture(row) {
    return row.picture === null ? null : drawnAt("pictures", row.picture);
  }

  // The picture with its heat map and boxes

  function boxes(row, numbered) {
    if (!row.seen || !row.width_px || !row.height_px) return [];
    return row.seen.regions.map((region, index) => {
      const [x, y, width, height] = region.box;
      const box = el("span", { class: y < row.height_px * 0.06 ? "box under" : "box" }, numbered ? el("b", {}, String(index + 1)) : "");
      const [left, wide] = [x, width].map((length) => share(length, row.width_px));
      const [top, high] = [y, height].map((length) => share(length, row.height_px));
      Object.assign(box.style, { left, top, width: wide, height: high });
      return box;
    });
  }

  function frame(row, { ratio, numbered, alt }) {
    const drawing = picture(row);
    if (!drawing) return null;
    const shape = drawing.width / drawing.height;
    const props = { class: shape >= ratio ? "frame wide" : "frame tall", "--shape": String(shape), "--natural": `${drawing.width}px` };
    const image = el("img", { alt, draggable: "false" });
    image.src = drawing.image;
    return el("span", props, image, boxes(row, numbered));
  }

  // A heat map that is not shown at first is attached only when someone asks to see it.
  function attachHeat(holder, row) {
    const drawing = picture(row);
    const place = holder.querySelector(".frame");
    const source = drawing && (row.earlier ? drawing.before : drawing.heat);
    if (!source || !place || place.querySelector(".heat")) return;
    const heat = el("img", { class: "heat", alt: "", draggable: "false" });
    heat.src = source;
    place.querySelector("img").after(heat);
  }

  // Cards

  function badge(row) {
    const extra = [row.severity, row.status === "partial" ? "partial" : null].filter(Boolean).join(", ");
    return el("span", { class: `badge ${tone(row.kind)}` }, icon(row.kind), NAMES[row.kind], extra ? el("small", {}, extra) : "");
  }

  function meter(row) {
    if (row.score === null) return "";
    return el("span", { class: `meter ${tone(row.kind)}`, "--part": share(row.score, 1) }, el("i"));
  }

  function about(row) {
    const asset = row.asset && row.asset !== "unassigned" ? row.asset : null;
    const sameYear = row.taken_at && row.taken_at.slice(0, 4) === DATA.inspection.started_at.slice(0, 4);
    return [asset ? el("span", { title: asset }, asset) : "", row.taken_at ? when(row.taken_at, sameYear ? brief : day) : ""];
  }

  function card(row) {
    if (twice) return twin(row);
    const tile = el("span", { class: row.kind === "anomaly" ? "tile hot" : "tile" },
      frame(row, { ratio: tileRatio, alt: "" }) || el("span", { class: "absent" }, "No picture stored"));
    if (row.kind === "anomaly") attachHeat(tile, row);
    const words = el("span", { class: "words" },
      el("span", { class: "line" }, badge(row), el("span", { class: "score" }, fixed(row.score, 3))),
      meter(row),
      el("span", { class: "name", title: row.image }, row.name),
      el("span", { class: "about" }, about(row)));
    const label = `${row.name}, ${NAMES[row.kind]}, ${row.score === null ? "no score" : `score ${fixed(row.score, 3)}`}`;
    return el("li", { class: "card" }, el("a", { href: address(row), "data-id": row.id, "aria-label": label }, tile, words));
  }

  function twin(row) {
    const words = el("span", { class: "words" },
      twice.sides(row),
      el("span", { class: "line" }, badge(row), el("span", { class: "score" }, twice.moved(row))),
      el("span", { class: "name", title: row.image }, row.name),
      el("span", { class: "about" }, about(row)));
    const tile = el("span", { class: "tile hot twin" }, twice.halves(row, { ratio: tileRatio, alt: "" }));
    return el("li", { class: "card" }, el("a", { href: address(row), "data-id": row.id, "aria-label": twice.label(row) }, tile, words));
  }

  function failure(row) {
    const tile = el("span", { class: "tile" }, frame(row, { ratio: 1, alt: "" }) || icon("failed"));
    return el("li", {}, el("a", { href: address(row), "data-id": row.id }, tile,
      el("span", {}, el("span", { class: "name", title: row.image }, row.name), el("span", { class: "why" }, row.error || "No reason was recorded."))));
  }

  function drawMore() {
    const next = listed.slice(drawn, drawn + CHUNK);
    drawn += next.length;
    $("cards").append(...next.map(card));
    $("more").hidden = drawn >= listed.length;
    // Below cards that are still to come, it could be jumped to and they would never be drawn.
    $("failed").hidden = !failures.length || !$("more").hidden;
  }

  // Most tiles fit their picture exactly: their shape is the median one, within reason.
  function medianRatio() {
    const ratios = rows.filter((row) => row.width_px && row.height_px).map((row) => row.width_px / row.height_px).sort((a, b) => a - b);
    const middle = ratios.length ? ratios[Math.floor(ratios.length / 2)] : 4 / 3;
    return Math.min(16 / 9, Math.max(4 / 5, middle));
  }
  const tileRatio = medianRatio();

  // State, its address, and what it lists

  function address(row) {
    const parts = new URLSearchParams();
    if (state.kinds.size) parts.set("show", KINDS.filter((kind) => state.kinds.has(kind)).join(","));
    if (state.bin !== null) parts.set("score", `${(state.bin / BINS).toFixed(2)}-${((state.bin + 1) / BINS).toFixed(2)}`);
    if (state.q) parts.set("q", state.q);
    if (state.sort !== "score") parts.set("sort", state.sort);
    if (row) parts.set("image", row.id);
    return `#${parts.toString().replaceAll("%2C", ",")}`;
  }

  function readAddress() {
    const parts = new URLSearchParams(location.hash.slice(1));
    const bin = Math.round(parseFloat(parts.get("score")) * BINS);
    state.kinds = new Set((parts.get("show") || "").split(",").filter((kind) => KINDS.includes(kind)));
    state.bin = bin >= 0 && bin < BINS ? bin : null;
    state.q = parts.get("q") || "";
    state.sort = ["name", "time"].includes(parts.get("sort")) ? parts.get("sort") : "score";
    state.open = byId.get(parts.get("image")) || null;
  }

  const keep = () => history.replaceState(history.state, "", address(state.open));
  const binOf = (score) => Math.min(BINS - 1, Math.max(0, Math.floor(score * BINS + 1e-9)));

  function fits(row) {
    if (state.kinds.size && !state.kinds.has(row.kind)) return false;
    if (state.bin !== null && (row.kind === "failed" || row.score === null || binOf(row.score) !== state.bin)) return false;
    return state.q.toLowerCase().split(/\s+/).every((word) => row.text.includes(word));
  }

  const orders = {
    score: (a, b) => a.rank - b.rank,
    name: (a, b) => collator.compare(a.image, b.image) || a.rank - b.rank,
    time: (a, b) => (a.taken === b.taken ? collator.compare(a.image, b.image) : b.taken - a.taken),
  };

  function list() {
    const found = rows.filter(fits).sort(orders[state.sort]);
    listed = found.filter((row) => row.kind !== "failed");
    failures = found.filter((row) => row.kind === "failed");
    drawn = 0;
    $("cards").replaceChildren();
    $("failures").replaceChildren(...failures.map(failure));
    drawMore();
    $("failed-title").textContent = `${count(failures.length, "image")} could not be ${done}`;
    drawFrame(found.length);
  }

  function drawFrame(found) {
    const filtered = state.kinds.size > 0 || state.q !== "" || state.bin !== null;
    $("shown").textContent = filtered ? `${whole.format(found)} of ${count(rows.length, "image")}` : "";
    $("clear").hidden = !filtered;
    $("empty").hidden = found > 0;
    $("empty").textContent = rows.length ? "No image fits these filters." : twice ? "No verdict would change." : "This inspection has no images.";
    $("notice").hidden = filtered || !failures.length || !listed.length;
    if ($("search").value.trim() !== state.q) $("search").value = state.q;
    $("sort").value = state.sort;
    for (const chip of $("chips").children) chip.setAttribute("aria-pressed", String(state.kinds.has(chip.value)));
    for (const bar of document.querySelectorAll(".bar")) bar.setAttribute("aria-pressed", String(Number(bar.value) === state.bin));
    $("histogram").classList.toggle("picked", state.bin !== null);
  }

  const change = () => { keep(); list(); };

  // Head of the page

  const done = twice ? "compared" : "inspected";

  function drawAbout() {
    const it = DATA.inspection;
    const source = it.where ? [" from ", el("span", { title: it.sources.join("\n") }, it.where)] : [];
    $("pipeline").textContent = it.pipeline;
    $("about").append(
      el("b", {}, count(rows.length, "image")), ...source,
      ", inspected ", when(it.started_at), it.finished_at ? "" : " (not finished)",
      it.model ? " with " : "", it.model ? el("b", {}, it.model) : "",
      it.threshold === null ? "" : ", threshold ",
      it.threshold === null ? "" : el("span", { title: `Raw score ${it.threshold}: the same as a score of 0.5` }, short(it.threshold)));
  }

  function drawHead() {
    if (twice) twice.head($("pipeline"), $("about"), when);
    else drawAbout();
    $("remarks").append(...DATA.remarks.map((text) => el("li", {}, text)));
    $("remarks").hidden = !DATA.remarks.length;
    $("chips").append(...KINDS.map(chip));
    $("notice").append(icon("failed"), el("span", {}, `${count(DATA.counts.failed, "image")} could not be ${done}.`), el("button", { type: "button", class: "link" }, "Show why"));
    $("notice").lastChild.onclick = () => { state.kinds = new Set(["failed"]); state.bin = null; state.q = ""; change(); };
  }

  function chip(kind) {
    const number = DATA.counts[kind];
    const button = el("button", { type: "button", class: `chip ${tone(kind)}`, value: kind, disabled: !number }, icon(kind), NAMES[kind], el("b", {}, whole.format(number)));
    button.onclick = () => { state.kinds.has(kind) ? state.kinds.delete(kind) : state.kinds.add(kind); change(); };
    return button;
  }

  function drawHistogram() {
    const scored = rows.filter((row) => row.kind !== "failed" && row.score !== null);
    $("histogram").hidden = !scored.length;
    const numbers = new Array(BINS).fill(0);
    for (const row of scored) numbers[binOf(row.score)] += 1;
    const most = Math.max(...numbers, 1);
    const bars = numbers.map((number, bin) => {
      const label = `Score ${(bin / BINS).toFixed(2)} to ${((bin + 1) / BINS).toFixed(2)}: ${count(number, "image")}`;
      const bar = el("button", { type: "button", class: bin >= BINS / 2 ? "bar over" : "bar", value: String(bin), title: label, "aria-label": label, disabled: !number, "--share": share(number, most) });
      bar.onclick = () => { state.bin = state.bin === bin ? null : bin; change(); };
      return bar;
    });
    $("histogram").append(el("div", { class: "bars" }, bars), el("div", { class: "scale", "aria-hidden": "true" }, el("span", {}, "0"), el("span", {}, twice ? "score now; 0.5, threshold" : "score 0.5, threshold"), el("span", {}, "1")));
  }

  // Detail

  const around = () => [...listed, ...failures];

  function drawDetail(row) {
    const all = around();
    const at = all.indexOf(row);
    const drawing = picture(row);
    $("detail-name").textContent = row.name;
    $("detail-place").textContent = at < 0 ? "" : `${whole.format(at + 1)} of ${whole.format(all.length)}`;
    $("previous").disabled = at <= 0;
    $("next").disabled = at < 0 || at >= all.length - 1;
    const stage = $("detail-stage");
    stage.className = twice ? "stage hot twin" : "stage hot";
    if (twice) stage.replaceChildren(...twice.halves(row, { ratio: 0, numbered: true, alt: row.name }), twice.captions(row));
    else stage.replaceChildren(frame(row, { ratio: 0, numbered: true, alt: `${row.name} with marked regions` }) || el("span", { class: "absent" }, row.sha256 ? "No picture stored" : "There is no picture of this image."));
    stage.style.setProperty("--stage", drawing ? String(((twice ? 2 : 1) * drawing.width) / drawing.height) : "2");
    if (!twice) attachHeat(stage, row);
    if (!touchedHeat) $("detail-heat").value = twice || row.kind === "anomaly" ? $("heat").value : 0;
    $("detail-heat").disabled = twice ? !twice.heats(row) : !drawing || !drawing.heat;
    stage.style.setProperty("--heat", String($("detail-heat").value / 100));
    $("original").hidden = !/^(file|https?):\/\//i.test(row.uri);
    if (!$("original").hidden) $("original").href = row.uri;
    $("detail-facts").replaceChildren(...facts(row));
    $("detail-facts").scrollTop = 0;
  }

  function facts(row) {
    return [
      el("p", { class: "line" }, badge(row), el("span", { class: "score" }, twice ? twice.moved(row) : fixed(row.score, 3))),
      twice ? "" : meter(row),
      row.error ? el("p", { class: "why bad" }, row.error) : "",
      ...(twice ? twice.facts(row) : said(row)),
      el("h3", {}, "The photograph"),
      photograph(row),
    ].filter((part) => part !== "");
  }

  function said(row) {
    return [
      regions(row),
      nearest(row),
      row.stages.length ? el("h3", {}, row.stages.length === 1 ? "What the model said" : "What the models said") : "",
      ...row.stages.map(step),
    ];
  }

  function lighting(node, index) {
    const light = (on) => () => $("detail-stage").querySelectorAll(twice ? ".now .box" : ".box")[index]?.classList.toggle("lit", on);
    node.onpointerenter = light(true);
    node.onpointerleave = light(false);
    return node;
  }

  function regions(row) {
    if (!row.seen || !row.seen.regions.length) return "";
    const head = ["", "Where", "Area", "Score"].map((text, index) => el("th", { scope: "col", class: index > 1 ? "n" : "" }, text));
    const body = row.seen.regions.map((region, index) => {
      const [x, y, width, height] = region.box;
      const line = el("tr", { class: "place-row" }, el("td", {}, String(index + 1)), el("td", { title: "pixels from the upper left corner" }, region.label === "anomaly" ? "" : `${region.label}, `, `${width} × ${height} px at ${x}, ${y}`), el("td", { class: "n" }, `${short(Number(fixed(region.area_pct, 2)))} %`), el("td", { class: "n" }, fixed(region.score, 3)));
      return lighting(line, index);
    });
    return el("div", {}, el("h3", {}, count(row.seen.regions.length, "region")), el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
  }

  // Why: the worst place of a region beside the normal place that comes nearest to it

  const lastName = (path) => path.replaceAll("\\", "/").replace(/\/+$/, "").split("/").at(-1) || path;

  function nearest(row) {
    const known = row.seen ? row.seen.regions.map((region, index) => [region, index]).filter(([region]) => region.nearest) : [];
    if (!known.length) return "";
    const shown = picture(row)?.compared ?? [];
    const rest = known.filter(([, index]) => !shown.some((one) => one.region === index));
    return el("div", {}, el("h3", {}, "Compared with normal images"),
      shown.length ? el("p", { class: "hint" }, "A region’s worst place, and the normal place that looks most like it.") : "",
      ...shown.map((one) => comparison(row, one)),
      rest.length && shown.length ? el("p", { class: "hint" }, "The nearest normal of the other regions") : "",
      rest.length ? pairs(rest.map(([region, index]) => [`Region ${index + 1}`, el("span", { title: region.nearest }, lastName(region.nearest))])) : "");
  }

  function comparison(row, one) {
    const patch = drawnAt("patches", one.patch);
    const [number, path] = [one.region + 1, row.seen.regions[one.region].nearest];
    return lighting(el("div", { class: "pair" },
      crop(one.place, `The worst place of region ${number} in ${row.name}`, el("b", {}, `Region ${number}`), " of this image"),
      crop(patch && patch.picture, `The nearest normal place, in ${lastName(path)}`, "Nearest normal: ", el("span", { title: path }, lastName(path)))), one.region);
  }

  function crop(source, alt, ...caption) {
    const image = source ? el("img", { src: source, alt }) : el("span", { class: "absent" }, "No picture stored");
    return el("figure", {}, el("span", { class: "crop" }, image), el("figcaption", {}, caption));
  }

  function pairs(entries) {
    return el("dl", {}, entries.filter(([, value]) => value !== null && value !== "" && value !== "–").flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  }

  function step(stage) {
    return el("div", { class: "step" }, el("p", {}, stage.stage === stage.model ? stage.model : `${stage.stage}: ${stage.model}`), pairs([
      ["Ran", stage.audited ? "as an audit: its condition did not hold" : stage.beside ? `beside ${stage.beside}, without a say` : null],
      ["Verdict", stage.verdict ? VERDICTS[stage.verdict] : null],
      ["Score", fixed(stage.score, 3)],
      ["Raw score", short(stage.raw_score)],
      ["p (normal)", short(stage.p_normal)],
      ["Labels", stage.labels.join(", ")],
      ["Says", stage.note ? el("span", { class: "note" }, stage.note) : null],
      ["Cost", stage.cost_usd === null ? null : dollars(stage.cost_usd)],
      ["Failed", stage.error],
    ]));
  }

  function photograph(row) {
    const place = row.latitude_deg === null || row.longitude_deg === null ? null : `${row.latitude_deg.toFixed(6)}, ${row.longitude_deg.toFixed(6)}`;
    return pairs([
      ["Asset", row.asset],
      ["Viewpoint", row.viewpoint],
      ["Taken", row.taken_at ? when(row.taken_at) : null],
      ["Camera", row.camera],
      ["Position", place ? el("a", { href: `geo:${row.latitude_deg},${row.longitude_deg}` }, place) : null],
      ["Altitude", row.altitude_m === null ? null : `${Math.round(row.altitude_m)} m`],
      ["Size", row.width_px && row.height_px ? `${row.width_px} × ${row.height_px} px` : null],
      ["Path", el("code", {}, row.image)],
      ["SHA-256", row.sha256 ? el("code", {}, row.sha256) : null],
    ]);
  }

  function show(row) {
    if (!$("detail").open) {
      touchedHeat = false;
      $("detail").showModal();
      $("detail").focus();
      root.overflow = "hidden";
    }
    state.open = row;
    drawDetail(row);
  }

  function open(row) {
    history.pushState({ inside: true }, "", address(row));
    pushed = true;
    show(row);
  }

  function go(by) {
    const all = around();
    const row = all[all.indexOf(state.open) + by];
    if (!row || all.indexOf(state.open) < 0) return;
    show(row);
    keep();
  }

  // Going back through history, where we pushed an entry, keeps the browser's Back button honest.
  function closed() {
    const row = state.open;
    root.overflow = "";
    state.open = null;
    if (!row) return;
    if (pushed) { pushed = false; history.back(); } else keep();
    reveal(row);
  }

  function reveal(row) {
    const at = listed.indexOf(row);
    while (at >= drawn && drawn < listed.length) drawMore();
    const link = document.querySelector(`a[data-id="${CSS.escape(row.id)}"]`);
    if (link) { link.focus({ preventScroll: true }); link.scrollIntoView({ block: "nearest" }); }
  }

  function follow() {
    const before = address(null);
    readAddress();
    if (address(null) !== before || !$("cards").childElementCount) list();
    if (state.open) { show(state.open); return; }
    pushed = false;
    if ($("detail").open) $("detail").close();
  }

  // Pointer and keys

  function flip(tile, on) {
    const link = tile.closest("a");
    const row = link ? byId.get(link.dataset.id) : state.open;
    if (on && row && !twice) attachHeat(tile, row);
    tile.classList.toggle("flip", on);
  }

  let [held, timer, swallow] = [null, 0, false];

  function press(event) {
    const tile = event.target.closest(".card .tile, .stage");
    swallow = false;
    if (!tile || (event.pointerType === "mouse" && !tile.matches(".stage"))) return;
    timer = setTimeout(() => { held = tile; swallow = !tile.matches(".stage"); flip(tile, true); }, event.pointerType === "mouse" ? 0 : HOLD_MS);
  }

  const release = () => { clearTimeout(timer); if (held) flip(held, false); held = null; };

  function hover(event, on) {
    const tile = event.target.closest(".card .tile");
    if (event.pointerType !== "mouse" || !tile || tile.contains(event.relatedTarget)) return;
    flip(tile, on);
  }

  function keys(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const typing = event.target.matches("input, select");
    if (event.key === "/" && !typing && !$("detail").open) { event.preventDefault(); $("search").focus(); }
    if (!$("detail").open || typing) return;
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
    if (event.key.toLowerCase() === "h" && !event.repeat) flip($("detail-stage"), true);
  }

  function setHeat() {
    root.setProperty("--heat", String($("heat").value / 100));
    root.setProperty("--peek", String(Math.max(0.5, $("heat").value / 100)));
  }

  function setBoxes(on) {
    $("boxes").checked = $("detail-boxes").checked = on;
    document.body.classList.toggle("no-boxes", !on);
  }
  // Watching anew after each chunk reports again where the end is still near.
  function watchEnd() {
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.at(-1).isIntersecting || drawn >= listed.length) return;
      drawMore();
      watcher.unobserve($("more"));
      watcher.observe($("more"));
    }, { rootMargin: "1200px" });
    watcher.observe($("more"));
  }

  function listen() {
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-id]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (!swallow) open(byId.get(link.dataset.id));
      swallow = false;
    });
    document.addEventListener("pointerdown", press);
    for (const name of ["pointerup", "pointercancel", "blur"]) addEventListener(name, release);
    document.addEventListener("pointerover", (event) => hover(event, true));
    document.addEventListener("pointerout", (event) => hover(event, false));
    document.addEventListener("contextmenu", (event) => { if (held || event.pointerType === "touch") event.preventDefault(); });
    document.addEventListener("keydown", keys);
    document.addEventListener("keyup", () => $("detail-stage").classList.contains("flip") && !held && flip($("detail-stage"), false));
    addEventListener("popstate", follow);
    addEventListener("beforeprint", () => { while (drawn < Math.min(listed.length, PRINTED)) drawMore(); });
    $("search").oninput = () => { state.q = $("search").value.trim(); keep(); clearTimeout(listen.timer); listen.timer = setTimeout(list, 120); };
    $("sort").onchange = () => { state.sort = $("sort").value; change(); };
    $("clear").onclick = () => { state.kinds = new Set(); state.q = ""; state.bin = null; change(); $("search").focus(); };
    $("heat").oninput = setHeat;
    $("boxes").onchange = () => setBoxes($("boxes").checked);
    $("detail-boxes").onchange = () => setBoxes($("detail-boxes").checked);
    $("detail-heat").oninput = () => { touchedHeat = true; $("detail-stage").style.setProperty("--heat", String($("detail-heat").value / 100)); };
    $("previous").onclick = () => go(-1);
    $("next").onclick = () => go(1);
    $("close").onclick = () => $("detail").close();
    $("detail").onclose = closed;
    $("detail").onclick = (event) => { if (event.target === $("detail")) $("detail").close(); };
    watchEnd();
  }

  root.setProperty("--aspect", String(tileRatio));
  document.body.classList.toggle("replay", Boolean(twice));
  drawHead();
  drawHistogram();
  setHeat();
  setBoxes(true);
  listen();
  follow();
})();
