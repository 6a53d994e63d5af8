// What a person changed, as CSV files that nmevision reads again.
const Corrections = (() => {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  const csv = (columns, rows) =>
    [columns, ...rows.map((row) => columns.map((name) => row[name]))]
      .map((line) => line.map(cell).join(","))
      .join("\n") + "\n";

  const named = (prefix, values) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, value]));
  const yesNo = (values) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value ? "yes" : "no"]));
  const columnsOf = (rows, first) => [...new Set([...first, ...rows.flatMap((row) => Object.keys(row))])];

  // For `nmevision correct --grades` and `nmevision reason`: ids, and the grades that a person gave to findings
  // that the model grades.
  function grades() {
    const known = new Set(routes ? routes.spec.findings : []);
    const rows = State.corrected
      .map((index) => {
        const own = Object.entries(State.entry(index).given).filter(([key]) => known.has(key));
        return { id: DATA.rows[index].id, ...named("finding_", Object.fromEntries(own)) };
      })
      .filter((row) => Object.keys(row).length > 1);
    return { text: csv(columnsOf(rows, ["id"]), rows), n: rows.length };
  }

  // For `nmevision train`: rows of a manifest, with the diagnosis that a person gave and the confirmed grades.
  function manifest() {
    const rows = State.corrected.map((index) => {
      const row = DATA.rows[index],
        own = State.entry(index);
      return {
        id: row.id,
        path: row.path,
        modality: TABLES.modality,
        diagnosis: own.diagnosis,
        patient_id: row.patient_id,
        source: row.source,
        phantom: DATA.about.phantom ? "true" : "",
        ...named("finding_", own.given),
        note: own.note,
      };
    });
    return { text: csv(columnsOf(rows, ["id", "path", "diagnosis"]), rows), n: rows.length };
  }

  // For `nmevision reason`: everything that the form holds about some cases.
  function cases(entries) {
    const rows = entries.map(({ id, entry }) => ({
      id,
      ...named("finding_", { ...entry.given, ...entry.sites }),
      ...named("field_", yesNo(entry.fields)),
      ...yesNo(entry.features),
      ...(entry.glucagon ? { glucagon: entry.glucagon } : {}),
      ...(entry.note ? { note: entry.note } : {}),
    }));
    return { text: csv(columnsOf(rows, ["id"]), rows), n: rows.length };
  }

  function download(name, text) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    State.markSaved();
    say(`${name} downloaded`);
  }

  return { grades, manifest, cases, download };
})();
