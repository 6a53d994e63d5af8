// The findings: what was seen, what the leading diagnoses expect, what it weighs, and a grade to correct it with.
const Findings = (() => {
  const GRADES = ["0", "1", "2", "3"];
  const TRUST = {
    a: "cited text",
    u: "agrees with UCI data",
    c: "textbook, in conflict with UCI data",
    t: "textbook, not verified",
  };
  const MOST = 12; // rows of a case that stand open
  const on = (grade) => at((grade + 0.3) / 3.6);

  // options: {row, entry, byPlace (headed by where to look), changed()}.
  function chart(options) {
    const rows = new Map(),
      pair = { target: "", rival: "", chosen: false };
    const selects = { target: select("target"), rival: select("rival") };
    const list = h("div", { class: "findings" });

    function select(side) {
      return h("select", {
        name: side,
        on: {
          change: (event) => {
            pair[side] = event.target.value;
            pair.chosen = true;
            options.changed();
          },
        },
      });
    }

    function draw(keys, now) {
      const heads = h(
        "div",
        { class: "finding heads", "aria-hidden": "true" },
        h("span", {}, "finding"),
        h(
          "span",
          { class: "ticks" },
          GRADES.map((g) => h("i", { style: { left: on(Number(g)) } }, g)),
        ),
        h("span", {}, "weight, decibans"),
        h("span", {}, "your grade"),
      );
      const made = [heads];
      let layer = "";
      for (const key of options.byPlace ? byPlace(keys) : keys) {
        const finding = FINDINGS.get(key);
        if (options.byPlace && placeOf(finding) !== layer)
          made.push(h("h4", { class: "layer" }, capital((layer = placeOf(finding)))));
        const one = line(finding);
        rows.set(key, one);
        made.push(one.element);
      }
      const shown = made.slice(0, MOST + 1),
        rest = made.slice(MOST + 1);
      put(
        list,
        options.byPlace
          ? made
          : [shown, h("details", { class: "more" }, h("summary", {}, `${rest.length} more findings`), rest)],
      );
      update(now);
    }

    function line(finding) {
      const strip = h("div", { class: "strip", "aria-hidden": "true" });
      const weight = h("div", { class: "weight" });
      const spoken = h("span", { class: "unseen" });
      const element = h(
        "div",
        { class: "finding", "data-finding": finding.key },
        h(
          "details",
          {},
          h("summary", {}, finding.name),
          h("p", { class: "small" }, finding.definition, finding.remark ? ` ${finding.remark}` : ""),
        ),
        strip,
        weight,
        radios(finding),
        spoken,
      );
      const why = h("ul", { class: "small plain" });
      element.firstChild.append(why);
      element.firstChild.addEventListener("toggle", () => put(why, expected(finding.key)));
      return { element, strip, weight, spoken };
    }

    // What the profiles of the two sides say of a finding, and how far each cell is to be trusted.
    function expected(key) {
      const j = TABLES.findings.findIndex((finding) => finding.key === key);
      return [pair.target, pair.rival].filter(Boolean).flatMap((side) => {
        const classes = answering.named(side);
        return TABLES.cells.flatMap((cells, c) => {
          const [grade, tag] = cells.slice(2 * j, 2 * j + 2),
            [own, stage] = TABLES.model.components[c].split(":");
          if (!classes.has(TABLES.model.owner[c])) return [];
          return [
            h(
              "li",
              {},
              `${GROUP_NAMES.get(own) || answering.name.get(own) || own}${stage ? `, ${stage}` : ""}: ${grade}, `,
              h("abbr", { title: TABLES.tags[tag] }, TRUST[tag]),
            ),
          ];
        });
      });
    }

    function radios(finding) {
      const none = options.row && graded(finding.key) !== null ? "model" : "–";
      const label = (value, text, words) =>
        h(
          "label",
          { title: words },
          h("input", {
            type: "radio",
            name: `grade-${finding.key}`,
            value,
            "aria-label": `${finding.name}: ${words}`,
            checked:
              value === ""
                ? !(finding.key in options.entry.given)
                : options.entry.given[finding.key] === Number(value),
            on: { change: () => grade(finding.key, value) },
          }),
          h("span", {}, text),
        );
      return h(
        "fieldset",
        { class: "grades" },
        h("legend", { class: "unseen" }, `your grade of ${finding.name}`),
        label("", none, none === "model" ? "as the model graded it" : "not assessable or not looked at"),
        GRADES.map((g) => label(g, g, `${g}, ${TABLES.grades[Number(g)]}`)),
      );
    }

    function grade(key, value) {
      if (value === "") delete options.entry.given[key];
      else options.entry.given[key] = Number(value);
      State.changed();
      options.changed();
    }

    // The model's grade and its spread, or null.
    function graded(key) {
      const { row } = options,
        i = routes && row && row.finding ? routes.spec.findings.indexOf(key) : -1;
      return i < 0 || row.finding[i] === null ? null : { mean: row.finding[i], sd: row.spread[i] };
    }

    function update(now) {
      const told = now.told.groups ? now.told : null;
      fill(told, now);
      const found = told ? told.weights(pair.target, pair.rival) : [];
      const weights = new Map(found.map((weight) => [TABLES.findings[weight.finding].key, weight]));
      const scale = Math.max(5, ...found.map((weight) => Math.abs(weight.decibans)));
      for (const [key, one] of rows) paint(key, one, weights.get(key), scale);
    }

    function fill(told, now) {
      if (!told) return;
      if (!pair.chosen) [pair.target, pair.rival] = leadersOf(now);
      const groups = told.groups.map((group) => [group.key, group.name]);
      const single = TABLES.classes
        .filter((about) => about.key !== "other" && about.key !== about.group)
        .map((about) => [about.key, about.name]);
      const pick = (element, more, value) =>
        put(
          element,
          [...more, ...groups, ...single].map(([key, name]) =>
            h("option", { value: key, selected: key === value }, name),
          ),
        );
      pick(selects.target, [], pair.target);
      pick(selects.rival, [["", "all others"]], pair.rival);
    }

    function paint(key, one, weight, scale) {
      const own = graded(key),
        given = options.entry.given[key];
      const marks = GRADES.map((g) => h("u", { style: { left: on(Number(g)) } }));
      if (weight) {
        marks.push(
          h("i", { class: "rival", style: { left: on(weight.rival) } }),
          h("i", { class: "target", style: { left: on(weight.target) } }),
        );
      }
      if (own) {
        marks.push(
          h("b", {
            style: {
              left: on(Math.max(own.mean - own.sd, -0.3)),
              width: at((Math.min(own.mean + own.sd, 3.3) - Math.max(own.mean - own.sd, -0.3)) / 3.6),
            },
          }),
        );
        marks.push(
          h("i", { class: given === undefined ? "seen" : "seen replaced", style: { left: on(own.mean) } }),
        );
      }
      if (given !== undefined) marks.push(h("i", { class: "given", style: { left: on(given) } }));
      put(one.strip, marks);
      one.element.classList.toggle("graded", given !== undefined);
      const unseen = own && given === undefined ? "no field" : "–";
      put(
        one.weight,
        weight || unseen === "–" ? bar(weight, scale) : h("span"),
        h("span", { class: "n" }, weight ? Numbers.signed(weight.decibans) : unseen),
      );
      const seen = weight
        ? `seen ${weight.grade.toFixed(1)}, expected ${weight.target.toFixed(1)} and ${weight.rival.toFixed(1)}`
        : own
          ? "not counted: what it needs is not in the field"
          : "not graded";
      one.spoken.textContent = seen;
      one.element.title = seen;
    }

    function bar(weight, scale) {
      const size = weight ? Math.abs(weight.decibans) / scale / 2 : 0;
      const against = weight && weight.decibans < 0;
      return h(
        "div",
        { class: "bar middle", "aria-hidden": "true" },
        weight
          ? h("i", {
              class: against ? "against" : null,
              style: { left: at(against ? 0.5 - size : 0.5), width: at(size) },
            })
          : null,
      );
    }

    const element = h(
      "div",
      {},
      h(
        "p",
        { class: "pair" },
        h("label", {}, "Evidence for ", selects.target),
        " ",
        h("label", {}, "against ", selects.rival),
      ),
      key(),
      list,
    );
    return { element, draw, update };
  }

  function key() {
    const item = (name, text) => h("span", {}, h("i", { class: `key ${name}` }), text);
    return h(
      "p",
      { class: "legend small", "aria-hidden": "true" },
      DATA.mode === "report" ? item("seen", "seen by the model, ± its spread") : null,
      item("given", "your grade"),
      item("target", "expected by the first"),
      item("rival", "by the second"),
      h("span", {}, "10 decibans are odds of 10 to 1"),
    );
  }

  // Where a finding is looked for: the structure that must be in the field, or the part of the skin.
  const placeOf = (finding) =>
    TABLES.modality === "histology" ? TABLES.fields[finding.needs[0]] : finding.layer;

  function byPlace(keys) {
    const places = [...new Set(keys.map((key) => placeOf(FINDINGS.get(key))))];
    return places.flatMap((place) => keys.filter((key) => placeOf(FINDINGS.get(key)) === place));
  }

  // Keys with what tells most first: graded findings by weight, then the others by what they would tell.
  function byWeight(now) {
    if (!now.told.groups) return TABLES.findings.map((finding) => finding.key);
    const weighed = now.told.weights(...leadersOf(now)).map((weight) => weight.finding);
    return [...weighed, ...now.told.next().map((item) => item.finding)].map((j) => TABLES.findings[j].key);
  }

  return { chart, byWeight };
})();
