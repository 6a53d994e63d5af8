"use strict";

// Every text goes through textContent: a file's name, a message or a model's name is never markup.

const IMAGE = /\.(jpe?g|jpe|png|tiff?|webp|bmp|svs|ndpi|mrxs|scn|bif|vms|vmu|dcm)$/i;
const SEVERAL = /\.(mrxs|vms|vmu)$/i; // a slide with further files beside it
const COMPANION = /\.(dat|ini|opt|ngr)$/i;
const PREVIEW = /^image\/(jpeg|png|webp|bmp)$/;
const PREVIEW_BYTES = 30e6;
const PREVIEWS = 120;
const ROWS = 200;
const PAUSE = 700;
const WORDS = { waiting: "waiting", ok: "read", flagged: "read, look", error: "not read", part: "part of a slide", refused: "not taken" };
const byId = (id) => document.getElementById(id);

let model = null;
let sending = Promise.resolve();

function made(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

function say(words) { byId("said").textContent = words; }

function trouble(words) {
  byId("trouble").textContent = words;
  byId("trouble").hidden = !words;
}

function count(n, one, many = `${one}s`) { return `${n.toLocaleString("en")} ${n === 1 ? one : many}`; }

function size(bytes) {
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["KB", 1e3]])
    if (bytes >= factor) return `${Number((bytes / factor).toPrecision(3))} ${unit}`;
  return `${bytes} bytes`;
}

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { ...options, credentials: "same-origin" });
  } catch {
    throw new Error("The server cannot be reached: is it still running?");
  }
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw Object.assign(new Error(sentence(body?.error ?? `The server answered ${answer.status}`)), { status: answer.status });
  return body;
}

function percent(share) { return share > 0.995 && share < 1 ? ">\u00a099\u00a0%" : share > 0 && share < 0.005 ? "<\u00a01\u00a0%" : `${Math.round(100 * share)}\u00a0%`; }

function share(value) {
  const filled = made("i");
  filled.style.width = `${100 * value}%`;
  return made("span", { class: "share" }, made("span", { class: "bar", "aria-hidden": "true" }, filled), made("span", { class: "n" }, percent(value)));
}

function tiles(file) { return `tile ${file.tiles_read.toLocaleString("en")} of ${file.tiles.toLocaleString("en")}`; }

function sentence(words) { return words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : "."); }

// What was dropped

async function filesOf(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) await gather(entry, "", found);
  return found;
}

async function gather(entry, above, found) {
  if (!entry) return;
  if (entry instanceof File) { found.push({ file: entry, name: entry.name, inside: false }); return; }
  if (entry.isFile) {
    const file = await new Promise((take, fail) => entry.file(take, fail)).catch(() => null);
    if (file) found.push({ file, name: above + file.name, inside: above !== "" });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((take, fail) => reader.readEntries(take, fail)).catch(() => []);
    if (!some.length) return;
    for (const one of some) await gather(one, `${above}${entry.name}/`, found);
  }
}

function chosen(input) {
  const found = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name, inside: file.webkitRelativePath !== "" }));
  input.value = "";
  return found;
}

// From files to a job

function take(found) {
  trouble("");
  if (!found.length) return;
  const slides = found.some(({ file }) => SEVERAL.test(file.name));
  const wanted = ({ name }) => !name.startsWith(".") && (IMAGE.test(name) || (slides && COMPANION.test(name)));
  const images = found.filter(({ file, inside }) => !inside || wanted(file));
  const aside = found.length - images.length;
  if (!images.length) { trouble(`None of the ${count(aside, "file")} in this folder is named like an image.`); return; }
  const { file_bytes: most, files: many, upload_bytes: all } = model.limits;
  const fits = images.filter(({ file }) => file.size <= most);
  const large = images.filter(({ file }) => file.size > most);
  const total = fits.reduce((sum, { file }) => sum + file.size, 0);
  if (fits.length > many) { trouble(`These are ${count(fits.length, "image")}; at most ${many} are taken at a time.`); return; }
  if (total > all) { trouble(`These images have ${size(total)} together; at most ${size(all)} are taken at a time.`); return; }
  const card = new Card(fits, large.map(({ file, name }) => ({
    name, state: "refused", diagnosis: "", probability: null,
    message: `has ${size(file.size)}, more than the ${size(most)} that are taken of one file: export a smaller field`,
  })), aside);
  if (fits.length) sending = sending.then(() => card.send()).catch(() => {});
  else card.refuse("None of these files could be sent.");
}

