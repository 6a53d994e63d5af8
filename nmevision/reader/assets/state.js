// What the page knows, and what a person has changed: nothing of it leaves the page but by a download.
const DATA = JSON.parse(byId("data").textContent);
const PICTURES = byId("pictures").textContent.split("\n"); // one picture a line: JSON of megabytes is slow
const TABLES = DATA.tables;
const answering = new Answering(TABLES);
const routes = DATA.routes ? new Routes(DATA.routes, TABLES, answering.model) : null;
const FINDINGS = new Map(TABLES.findings.map((finding) => [finding.key, finding]));
const UNUSUAL = 1;

const State = (() => {
  const entries = new Map();
  let saved = true;

  const blank = () => ({
    given: {},
    fields: {},
    sites: {},
    features: {},
    glucagon: "",
    diagnosis: "",
    note: "",
  });

  // What a person said of a row (or of the form's case), made when first asked for.
  function entry(index) {
    if (!entries.has(index)) entries.set(index, blank());
    return entries.get(index);
  }

  const touched = (index) => {
    const own = entries.get(index);
    return Boolean(own && (Object.keys(own.given).length || own.diagnosis || own.note));
  };

  function changed() {
    saved = false;
  }

  window.addEventListener("beforeunload", (event) => {
    if (!saved) event.preventDefault();
  });

  return {
    entry,
    touched,
    changed,
    blank,
    reset: (index) => entries.delete(index),
    markSaved: () => (saved = true),
    get corrected() {
      return [...entries.keys()].filter(touched).sort((a, b) => a - b);
    },
  };
})();

const isLive = (row) => Boolean(routes && row.finding && row.learned);

// What is answered about a row now, with what a person changed.
function answerOf(row, entry) {
  const given = entry.given,
    live = row && isLive(row);
  const evidence = live
    ? routes.evidence(row, given)
    : TABLES.findings.map((finding) =>
        finding.key in given ? ProfileModel.grade(given[finding.key]) : null,
      );
  const fields = { ...(live ? presentFields(row) : {}), ...entry.fields };
  const glucagon = entry.glucagon ? answering.clinical.readGlucagon(entry.glucagon) : null;
  const sites = Object.fromEntries(
    Object.entries(entry.sites).map(([key, g]) => [key, ProfileModel.grade(g)]),
  );
  const more = {
    fields,
    sites,
    features: entry.features,
    glucagon: glucagon && !glucagon.error ? glucagon : null,
  };
  const told = answering.answer(evidence, more);
  if (!row || row.status === "error") return { told, evidence };
  const fused = live && Object.keys(given).length ? routes.answer(row, evidence) : row;
  const { p, learned = null, knowledge = null } = fused;
  return { told, evidence, p, learned, knowledge };
}

// The two patterns that lead, by the pooled answer where there is one: evidence is weighed between them.
function leadersOf(now) {
  const known = new Set(TABLES.groups.map((group) => group.key));
  const pooled = now.p
    ? byGroup(now.p)
        .map((group) => group.key)
        .filter((key) => known.has(key))
    : [];
  return pooled.length > 1 ? pooled.slice(0, 2) : [now.told.leader, now.told.rival];
}

// What the network saw in the field; what it did not see has left its findings out already.
function presentFields(row) {
  return Object.fromEntries(
    routes.spec.fields.filter((_, i) => row.field[i] >= 0.5).map((key) => [key, true]),
  );
}

const DIAGNOSES = DATA.taxonomy ? DATA.taxonomy.diagnoses : [];
const GROUP_NAMES = new Map(TABLES.groups.map((group) => [group.key, group.name]));
for (const group of DATA.taxonomy ? DATA.taxonomy.groups : []) GROUP_NAMES.set(group.key, group.name);

// A group's name without what stands in brackets, where room is scarce.
const short = (name) => name.replace(/ \([^)]*\)/g, "");

// Probabilities of diagnoses as those of the taxonomy's groups, the most probable first.
function byGroup(p) {
  const sums = new Map();
  DIAGNOSES.forEach((diagnosis, d) => sums.set(diagnosis.group, (sums.get(diagnosis.group) || 0) + p[d]));
  return [...sums]
    .map(([key, value]) => ({ key, value, name: GROUP_NAMES.get(key) }))
    .sort((a, b) => b.value - a.value);
}

const highest = (p) => p.indexOf(Math.max(...p));

// What the worklist is sorted by.
function scoreOf(p) {
  const own = new Set(DATA.target.diagnoses);
  return own.size
    ? DIAGNOSES.reduce((sum, diagnosis, d) => sum + (own.has(diagnosis.key) ? p[d] : 0), 0)
    : Math.max(...p);
}

const outOfScope = (row) =>
  row.status !== "error" &&
  (row.novelty >= UNUSUAL || (row.fit !== undefined && row.fit < TABLES.novel_below));
// Whether both routes name another diagnosis, and not just two members that H&E cannot tell apart.
function routesDiffer(learned, knowledge) {
  if (!learned || !knowledge) return false;
  const [one, other] = [learned, knowledge].map((p) => DIAGNOSES[highest(p)]);
  const apart = one.group !== other.group || one.group !== TABLES.focus || TABLES.modality !== "histology";
  return one.key !== other.key && apart;
}
const disagree = (row) => routesDiffer(row.learned, row.knowledge);
