// The further levels of an answer: its members, what next, whether it is in scope, what it does not say.
const SHOWN_GROUP = 0.1; // probability from which a group's members are shown; the necrolytic ones earlier
const LEAST_BITS = 0.01; // expected information below which a finding is not worth looking for

// Members of the groups that count, with words where nothing tells them apart.
function membersPanel(now) {
  const groups = now.p
    ? byGroup(now.p).map((g) => [g.key, g.value])
    : (now.told.groups || []).map((g) => [g.key, g.probability]);
  return groups
    .filter(([key, value]) => value >= (key === TABLES.focus ? TABLES.kept_in_mind : SHOWN_GROUP))
    .map(([key]) => membersOf(key, now))
    .filter(Boolean);
}

function membersOf(key, now) {
  const told = now.told.members ? now.told.members(key) : [];
  const own = DIAGNOSES.map((diagnosis, d) => [diagnosis, d]).filter(
    ([diagnosis]) => diagnosis.group === key,
  );
  const title = h("h4", {}, GROUP_NAMES.get(key) || key);
  if (key === TABLES.focus) return h("div", { class: "members" }, title, focusMembers(told, now));
  const total = now.p ? own.reduce((sum, [, d]) => sum + now.p[d], 0) : 0;
  const named = new Map(told.map((member) => [member.key, member]));
  for (const [diagnosis] of own)
    if (!named.has(diagnosis.key))
      named.set(diagnosis.key, { ...diagnosis, separates: "", noNumber: "no profile", within: null });
  const pooled = new Map(
    own.map(([diagnosis, d]) => [diagnosis.key, now.p && total > 0 ? now.p[d] / total : null]),
  );
  const members = [...named.values()].sort(
    (a, b) => (pooled.get(b.key) ?? b.within?.at ?? 0) - (pooled.get(a.key) ?? a.within?.at ?? 0),
  );
  if (!members.length) return null;
  const heads = [
    "member",
    ...(now.p ? ["#pooled within"] : []),
    "#profiles within (range)",
    "what tells it apart",
  ];
  return h(
    "div",
    { class: "members" },
    title,
    table(
      heads,
      members.map((m) => [
        m.name,
        ...(now.p
          ? [pooled.get(m.key) === null || pooled.get(m.key) === undefined ? "–" : share(pooled.get(m.key))]
          : []),
        m.within ? `${share(m.within.at)} (${span(m.within.low, m.within.high)})` : m.noNumber || "–",
        m.separates || "–",
      ]),
      `members of ${GROUP_NAMES.get(key)}`,
    ),
  );
}

// The necrolytic members never get a number from H&E; from clinical data they may.
function focusMembers(told, now) {
  const numbered = told.some((member) => member.within);
  const words = numbered
    ? "From body sites and clinical data alone, given this pattern; the image has no part in it."
    : TABLES.words[TABLES.modality === "histology" ? "not_separable" : "no_sites"];
  const heads = [
    "member",
    ...(numbered ? ["#within the group (range)"] : []),
    "what would tell it",
    "next tests",
  ];
  return [
    h("p", { class: "words" }, words),
    told.length
      ? table(
          heads,
          told.map((m) => [
            m.name,
            ...(numbered
              ? [
                  m.within
                    ? `${share(m.within.at)} (${m.within.low === null ? "no interval" : span(m.within.low, m.within.high)})`
                    : "–",
                ]
              : []),
            m.separates || "–",
            [
              m.next_tests.length
                ? h(
                    "ul",
                    {},
                    m.next_tests.map((test) => h("li", {}, test)),
                  )
                : "–",
              cite(now.cited, m.sources),
            ],
          ]),
          "members of the necrolytic group",
        )
      : null,
  ];
}

// Citations are numbered in the order in which a case's panels ask for them.
function cite(cited, keys) {
  if (!keys.length) return null;
  const numbers = keys
    .filter((key) => TABLES.sources[key])
    .map((key) => {
      if (!cited.includes(key)) cited.push(key);
      return cited.indexOf(key) + 1;
    });
  return numbers.length ? h("small", { class: "cite" }, ` [${numbers.join(", ")}]`) : null;
}

function nextPanel(now) {
  if (!now.told.groups) return null;
  const look = now.told
    .next()
    .filter((item) => item.bits >= LEAST_BITS)
    .slice(0, 5);
  return [
    look.length
      ? [
          h("h4", {}, "Findings to look at next"),
          h(
            "ol",
            {},
            look.map((item) => {
              const finding = TABLES.findings[item.finding];
              return h("li", {}, finding.name, h("small", {}, ` ${item.bits.toFixed(2)} bits expected`));
            }),
          ),
        ]
      : null,
    h("h4", {}, "Tests to consider"),
    h(
      "ul",
      {},
      now.told.workup.map((step) =>
        h("li", {}, step.text, h("small", {}, ` When: ${step.when}.`), cite(now.cited, step.sources)),
      ),
    ),
    now.told.clinical.statements.length
      ? [
          h("h4", {}, "Clinical data"),
          h(
            "ul",
            {},
            now.told.clinical.statements.map((s) =>
              h("li", {}, `${s.what}: ${s.says}`, cite(now.cited, s.sources)),
            ),
          ),
        ]
      : null,
  ];
}

// Is this an image that the model, and the profiles, know anything about?
function checksPanel(row, now) {
  const items = [];
  if (row && row.message) items.push(["Message", row.message]);
  if (row && typeof row.novelty === "number") {
    const far = row.novelty >= UNUSUAL;
    items.push([
      "Novelty",
      [
        measure(row.novelty, far),
        far
          ? "far beyond every validation image: the answer has no ground"
          : `${Numbers.percent(row.novelty)} of the validation images look less unusual`,
      ],
    ]);
  }
  if (now.told.groups) {
    const odd = now.told.fit < TABLES.novel_below;
    items.push([
      "Fit",
      [
        measure(now.told.fit, odd),
        odd
          ? now.told.message
          : `of true cases of the nearest profile, ${Numbers.percent(now.told.fit)} fit no better`,
      ],
    ]);
  }
  if (row && routes && row.field && row.field.length) {
    items.push([
      "In the field",
      h(
        "ul",
        { class: "plain" },
        routes.spec.fields.map((key, i) => {
          const here = row.field[i] >= 0.5;
          return h(
            "li",
            {},
            `${here ? "✓" : "✗"} ${TABLES.fields[key] || key} `,
            h("small", {}, `${share(row.field[i])}${here ? "" : ": its findings are not counted"}`),
          );
        }),
      ),
    ]);
  } else if (row && row.status !== "error") {
    items.push(["In the field", "not judged: this model does not look for structures"]);
  }
  return h(
    "dl",
    { class: "checks" },
    items.map(([name, content]) => [h("dt", {}, name), h("dd", {}, content)]),
  );
}

const measure = (value, odd) =>
  h(
    "span",
    { class: odd ? "measure odd" : "measure", "aria-hidden": "true" },
    h("i", { style: { width: at(value) } }),
  );

function limitsPanel(now) {
  return now.told.caveats
    ? h(
        "ul",
        {},
        now.told.caveats.map((sentence) => h("li", {}, sentence)),
      )
    : null;
}

function sourcesPanel(now) {
  return h(
    "ol",
    { class: "small" },
    now.cited.map((key) => h("li", {}, TABLES.sources[key])),
  );
}
