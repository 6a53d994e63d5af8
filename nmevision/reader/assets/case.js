// One case: image, answer, evidence, members, what next; a grade that is changed moves all of them at once.
const CasePage = (() => {
  let current = null;

  function open(index) {
    const row = DATA.rows[index],
      entry = State.entry(index);
    const before = answerOf(row, State.blank());
    current = { row, entry, before };
    const parts = Object.fromEntries(
      ["answer", "members", "next", "checks", "limits", "sources", "banner"].map((name) => [
        name,
        h("div", { id: name }),
      ]),
    );
    const chart = Findings.chart({ row, entry, changed: () => update(current) });
    Object.assign(current, { parts, chart });
    put(
      byId("main"),
      bar(row),
      h(
        "div",
        { class: "case" },
        h("div", { class: "left" }, Viewer.panel(row), parts.checks, patient(row)),
        h(
          "div",
          { class: "right" },
          parts.answer,
          parts.banner,
          row.status === "error"
            ? null
            : [
                section("evidence", "Findings", h("p", { class: "small" }, words(row)), chart.element),
                REFERENCES ? section("near", "Nearest reference cases", referencesPanel(row)) : null,
                section("which", "Members of the pattern", parts.members),
                section("then", "What next", parts.next),
                section(
                  "beside",
                  "Clinical data",
                  ClinicalForm.panel(entry, () => update(current)),
                ),
                section("yours", "Your reading", reading(row, entry)),
                section("not", "What this does not say", parts.limits),
                section("cited", "Sources", parts.sources),
              ],
        ),
      ),
    );
    Viewer.open(row);
    const now = answerOf(row, entry);
    if (row.status !== "error") chart.draw(Findings.byWeight(now), now);
    show(current, now);
    document.title = row.id;
    window.scrollTo(0, 0);
  }

  function words(row) {
    if (isLive(row))
      return "Graded by the model, its own errors counted in. Give a grade and everything on this page follows.";
    return row.finding
      ? "This prediction does not hold how the model errs, so its grades are not used here: predict again with this version, or grade by hand."
      : "This model grades no findings. Grade them by hand and read what the profiles say; the learned answer stays as it is.";
  }

  function bar(row) {
    const [n, of] = Worklist.place(row.index);
    const go = (by, text, words) => {
      const next = Worklist.neighbour(row.index, by);
      return next
        ? h("a", { href: `#case/${next.index}`, rel: by > 0 ? "next" : "prev", "aria-label": words }, text)
        : h("span", { class: "off", "aria-hidden": "true" }, text);
    };
    return h(
      "nav",
      { class: "casebar", "aria-label": "case" },
      h("a", { href: "#" }, "← all images"),
      h("h2", { tabindex: "-1", id: "case-title" }, row.id),
      h("span", { class: "badges" }, Rows.badges(row)),
      h(
        "span",
        { class: "turn" },
        go(-1, "‹ previous", "previous case"),
        h("small", {}, n ? ` ${n} of ${of} ` : " "),
        go(1, "next ›", "next case"),
      ),
      h("button", { type: "button", on: { click: () => window.print() } }, "Print one page"),
    );
  }

  function patient(row) {
    const about = DATA.patients[row.patient_id];
    if (!about) return row.source ? h("p", { class: "small" }, `Source: ${row.source}`) : null;
    const others = DATA.rows.filter((other) => other.patient_id === row.patient_id && other !== row);
    return h(
      "div",
      { class: "patient" },
      h("h3", {}, `Patient ${row.patient_id}`),
      about.p
        ? h(
            "p",
            {},
            `All ${about.answered} answered images together: ${byGroup(about.p)
              .slice(0, 2)
              .map((group) => `${group.name} ${share(group.value)}`)
              .join(", ")}.`,
          )
        : h("p", {}, "No image of this patient was answered."),
      others.length
        ? h(
            "ul",
            {},
            others
              .slice(0, 12)
              .map((other) => h("li", {}, h("a", { href: `#case/${other.index}` }, other.id))),
          )
        : null,
    );
  }

  function update(on) {
    show(on, answerOf(on.row, on.entry));
    say(on.parts.answer.textContent.slice(0, 200));
  }

  function show(on, now) {
    const { row, entry, before, parts } = on,
      moved = Object.keys(entry.given).length;
    now.cited = [];
    put(
      parts.answer,
      headlinePanel(row, now),
      row.status === "error"
        ? null
        : [
            groupsPanel(now, moved ? before : null),
            legend(now),
            setPanel(row, moved > 0),
            h("p", { class: "small" }, certainty(now)),
          ],
      !now.told.groups && row.status !== "error" ? h("p", { class: "small" }, now.told.message) : null,
    );
    put(
      parts.banner,
      moved
        ? h(
            "p",
            { class: "yours" },
            `With ${moved} of your grades. `,
            h(
              "button",
              {
                type: "button",
                on: {
                  click: () => {
                    entry.given = {};
                    open(row.index);
                  },
                },
              },
              "Undo all",
            ),
          )
        : null,
    );
    if (row.status !== "error") {
      on.chart.update(now);
      put(parts.members, membersPanel(now));
      put(parts.next, nextPanel(now));
      put(parts.limits, limitsPanel(now));
      put(parts.sources, sourcesPanel(now));
    }
    put(parts.checks, h("h3", {}, "Is it in scope?"), checksPanel(row, now));
    Summary.show(row.id, row, now);
  }

  // The diagnosis that a person gives, for the manifest rows of `train`.
  function reading(row, entry) {
    const pick = h(
      "select",
      {
        id: "own-diagnosis",
        on: {
          change: () => {
            entry.diagnosis = pick.value;
            State.changed();
          },
        },
      },
      h("option", { value: "" }, "not given"),
      DIAGNOSES.map((diagnosis) =>
        h("option", { value: diagnosis.key, selected: diagnosis.key === entry.diagnosis }, diagnosis.name),
      ),
    );
    const note = h("input", {
      type: "text",
      id: "own-note",
      value: entry.note,
      autocomplete: "off",
      on: {
        change: () => {
          entry.note = note.value;
          State.changed();
        },
      },
    });
    const offer = (name, text, made) =>
      h(
        "button",
        {
          type: "button",
          on: {
            click: () => {
              const { text: content, n } = made();
              if (n) Corrections.download(name, content);
              else say("nothing to download yet: give a grade or a diagnosis first");
            },
          },
        },
        text,
      );
    return h(
      "div",
      { class: "reading" },
      h("p", {}, h("label", { for: "own-diagnosis" }, "Your diagnosis "), pick),
      h("p", {}, h("label", { for: "own-note" }, "Note "), note),
      h(
        "p",
        { class: "small" },
        "Downloads hold what you changed in all cases; nothing is kept when this page closes. Your diagnosis and note go into the manifest rows only.",
      ),
      h(
        "p",
        {},
        offer("corrections.csv", "Grades, for correct and reason", Corrections.grades),
        " ",
        offer("training-rows.csv", "Manifest rows, for train", Corrections.manifest),
      ),
    );
  }

  return {
    open,
    get current() {
      return current;
    },
  };
})();
