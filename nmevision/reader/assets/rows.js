// One row of the list: picture, name, answer, score, and what to be careful about.
const Rows = (() => {
  function line(row, i, of) {
    const said = row.lead
      ? [
          h("b", {}, capital(short(row.lead.name))),
          h(
            "small",
            {},
            row.lead.key === TABLES.focus
              ? "members cannot be told apart here"
              : `${row.best.name} ${share(Math.max(...row.p))}`,
          ),
        ]
      : [h("b", {}, "Not answered"), h("small", {}, row.message)];
    return h(
      "li",
      { "aria-setsize": String(of), "aria-posinset": String(i + 1) },
      h(
        "a",
        { class: "row", href: `#case/${row.index}`, "data-place": String(i) },
        h(
          "span",
          { class: "thumb" },
          row.thumbnail === undefined
            ? null
            : h("img", { src: Viewer.picture(row.thumbnail), alt: "", decoding: "async" }),
        ),
        h(
          "span",
          { class: "who" },
          h("b", {}, row.id),
          h("small", {}, row.patient_id ? `patient ${row.patient_id}` : row.source || ""),
        ),
        h("span", { class: "what" }, said),
        h(
          "span",
          { class: "score" },
          row.score < 0
            ? "–"
            : [
                h("span", { class: "unseen" }, `${DATA.target.name}: `),
                h(
                  "span",
                  { class: "bar", "aria-hidden": "true" },
                  h("i", { class: "fill", style: { width: at(row.score) } }),
                ),
                h("span", { class: "n" }, share(row.score)),
              ],
        ),
        h("span", { class: "badges" }, badges(row)),
      ),
    );
  }

  function badges(row) {
    const found = [];
    if (row.status === "error") found.push(["error", "unreadable"]);
    if (row.status === "flagged") found.push(["warn", "flagged"]);
    if (disagree(row)) found.push(["warn", "routes disagree"]);
    if (outOfScope(row)) found.push(["warn", "out of scope"]);
    if (State.touched(row.index)) found.push(["done", "corrected"]);
    return found.map(([kind, words]) => h("span", { class: `badge ${kind}` }, words));
  }

  return { line, badges };
})();
