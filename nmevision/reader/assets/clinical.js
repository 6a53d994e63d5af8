// Members of the necrolytic group from body sites and clinical data alone: knowledge.clinical_data.
class Clinical {
  constructor(tables) {
    Object.assign(this, tables.clinical);
    this.profiles = new ProfileModel(tables.clinical.model);
  }

  // data: {sites: {key: evidence}, features: {key: true or false}, glucagon: {text, low, high} or null}.
  // Returns {members: {key: {at, low, high}} or null where nothing counts, statements}.
  answer(data) {
    const statements = [],
      graded = this.sites.map((site) => data.sites[site.key] || null);
    let logs = this.profiles.logLikelihoods(graded),
      ranged = true;
    this.sites.forEach((site, s) => {
      if (!graded[s]) return;
      const grade = Number(Numbers.expected(graded[s]).toPrecision(3));
      statements.push(said(`${site.name}: ${grade}`, true, "counted with the clinical profiles"));
    });
    const count = (rates, present) => {
      logs = logs.map((value, m) => {
        const rate = rates[this.members[m]][2];
        return value + Math.log(present ? rate : 1 - rate);
      });
      ranged = false; // the page draws profiles, not rates
    };
    for (const [feature, present] of Object.entries(data.features)) {
      const rates = this.rates[feature];
      statements.push(this._aboutFeature(feature, present, rates));
      if (rates) count(rates, present);
    }
    if (data.glucagon) {
      const rates = this.rates[this.glucagon.feature];
      statements.push(this._aboutGlucagon(data.glucagon, rates));
      if (rates && data.glucagon.low >= this.glucagon.cut) count(rates, false);
    }
    const counted = statements.some((statement) => statement.counted);
    return { members: counted ? this._members(logs, graded, ranged) : null, statements };
  }

  _members(logs, graded, ranged) {
    const weigh = (row) => Numbers.normalised(row.map((value, m) => value + Math.log(this.start[m])));
    const point = weigh(logs),
      even = this.members.map(() => 1 / this.members.length);
    const drawn = ranged
      ? this.profiles.posteriorDraws(graded, even).map((row) => weigh(row.map(Math.log)))
      : [];
    const named = {};
    this.members.forEach((key, m) => {
      const sorted = drawn.map((row) => row[m]).sort((a, b) => a - b);
      const [low, high] = ranged
        ? [Numbers.quantile(sorted, 0.05), Numbers.quantile(sorted, 0.95)]
        : [null, null];
      named[key] = { at: point[m], low, high };
    });
    return named;
  }

  _aboutFeature(feature, present, rates) {
    const what = `${this.features[feature]}: ${present ? "yes" : "no"}`;
    if (!rates) return said(what, false, this.no_rate);
    const listed = this.members.map((key) => `${key} ${rates[key][0]}/${rates[key][1]}`).join(", ");
    const sources = [...new Set(this.members.map((key) => rates[key][3]))];
    return said(what, true, `counted; rates ${listed} (NME: of patients with glucagonoma and NME)`, sources);
  }

  // Above the cut a value speaks for glucagonoma; below it, for nothing: it never lowers NME.
  _aboutGlucagon(value, rates) {
    const what = `glucagon: ${value.text}`,
      cut = this.glucagon.cut;
    if (value.low >= cut) {
      const counted = rates ? "counted with the stated comparison rate" : this.no_rate;
      const words = `${cut} pg/mL or more is highly suggestive of glucagonoma; ${counted}`;
      return said(what, Boolean(rates), words, ["cancertherapyadvisor"]);
    }
    if (value.high < cut) {
      const words = `below ${cut} pg/mL does not make NME or glucagonoma unlikely (2 of 7 patients of one series)`;
      return said(what, false, `${words}; not counted`, ["xian-series2021", "cancertherapyadvisor"]);
    }
    return said(what, false, `may be below or above ${cut} pg/mL; not counted`);
  }

  // A typed value with its unit, or {error}: "217 pg/mL", ">800 ng/L", "62 pmol/L".
  readGlucagon(text) {
    const found = /^\s*([<>]?)\s*(\d+(?:\.\d+)?)\s*(\S*)\s*$/.exec(text);
    if (!found) return { error: "expected a value with its unit, such as 217 pg/mL or >800 pg/mL" };
    const unit = found[3].replace("μ", "µ"),
      factor = this.glucagon.units[unit.toLowerCase()];
    if (!factor) return { error: `${unit ? `the unit ${unit}` : "no unit"}; expected pg/mL, ng/L or pmol/L` };
    const value = Number(found[2]) * factor;
    if (value > this.glucagon.highest) return { error: "no plasma glucagon is that high, check the unit" };
    return {
      text: `${found[1]}${found[2]} ${unit}`,
      low: found[1] === "<" ? 0 : value,
      high: found[1] === ">" ? Infinity : value,
    };
  }
}

function said(what, counted, says, sources = []) {
  return { what, counted, says, sources };
}
