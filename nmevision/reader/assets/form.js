// The page opened empty: findings graded by hand, the differential beside them.
const FormPage = (() => {
  const kept = [];
  let entry = null;

  function open() {
    entry = State.blank();
    const parts = Object.fromEntries(
      ["answer", "members", "next", "limits", "sources"].map((name) => [name, h("div", { id: name })]),
    );
    const name = h("input", {
      type: "text",
      id: "case-name",
      value: `case ${kept.length + 1}`,
      autocomplete: "off",
    });
    const update = () => show(parts, name.value);
    const chart = Findings.chart({ row: null, entry, byPlace: true, changed: update });
    put(
      byId("main"),
      h("h2", { class: "unseen" }, "A case graded by hand"),
      h(
        "div",
        { class: "formbar" },
        h("label", { for: "case-name" }, "Case "),
        name,
        button("Keep it and start the next", () => keep(name.value)),
        button("Download CSV for nmevision reason", () => save(name.value)),
        button("Print one page", () => window.print()),
        h(
          "small",
          { id: "kept" },
          kept.length ? `${kept.length} kept: ${kept.map((one) => one.id).join(", ")}` : "",
        ),
      ),
      h(
        "div",
        { class: "case form" },
        h(
          "div",
          { class: "left" },
          section(
            "evidence",
            "Findings",
            h(
              "p",
              { class: "small" },
              "Grade what you see from 0, absent, to 3, marked. A finding that is not assessable stays –: missing is not absent.",
            ),
            chart.element,
          ),
          ClinicalForm.fieldPanel(entry, update),
          section("beside", "Clinical data", ClinicalForm.panel(entry, update)),
        ),
        h(
          "div",
          { class: "right" },
          h("div", { class: "sticky" }, parts.answer),
          section("which", "Members of the pattern", parts.members),
          section("then", "What next", parts.next),
          section("not", "What this does not say", parts.limits),
          section("cited", "Sources", parts.sources),
        ),
      ),
    );
    chart.draw(
      TABLES.findings.map((finding) => finding.key),
      answerOf(null, entry),
    );
    show(parts, name.value);
    name.addEventListener("change", update);
    parts.chart = chart;
  }

  const button = (text, act) => h("button", { type: "button", on: { click: act } }, text);

  function show(parts, title) {
    const now = answerOf(null, entry);
    now.cited = [];
    put(
      parts.answer,
      headlinePanel(null, now),
      now.told.groups
        ? [groupsPanel(now, null), legend(now), h("p", { class: "small" }, certainty(now))]
        : h("p", { class: "words" }, now.told.message),
    );
    if (parts.chart) parts.chart.update(now);
    put(parts.members, now.told.groups ? membersPanel(now) : null);
    put(parts.next, nextPanel(now));
    put(parts.limits, limitsPanel(now));
    put(parts.sources, sourcesPanel(now));
    for (const id of ["which", "then", "not", "cited"]) byId(id).hidden = !now.told.groups;
    Summary.show(title, null, now);
    say(now.told.headline);
  }

  function keep(id) {
    kept.push({ id, entry });
    open();
    byId("case-name").focus();
  }

  function save(id) {
    const all = Object.keys(entry.given).length ? [...kept, { id, entry }] : kept;
    if (!all.length) return say("nothing to download yet: grade a finding first");
    return Corrections.download("grades.csv", Corrections.cases(all).text);
  }

  return { open };
})();