class Card {
  constructor(files, notSent, aside) {
    this.files = files;
    this.notSent = notSent;
    this.aside = aside;
    this.rows = new Map();
    this.most = ROWS;
    this.title = made("h2", {}, "Waiting to be sent");
    this.bar = made("progress", { max: 1, value: 0, "aria-label": "Progress" });
    this.told = made("p", { class: "small" });
    this.actions = made("div", { class: "actions" });
    this.more = made("p", { class: "more small" });
    this.body = made("tbody");
    this.table = made("table", { class: "files" },
      made("caption", { class: "unseen" }, "Files of this upload"),
      made("thead", {}, made("tr", {}, ...["Look", "File", "State", "Most probable"].map((word, i) =>
        made("th", { scope: "col", class: ["", "name", "state", "answer"][i] }, i ? word : made("span", { class: "unseen" }, word))))),
      this.body);
    this.root = made("article", { class: "job" }, this.title, this.bar, this.told, this.actions, this.more, this.table);
    byId("jobs").prepend(this.root);
    this.show(files.map(({ name }) => ({ name, state: "waiting", message: "", diagnosis: "", probability: null })));
    this.remember();
    this.preview();
  }

  send() {
    return new Promise((done) => {
      const form = new FormData();
      for (const { file, name } of this.files) form.append("files", file, name);
      const request = new XMLHttpRequest();
      this.title.textContent = `Sending ${count(this.files.length, "file")}`;
      request.upload.onprogress = (event) => { this.bar.max = event.total; this.bar.value = event.loaded; };
      request.onloadend = () => {
        const body = request.response;
        if (request.status === 201) { this.follow(body); }
        else this.refuse(sentence(body?.error ?? "The server cannot be reached, or broke off: is it still running?"), true);
        done();
      };
      request.responseType = "json";
      request.open("POST", "/api/jobs");
      request.send(form);
    });
  }

  refuse(words, again = false) {
    this.title.textContent = "Not sent";
    this.bar.hidden = true;
    this.told.textContent = words;
    this.actions.replaceChildren();
    if (again) this.actions.append(made("button", { type: "button", onclick: () => {
      this.bar.hidden = false;
      this.told.textContent = "";
      this.actions.replaceChildren();
      sending = sending.then(() => this.send());
    } }, "Send again"));
    this.actions.append(made("button", { type: "button", class: "quiet", onclick: () => this.root.remove() }, "Close"));
    say(words);
  }

  async follow(job) {
    this.id = job.id;
    this.files = this.files ?? [];
    keepInMind();
    for (;;) {
      this.tell(job);
      if (job.state === "done" || job.state === "failed") return;
      await new Promise((go) => setTimeout(go, PAUSE));
      try {
        job = await ask(`/api/jobs/${this.id}`);
      } catch (problem) {
        if (problem.status) { this.gone(problem.message); return; }
        this.told.textContent = problem.message;  // the server may come back
      }
    }
  }

