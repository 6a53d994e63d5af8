// One printed page per case: what it is, why, what would tell more. On screen it is not shown.
const Summary = (() => {
  const MOST = 7;

  function show(title, row, now) {
    const about = DATA.about;
    put(
      byId("summary"),
      h(
        "div",
        { class: "sheet-head" },
        row && row.image !== undefined ? h("img", { src: Viewer.picture(row.image), alt: "" }) : null,
        h(
          "div",
          {},
          h("h2", {}, title),
          row && row.patient_id ? h("p", {}, `Patient ${row.patient_id}`) : null,
          headlinePanel(row, now),
          h("p", { class: "small" }, certainty(now)),
        ),
      ),
      now.told.groups || now.p ? [h("h3", {}, "Patterns"), groupsPanel(now, null, 5), legend(now)] : null,
      sets(row),
      reasons(now),
      membersInWords(now),
      near(row),
      next(now),
      h(
        "p",
        { class: "small" },
        (now.told.caveats || []).slice(0, 1).join(" "),
        " ",
        byId("main").dataset.research,
      ),
      h(
        "p",
        { class: "small" },
        about
          ? `Model ${about.name} (${about.hash}), nmevision ${about.nmevision}, answered ${about.finished}; knowledge ${TABLES.knowledge}.${about.phantom ? " Trained on phantoms: says nothing about disease." : ""}`
          : `Graded by hand; knowledge ${TABLES.knowledge}.`,
      ),
    );
  }

  function sets(row) {
    const found = setsOf(row);
    if (!found.length) return null;
    const moved = State.touched(row.index) && Object.keys(State.entry(row.index).given).length > 0;
    const [kind, words, limits] = found[0];
    return h(
      "p",
      { class: "small" },
      `${kind}: ${setInWords(words, limits)}`,
      moved ? " Of the model's own answer, before the grades given by hand." : null,
    );
  }

  function near(row) {
    const words = referencesInWords(row);
    return words ? h("p", { class: "small" }, words) : null;
  }

  function reasons(now) {
    if (!now.told.groups) return null;
    const [leader, rival] = leadersOf(now);
    const found = now.told.weights(leader, rival).slice(0, MOST);
    return [
      h("h3", {}, `Why: ${short(GROUP_NAMES.get(leader))} against ${short(GROUP_NAMES.get(rival))}`),
      table(
        ["finding", "#grade", "#first expects", "#second expects", "#decibans"],
        found.map((weight) => [
          TABLES.findings[weight.finding].name,
          weight.grade.toFixed(1),
          weight.target.toFixed(1),
          weight.rival.toFixed(1),
          Numbers.signed(weight.decibans),
        ]),
        "evidence",
      ),
    ];
  }

  function membersInWords(now) {
    const told = now.told.groups && now.told.kept ? now.told.members(TABLES.focus) : [];
    if (!told.length) return null;
    return [
      h("h3", {}, "Members of the necrolytic pattern"),
      h(
        "p",
        { class: "small" },
        `${told.map((m) => m.name).join("; ")}. ${
          told.some((m) => m.within)
            ? told
                .filter((m) => m.within)
                .map((m) => `${m.name} ${share(m.within.at)}`)
                .join(", ") + ", from clinical data alone."
            : TABLES.words[TABLES.modality === "histology" ? "not_separable" : "no_sites"]
        }`,
      ),
    ];
  }

  function next(now) {
    if (!now.told.groups) return null;
    return [
      h("h3", {}, "Consider"),
      h(
        "ul",
        { class: "small" },
        now.told.workup.slice(0, 4).map((step) => h("li", {}, step.text)),
      ),
    ];
  }

  return { show, clear: () => put(byId("summary")) };
})();
