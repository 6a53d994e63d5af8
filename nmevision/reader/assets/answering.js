// The answer to one case in levels: groups, members, why, what next, what it does not say (knowledge.answer).
class Answering {
  constructor(tables) {
    this.tables = tables;
    this.model = new ProfileModel(tables.model);
    this.clinical = new Clinical(tables);
    this.keys = tables.findings.map((finding) => finding.key);
    this.name = new Map([...tables.groups, ...tables.classes].map((about) => [about.key, about.name]));
    tables.groups.forEach((group) => this.name.set(group.key, group.name));
  }

  // evidence: one entry per finding. more: {fields: {key: present}, sites, features, glucagon}.
  answer(evidence, more = {}) {
    const { fields = {}, sites = {}, features = {}, glucagon = null } = more;
    const own = evidence.map((e, j) =>
      this.tables.findings[j].needs.some((need) => fields[need] === false) || ProfileModel.isMissing(e)
        ? null
        : e,
    );
    const graded = this.keys.filter((_, j) => own[j]);
    const blank = { graded: graded.length, of: this.keys.length, evidence: own };
    const lacking = this._lacking(graded, fields);
    if (lacking) return { ...blank, headline: this.tables.words.abstained, message: lacking };
    const groups = this._groups(own),
      focus = groups.find((group) => group.key === this.tables.focus);
    const kept = focus.probability >= this.tables.kept_in_mind,
      fit = this.model.fit(own);
    const clinical = this.clinical.answer({ sites: this._sites(own, graded, sites), features, glucagon });
    const leads = groups[0].key === focus.key;
    return {
      ...blank,
      headline: this._headline(groups, focus),
      message: fit < this.tables.novel_below ? misfit(fit) : "",
      groups,
      leader: groups[0].key,
      rival: groups[1].key,
      fit,
      clinical,
      kept,
      members: (key) => this._members(key, own, clinical),
      weights: (target, rival) =>
        this.model.weights(own, this.tables.prior, this.named(target), this.named(rival, target)),
      next: () => this.model.information(own, this.tables.prior),
      caveats: this.tables.caveats[leads ? "leads" : kept ? "kept" : "not_seen"],
      workup: this.tables.workup.filter((step) =>
        this.tables[kept ? "suspected" : "not_seen"].includes(step.key),
      ),
    };
  }

  // The classes that a group's or diagnosis' key means; "" stands for all others than `target`.
  named(key, target) {
    const { classes, group_of: groupOf } = this.tables,
      isGroup = this.tables.groups.some((g) => g.key === key);
    const targets = key === "" ? this.named(target) : null;
    return new Set(
      classes
        .map((_, k) => k)
        .filter((k) => {
          if (targets) return !targets.has(k);
          return isGroup ? groupOf[classes[k].key] === key : classes[k].key === key;
        }),
    );
  }

  _lacking(graded, fields) {
    const { words, tables } = { words: this.tables.words, tables: this.tables };
    if (!graded.length) return words.nothing_graded;
    if (tables.modality !== "histology") return "";
    const present = new Set(Object.keys(fields).filter((key) => fields[key]));
    graded.forEach((key) =>
      tables.findings[this.keys.indexOf(key)].needs.forEach((need) => present.add(need)),
    );
    if (tables.either_field.some((keys) => keys.some((key) => present.has(key)))) return "";
    const { horn, papillary_dermis: dermis } = tables.fields;
    return `Neither the ${horn} nor the ${dermis} is in the field${words.biopsy_again}`;
  }

  _groups(evidence) {
    const { prior, groups } = this.tables;
    const point = this.model.overGroups(this.model.posterior(evidence, prior));
    const drawn = this.model.posteriorDraws(evidence, prior).map((row) => this.model.overGroups(row));
    return groups
      .map((group, g) => ({
        ...group,
        probability: point[g],
        ...range(
          point[g],
          drawn.map((row) => row[g]),
        ),
      }))
      .sort((a, b) => b.probability - a.probability);
  }

  _sites(evidence, graded, sites) {
    if (!this.tables.clinical.own_sites) return sites;
    const own = {};
    this.tables.findings.forEach((finding, j) => {
      if (finding.site && graded.includes(finding.key)) own[finding.key] = evidence[j];
    });
    return own;
  }

  // The members of one group; those of the necrolytic one get a number from clinical data alone.
  _members(key, evidence, clinical) {
    const { classes, group_of: groupOf, focus, words, prior } = this.tables;
    const own = classes
      .map((_, k) => k)
      .filter((k) => groupOf[classes[k].key] === key && classes[k].group === key);
    let numbers = key === focus ? clinical.members : null;
    if (key !== focus && own.length > 1) {
      const within = (row) => {
        const total = own.reduce((sum, k) => sum + row[k], 0);
        return own.map((k) => row[k] / total);
      };
      const point = within(this.model.posterior(evidence, prior));
      const drawn = this.model.posteriorDraws(evidence, prior).map(within);
      numbers = {};
      own.forEach((k, i) => {
        numbers[classes[k].key] = {
          at: point[i],
          ...range(
            point[i],
            drawn.map((row) => row[i]),
          ),
        };
      });
    }
    const reason = key === focus ? words.cannot_separate : words.only_one;
    return own
      .filter((k) => classes[k].key !== "other")
      .map((k) => ({
        ...classes[k],
        within: (numbers || {})[classes[k].key] || null,
        noNumber: numbers ? "" : reason,
      }))
      .sort((a, b) => (b.within ? b.within.at : 0) - (a.within ? a.within.at : 0));
  }

  _headline(groups, focus) {
    const { modality, words, kept_in_mind: keptInMind } = this.tables,
      leader = groups[0];
    const first = `Most probable: ${leader.name}, ${Numbers.share(leader.probability)} (range ${Numbers.span(leader.low, leader.high)}).`;
    if (leader.key === focus.key) {
      return `${first} Which member it is, ${modality === "histology" ? "H&E" : "the look of a lesion"} cannot tell.`;
    }
    const kept = `${Numbers.share(focus.probability)} (range ${Numbers.span(focus.low, focus.high)})`;
    const found = focus.probability >= keptInMind ? words.undecided : words.negative;
    return `${first} ${found}: ${kept}; not excluded.`;
  }
}

// The 5th and 95th percentile of draws, widened to hold the point where need be.
function range(point, drawn) {
  const sorted = drawn.slice().sort((a, b) => a - b);
  return {
    low: Math.min(Numbers.quantile(sorted, 0.05), point),
    high: Math.max(Numbers.quantile(sorted, 0.95), point),
  };
}

function misfit(fit) {
  return `No profile fits well: of true cases of the nearest one, ${(100 * fit).toFixed(1)}% look as odd as this. Read the answer with doubt.`;
}