  tell(job) {
    const { waiting, ok, flagged, error, part, refused } = job.counts;
    const all = job.files.length - part, read = ok + flagged, todo = all - refused;
    const slides = job.files.filter((file) => file.state === "waiting" && file.tiles);
    const partly = slides.reduce((sum, file) => sum + file.tiles_read / file.tiles, 0);
    this.show(job.files);
    this.bar.hidden = job.state === "done" || job.state === "failed";
    this.bar.max = todo;
    if (read + error + partly) this.bar.value = todo - waiting + partly;
    else this.bar.removeAttribute("value");  // nobody knows yet how fast it goes
    if (job.state === "waiting") {
      this.title.textContent = `Waiting: ${count(job.waiting_before, "upload")} before this one`;
    } else if (job.state === "running") {
      this.title.textContent = waiting ? `Reading: ${todo - waiting} of ${todo} done${slides.length ? `, ${tiles(slides[0])}` : ""}` : "Drawing the page of cases";
    } else {
      const bad = error + refused + this.notSent.length;
      const parts = [`${read} of ${count(all + this.notSent.length, "image")} read`];
      if (flagged) parts.push(`${flagged} to look at`);
      if (bad) parts.push(`${bad} not read`);
      this.title.textContent = job.state === "done" ? parts.join(" · ") : sentence(job.message);
      this.finish(job);
      say(this.title.textContent);
    }
  }

  finish(job) {
    const words = [];
    if (this.aside) words.push(`${count(this.aside, "file")} of the folder left aside: not named like an image.`);
    if (job.counts.part) words.push(`${count(job.counts.part, "file")} read as parts of slides.`);
    if (job.state === "done" && job.message) words.push(job.message);
    if (job.removed_at) words.push(`The server removes it at ${new Date(job.removed_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.`);
    this.told.textContent = words.join(" ");
    this.actions.replaceChildren();
    if (job.page) this.actions.append(made("a", { class: "button first", href: job.page, target: "_blank", rel: "noopener" }, "Open the cases"));
    const { "nmevision-results.zip": archive, ...single } = job.results;
    if (archive) this.actions.append(made("a", { class: "button", href: archive, download: "" }, "Download all (zip)"));
    this.actions.append(made("button", { type: "button", class: "quiet", onclick: () => this.remove() }, "Remove now"));
    this.more.replaceChildren(...Object.entries(single).map(([name, address]) => made("a", { href: address, download: "" }, name)));
  }

  async remove() {
    try {
      await ask(`/api/jobs/${this.id}`, { method: "DELETE" });
    } catch (problem) {
      if (problem.status !== 404) { trouble(problem.message); return; }
    }
    this.root.remove();
    keepInMind();
    say("Removed.");
    byId("choose-files").focus();
  }

  gone(words) {
    this.id = null;
    keepInMind();
    this.title.textContent = "Gone";
    this.bar.hidden = true;
    this.told.textContent = words;
    this.actions.replaceChildren(made("button", { type: "button", class: "quiet", onclick: () => this.root.remove() }, "Close"));
    this.more.replaceChildren();
  }

  show(files) {
    const all = [...this.notSent, ...files];
    all.slice(0, this.most).forEach((file, i) => {
      const told = `${file.tiles_read}|${file.state}|${file.message}|${file.diagnosis}|${file.name}`;
      const row = this.rows.get(i) ?? this.newRow(i);
      if (row.told === told) return;
      row.told = told;
      row.name.replaceChildren(file.name, ...(file.message ? [made("span", { class: "said-of" }, file.message)] : []));
      row.root.hidden = file.state === "part";  // its slide stands for it
      const reading = file.state === "waiting" && file.tiles;
      row.state.replaceChildren(made("span", { class: `mark ${file.state}` }, reading ? tiles(file) : WORDS[file.state]));
      row.answer.replaceChildren(...(file.diagnosis ? this.answer(file) : []));
    });
    this.rest?.remove();
    if (all.length > this.most) {
      this.rest = made("button", { type: "button", onclick: () => { this.most = all.length; this.show(files); } }, `Show all ${count(all.length, "file")}`);
      this.root.append(this.rest);
    }
  }

  newRow(i) {
    const row = { look: made("td", {}, made("span", { class: "look" })), name: made("td", { class: "name" }), state: made("td", { class: "state" }), answer: made("td", { class: "answer" }) };
    row.root = made("tr", {}, row.look, row.name, row.state, row.answer);
    this.body.append(row.root);
    this.rows.set(i, row);
    return row;
  }

