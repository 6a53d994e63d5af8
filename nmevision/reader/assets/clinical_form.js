// What is known beside the image: sites and histories, features, glucagon. Not known is never "no".
const ClinicalForm = (() => {
  function choice(name, words, options, value, set) {
    return h(
      "fieldset",
      { class: "choice" },
      h("legend", {}, words),
      options.map(([key, text]) =>
        h(
          "label",
          {},
          h("input", {
            type: "radio",
            name,
            value: key,
            checked: key === value,
            on: {
              change: () => {
                set(key);
                State.changed();
              },
            },
          }),
          h("span", {}, text),
        ),
      ),
    );
  }

  const yesNo = (store, key) => (key in store ? (store[key] ? "yes" : "no") : "");
  const setYesNo = (store, key, changed) => (value) => {
    if (value === "") delete store[key];
    else store[key] = value === "yes";
    changed();
  };
  const YES_NO = [
    ["", "?"],
    ["yes", "yes"],
    ["no", "no"],
  ];

  function features(entry, changed) {
    return Object.entries(TABLES.clinical.features).map(([key, words]) =>
      choice(
        `feature-${key}`,
        capital(words),
        YES_NO,
        yesNo(entry.features, key),
        setYesNo(entry.features, key, changed),
      ),
    );
  }

  // What is in the field: findings of what is not there count as missing.
  function fields(entry, changed) {
    return Object.entries(TABLES.fields).map(([key, words]) =>
      choice(
        `field-${key}`,
        capital(words),
        YES_NO,
        yesNo(entry.fields, key),
        setYesNo(entry.fields, key, changed),
      ),
    );
  }

  function sites(entry, changed) {
    if (TABLES.clinical.own_sites) return [];
    return TABLES.clinical.sites.map((site) =>
      choice(
        `site-${site.key}`,
        capital(site.name),
        [
          ["", "?"],
          ["0", "0"],
          ["1", "1"],
          ["2", "2"],
          ["3", "3"],
        ],
        site.key in entry.sites ? String(entry.sites[site.key]) : "",
        (value) => {
          if (value === "") delete entry.sites[site.key];
          else entry.sites[site.key] = Number(value);
          changed();
        },
      ),
    );
  }

  function glucagon(entry, changed) {
    const wrong = h("small", { id: "glucagon-wrong", class: "wrong", role: "alert" });
    const input = h("input", {
      type: "text",
      id: "glucagon",
      value: entry.glucagon,
      placeholder: "217 pg/mL",
      autocomplete: "off",
      "aria-describedby": "glucagon-wrong",
      on: {
        change: () => {
          const text = input.value.trim(),
            read = text ? answering.clinical.readGlucagon(text) : {};
          wrong.textContent = read.error ? ` ${read.error}` : "";
          entry.glucagon = read.error ? "" : text;
          State.changed();
          changed();
        },
      },
    });
    return h("p", { class: "glucagon" }, h("label", { for: "glucagon" }, "Plasma glucagon "), input, wrong);
  }

  const block = (title, words, items) =>
    items.length
      ? h(
          "details",
          { class: "block" },
          h("summary", {}, title),
          words ? h("p", { class: "small" }, words) : null,
          h("div", { class: "choices" }, items),
        )
      : null;

  function panel(entry, changed) {
    return h(
      "div",
      { class: "clinical" },
      glucagon(entry, changed),
      block(
        "Features",
        "A feature counts only where every member of the group has a cited or stated rate; else the answer says so.",
        features(entry, changed),
      ),
      block(
        "Sites and history",
        "How typical, 0 to 3. They tell the members of the necrolytic group apart; H&E does not.",
        sites(entry, changed),
      ),
    );
  }

  const fieldPanel = (entry, changed) =>
    block(
      "In the field",
      "What is known not to be in the field leaves its findings out: missing is not absent.",
      fields(entry, changed),
    );

  return { panel, fieldPanel };
})();
