// The first level of an answer: what it is, in a sentence and by group, and by which route.
const TINY = 0.01; // groups below it by every route share one line

const { share, span } = Numbers;

// The answer in one or two sentences. Pooled where a model answered, else the profiles' own.
function headlinePanel(row, now) {
  if (row && row.status === "error") {
    return h(
      "div",
      { class: "headline-box" },
      h("p", { class: "headline" }, "Not answered."),
      h("p", {}, row.message),
    );
  }
  if (!now.p) {
    return h(
      "div",
      { class: "headline-box" },
      h("p", { class: "headline" }, now.told.headline),
      now.told.message ? h("p", { class: "note" }, now.told.message) : null,
    );
  }
  const [leader] = byGroup(now.p),
    words = TABLES.words;
  const best = DIAGNOSES[highest(now.p)];
  const first = `${capital(short(leader.name))}, ${share(leader.value)}.`;
  return h(
    "div",
    { class: "headline-box" },
    h("p", { class: "headline" }, first),
    h(
      "p",
      { class: "lead" },
      leader.key === TABLES.focus
        ? `Which member it is, ${TABLES.modality === "histology" ? "H&E" : "the look of a lesion"} cannot tell.`
        : `Most probable in it: ${best.group === leader.key ? best.name : "see below"}. ${aboutFocus(now.p, leader.key, words)}`,
    ),
    h("p", { class: disagreeNow(now) ? "routes differ" : "routes" }, routesInWords(now)),
  );
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function aboutFocus(p, leader, words) {
  const focus = byGroup(p).find((group) => group.key === TABLES.focus);
  if (!focus || leader === focus.key) return "";
  return `${focus.value >= TABLES.kept_in_mind ? words.undecided : words.negative}: ${share(focus.value)}; not excluded.`;
}

const disagreeNow = (now) => routesDiffer(now.learned, now.knowledge);

function routesInWords(now) {
  if (!now.learned || !now.knowledge) return "One route only: learned from images.";
  const name = (p) => DIAGNOSES[highest(p)].name,
    group = (p) => short(byGroup(p)[0].name);
  if (!disagreeNow(now))
    return "Both routes agree: the images that it learned from, and the cited profiles over the findings.";
  const same = byGroup(now.learned)[0].key === byGroup(now.knowledge)[0].key;
  return same
    ? `Both routes see the ${group(now.learned)}; within it images say ${name(now.learned)}, profiles ${name(now.knowledge)}.`
    : `The routes disagree: images say ${name(now.learned)} (${group(now.learned)}), profiles ${name(now.knowledge)} (${group(now.knowledge)}).`;
}

// Groups first: pooled, learned and profiles side by side.
function groupsPanel(now, before, most = 99) {
  const told = new Map((now.told.groups || []).map((group) => [group.key, group]));
  const pooled = now.p ? byGroup(now.p) : [];
  const learned = now.learned ? new Map(byGroup(now.learned).map((g) => [g.key, g.value])) : null;
  const keys = pooled.map((group) => group.key);
  for (const group of now.told.groups || [])
    if (!keys.includes(group.key) && (!now.p || group.probability >= 0.05)) keys.push(group.key);
  if (!keys.length) return null;
  const was = before && before.p && now.p ? new Map(byGroup(before.p).map((g) => [g.key, g.value])) : null;
  const rows = keys.slice(0, most).map((key) => {
    const own = pooled.find((group) => group.key === key),
      profile = told.get(key);
    return {
      key,
      name: GROUP_NAMES.get(key) || key,
      pooled: own ? own.value : null,
      profile,
      learned: learned && learned.has(key) ? learned.get(key) : null,
      was: was && was.get(key),
    };
  });
  const tiny = (group) =>
    [group.pooled, group.learned, group.profile ? group.profile.probability : null].every(
      (value) => value === null || value < TINY,
    );
  const small = rows.filter(tiny),
    folded = small.length > 1 ? small : [];
  return [
    h(
      "div",
      { class: "groups", role: "table", "aria-label": "groups" },
      h(
        "div",
        { class: "group heads", role: "row" },
        groupHeads(now).map((text) => h("span", { role: "columnheader" }, text)),
      ),
      rows.filter((group) => !folded.includes(group)).map((group) => groupRow(group, now)),
    ),
    folded.length
      ? h(
          "p",
          { class: "small rest" },
          `Below ${TINY} by every route: ${folded.map((group) => short(group.name)).join(", ")}.`,
        )
      : null,
  ];
}

const groupHeads = (now) => [
  "pattern",
  "probability",
  ...(now.p ? ["pooled"] : []),
  ...(now.learned && now.told.groups ? ["images"] : []),
  ...(now.told.groups ? ["profiles"] : []),
];

function groupRow(group, now) {
  const main = group.pooled === null && !now.p ? group.profile.probability : group.pooled;
  const moved = group.was !== null && group.was !== undefined && Math.abs(group.was - main) >= 0.005;
  const cells = [
    h("span", { role: "cell", class: "name", title: group.name }, short(group.name)),
    h("span", { role: "cell", class: "meter" }, meter(main, group)),
  ];
  const dash = "–";
  if (now.p)
    cells.push(
      h(
        "span",
        { role: "cell", class: "n main", "data-label": "pooled" },
        main === null ? dash : share(main),
        moved ? h("small", {}, ` was ${share(group.was)}`) : null,
      ),
    );
  if (now.learned && now.told.groups)
    cells.push(
      h(
        "span",
        { role: "cell", class: "n", "data-label": "images" },
        group.learned === null ? dash : share(group.learned),
      ),
    );
  if (now.told.groups)
    cells.push(
      h(
        "span",
        { role: "cell", class: "n", "data-label": "profiles" },
        group.profile
          ? [share(group.profile.probability), h("small", {}, ` ${limits(group.profile)}`)]
          : dash,
      ),
    );
  return h("div", { class: "group", role: "row", "data-key": group.key }, cells);
}

const limits = ({ low, high }) =>
  share(low) === share(high) ? `all ${share(low)}` : `${share(low)}–${share(high)}`;

// A bar with the learned route as a ring and the profiles as a diamond on their range.
function meter(value, group) {
  const marks = [];
  if (group.profile) {
    marks.push(
      h("b", { style: { left: at(group.profile.low), width: at(group.profile.high - group.profile.low) } }),
    );
    marks.push(h("i", { class: "diamond", style: { left: at(group.profile.probability) } }));
  }
  if (group.learned !== null) marks.push(h("i", { class: "ring", style: { left: at(group.learned) } }));
  return h(
    "div",
    { class: "bar", "aria-hidden": "true" },
    value === null ? null : h("i", { class: "fill", style: { width: at(value) } }),
    marks,
  );
}

function legend(now) {
  const parts = [];
  if (now.p) parts.push([h("i", { class: "key fill" }), "pooled"]);
  if (now.learned && now.told.groups) parts.push([h("i", { class: "key ring" }), "learned from images"]);
  if (now.told.groups) parts.push([h("i", { class: "key diamond" }), "profiles, with their range"]);
  return h(
    "p",
    { class: "legend small", "aria-hidden": "true" },
    parts.map((part) => h("span", {}, part)),
  );
}

function certainty(now) {
  if (!now.p) {
    const range = "The range (5th to 95th percentile) shows only how far the profiles are known.";
    return `${now.told.graded} of ${now.told.of} findings graded. ${range} ${TABLES.prior_in_words}`;
  }
  const { temperature, validation_images: images } = DATA.about;
  const which = now.learned ? "for the pooled and the learned probability" : "for these probabilities";
  const none = SETS ? "" : `No interval and no prediction set ${which}: this model holds no limits for them. `;
  const where = images ? `${images} validation images` : "an unknown number of validation images";
  const scale = temperature ? `one temperature, ${Number(temperature).toFixed(2)},` : "";
  const learned = temperature ? `The learned one is calibrated by ${scale} on ${where}` : "The learned one is not calibrated";
  const pool = routes ? `, and the weights of the pool were fitted on ${routes.spec.images}.` : ".";
  const range = now.told.groups ? " The profiles' range shows only how far they are known." : "";
  return `${none}${learned}${pool}${range}`;
}