  answer(file) {
    const member = model.diagnoses[file.diagnosis] ?? file.diagnosis;
    if (model.modality !== "histology" || !file.group) return [made("b", {}, member), share(file.probability)];
    const inside = file.group === "necrolytic" ? "its members cannot be told apart here" : `most probable diagnosis: ${member}, ${percent(file.probability)}`;
    return [made("b", {}, model.groups[file.group] ?? file.group), share(file.group_probability), made("span", { class: "said-of" }, inside)];
  }

  async preview() {
    for (const [i, { file }] of this.files.slice(0, PREVIEWS).entries()) {
      const row = this.rows.get(i + this.notSent.length);
      if (!row || !PREVIEW.test(file.type) || file.size > PREVIEW_BYTES) continue;
      try {
        const picture = await createImageBitmap(file, { resizeWidth: 104, resizeQuality: "medium" });
        const canvas = made("canvas", { class: "look", "aria-hidden": "true", width: picture.width, height: picture.height });
        canvas.getContext("2d").drawImage(picture, 0, 0);
        picture.close();
        row.look.replaceChildren(canvas);
      } catch { /* not a picture for this browser: the server says what it is */ }
    }
  }

  remember() { cards.push(this); }
}

// What a reload of the page finds again

const cards = [];

function keepInMind() {
  const ids = cards.filter((card) => card.id && card.root.isConnected).map((card) => card.id);
  try { sessionStorage.setItem("jobs", JSON.stringify(ids)); } catch { /* a browser that keeps nothing */ }
}

async function recall() {
  let ids = [];
  try { ids = JSON.parse(sessionStorage.getItem("jobs") ?? "[]"); } catch { return; }
  for (const id of ids) {
    const job = await ask(`/api/jobs/${encodeURIComponent(id)}`).catch(() => null);
    if (job) new Card([], [], 0).follow(job);
  }
}

// The page

function introduce() {
  const { limits } = model;
  byId("model").textContent = `· ${model.name}`;
  document.title = `${model.name} · nmevision`;
  if (model.modality !== "histology") document.querySelector(".call").textContent = "Drop photos or folders here";
  byId("headline").textContent = model.modality === "histology" ? "Have H&E biopsy images read" : "Have clinical photos read";
  byId("first").hidden = !model.phantom;
  byId("first").textContent = model.phantom ? model.notices[0] : "";
  const between = model.notices.slice(model.phantom ? 1 : 0, -1);
  byId("notices").replaceChildren(...between.map((words) => made("p", { class: "words small" }, words)));
  byId("foot").textContent = model.notices.at(-1);
  const kept = limits.kept_seconds === null ? "The server keeps them."
    : `They are removed ${count(Math.max(1, Math.round(limits.kept_seconds / 60)), "minute")} after they were read, and when the server stops.`;
  byId("limits").textContent = `JPEG, PNG, TIFF, WebP or BMP${model.modality === "histology" ? ", or whole slides (SVS, NDPI, TIFF ...; those of several files, such as MIRAX, as a folder)" : ""}. Up to ${size(limits.file_bytes)} each; ${limits.files.toLocaleString("en")} files and ${size(limits.upload_bytes)} at a time. ${kept}`;
}

function listen() {
  const drop = byId("drop");
  let inside = 0;
  document.addEventListener("dragenter", (event) => { event.preventDefault(); inside += 1; drop.classList.add("over"); });
  document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) drop.classList.remove("over"); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    inside = 0;
    drop.classList.remove("over");
    take(await filesOf(event.dataTransfer));
  });
  for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", () => take(chosen(byId(input))));
  }
}

async function start() {
  try {
    model = await ask("/api/model");
  } catch (problem) {
    trouble(problem.message);
    return;
  }
  introduce();
  listen();
  await recall();
}

start();
