// Prediction sets: what the model's answer cannot rule out, at a level that holds class by class.
const SETS = (DATA.about && DATA.about.sets) || null;
const MOST_DASHED = 4; // classes without enough patients that are drawn; more are told in a sentence

// The words of predictions.csv: keys, "?" after those that no set may leave out for want of patients.
function readSet(text) {
  if (!text) return null;
  if (text.startsWith("not estimable")) return { words: text };
  const keys = text === "(none)" ? [] : text.split("; ");
  return {
    all: keys.map((key) => key.replace("?", "")),
    held: keys.filter((key) => !key.endsWith("?")),
    always: keys.filter((key) => key.endsWith("?")).map((key) => key.slice(0, -1)),
  };
}

const setLevel = () => Numbers.percent(SETS.level);
const limitOf = (limits, key) => limits.find((limit) => limit.key === key) || { patients: 0 };
// A group and a diagnosis may have the same key, so the limits say which is meant.
function nameOf(key, limits) {
  const diagnosis = limits === SETS.diagnoses && DIAGNOSES.find((one) => one.key === key);
  return short(diagnosis ? diagnosis.name : GROUP_NAMES.get(key) || key);
}

// A set in one sentence of plain words, for the printed page and screen readers.
function setInWords(text, limits) {
  const set = readSet(text);
  if (set.words) return `${capital(set.words)}.`;
  const always = countsInWords(set.always, limits);
  const held = set.held.map((key) => nameOf(key, limits)).join(", ") || (always ? "none of the others" : "none");
  return `Not ruled out at ${setLevel()}: ${held}.${
    always ? ` Never ruled out, for fewer than ${SETS.needed} validation patients: ${always}.` : ""
  }`;
}

// The kinds of set that a row has: patterns first, for they are what an image can tell.
function setsOf(row) {
  if (!SETS || !row) return [];
  return [
    ["Patterns", row.set_groups, SETS.groups],
    ["Diagnoses", row.set, SETS.diagnoses],
  ].filter(([, text]) => text);
}

function setPanel(row, moved) {
  const found = setsOf(row);
  if (!found.length) return null;
  const [first, ...rest] = found;
  const notes = [];
  if (moved) notes.push("Of the model's own answer, before your grades: with them no level is promised.");
  if (row.novelty >= UNUSUAL)
    notes.push("This image lies beyond every validation image: for it the level promises nothing.");
  return h(
    "div",
    { class: "sets" },
    h("h3", {}, readSet(first[1]).words ? "Prediction set" : `Not ruled out at ${setLevel()}`),
    setLine(first[1], first[2]),
    notes.map((words) => h("p", { class: "note small" }, words)),
    h(
      "details",
      {},
      h("summary", {}, rest.length ? "By diagnosis, and what this promises" : "What this promises"),
      rest.map(([, text, limits]) => setLine(text, limits)),
      h("p", { class: "small" }, promise()),
    ),
  );
}

function setLine(text, limits) {
  const set = readSet(text);
  if (set.words) return h("p", { class: "small" }, `${capital(set.words)}.`);
  const out = limits.map((limit) => limit.key).filter((key) => !set.held.includes(key) && !set.always.includes(key));
  const few = set.always.length <= MOST_DASHED;
  const held = (few ? set.all : set.held).map((key) => chip(key, set, limits));
  return [
    set.all.length ? null : h("p", {}, "None: this image is unlike the validation images of every class."),
    held.length ? h("p", { class: "held" }, held) : null,
    set.always.length
      ? h(
          "p",
          { class: "small" },
          `${few ? "Dashed: not" : "Not"} estimable, so never ruled out: fewer than ${SETS.needed} validation patients`,
          few ? "." : ` (${countsInWords(set.always, limits)}).`,
        )
      : null,
    out.length ? h("p", { class: "small" }, `Ruled out: ${out.map((key) => nameOf(key, limits)).join(", ")}.`) : null,
  ];
}

// "n = 6 each: a, b", or each with its own n.
function countsInWords(keys, limits) {
  const counts = keys.map((key) => limitOf(limits, key).patients);
  const names = keys.map((key) => nameOf(key, limits));
  if (keys.length > 1 && new Set(counts).size === 1) return `n = ${counts[0]} each: ${names.join(", ")}`;
  return names.map((name, i) => `${name} n = ${counts[i]}`).join(", ");
}

function chip(key, set, limits) {
  const always = set.always.includes(key);
  return h(
    "span",
    { class: always ? "in-set always" : "in-set" },
    nameOf(key, limits),
    always ? h("small", {}, ` n = ${limitOf(limits, key).patients}`) : null,
  );
}

const promise = () =>
  `Each class alone: of its images, one of a new patient from where the validation images came, the set is to miss at most ${Numbers.percent(
    1 - SETS.level,
  )}. Patients count once. The same validation images chose the epoch, the temperature and the weights of the pool, so this holds only nearly; from another clinic, stain or camera it need not hold.`;
