// The nearest cases of a reference set: likeness to an image, with its source and terms. Never a diagnosis.
const REFERENCES = DATA.references || null;
const LIKENESS = "Likeness to an image is not a diagnosis.";

function referencesPanel(row) {
  const { name, images, patients } = REFERENCES;
  if (!row.nearest || !row.nearest.length)
    return h("p", { class: "small" }, "None: this image's features were not computed, or the set holds only the image itself.");
  const of = `${images} images of ${patients} patients (${name})`;
  return [
    h(
      "p",
      { class: "small" },
      `${LIKENESS} Nearest by the model's own features among ${of}, one image of each patient. Similarity is a cosine from the middle of the set: 1 the same direction, 0 unrelated.`,
      row.novelty >= UNUSUAL ? " This image is unlike all validation images: what is nearest to it is still far." : "",
    ),
    h(
      "ol",
      { class: "refs" },
      row.nearest.map(([number, likeness]) => referenceCard(REFERENCES.list[number], likeness)),
    ),
  ];
}

function referenceCard(one, likeness) {
  const terms = [one.licence || "licence not stated", one.terms].filter(Boolean).join(": ");
  return h(
    "li",
    {},
    one.picture === undefined
      ? h("div", { class: "ref-none" }, h("span", {}, one.may_show ? "picture not in this page" : "picture may not be passed on"))
      : h("img", { src: Viewer.picture(one.picture), alt: `reference image ${one.id}` }),
    h("b", {}, one.diagnosis || "diagnosis not stated"),
    one.phantom ? h("span", { class: "badge warn" }, "phantom") : null,
    h("span", { class: "likeness" }, "similarity ", h("b", {}, likeness.toFixed(2))),
    h("small", {}, `${one.id}. ${one.source || "source not stated"}; ${terms}.`),
    one.citation
      ? h("small", {}, one.citation, " ", one.url ? h("a", { href: one.url, rel: "noopener noreferrer", target: "_blank" }, "where to get it") : null)
      : null,
  );
}

// A line or two for the printed page.
const PRINTED = 3;
const cut = (text) => (text.length > 32 ? `${text.slice(0, 31)}…` : text);

function referencesInWords(row) {
  if (!REFERENCES || !row || !row.nearest || !row.nearest.length) return null;
  const named = row.nearest.slice(0, PRINTED).map(([number, likeness]) => {
    const one = REFERENCES.list[number];
    const about = [one.source || "source not stated", one.licence || "licence not stated", one.phantom ? "phantom" : ""];
    return `${cut(one.diagnosis || "not stated")} ${likeness.toFixed(2)} (${about.filter(Boolean).map(cut).join(", ")})`;
  });
  return `Nearest reference cases: ${named.join("; ")}. ${LIKENESS}`;
}
