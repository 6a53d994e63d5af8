// The profile model of nmevision.knowledge.model, novelty and evidence, from tables that Python wrote.
// Evidence is an array with one entry per finding: four numbers P(seen | true grade), or null where nothing is known.
class ProfileModel {
  constructor(spec) {
    this.spec = spec;
    this.table = spec.table; // C' x J x 4
    this.owner = spec.owner; // class of each component
    this.logStage = spec.stage.map(Math.log);
    this.groupOf = spec.group; // group of each class
    this.nGroups = Math.max(...spec.group) + 1;
    this.nClasses = spec.group.length;
  }

  static isMissing(e) {
    return !e || (e[0] === e[1] && e[0] === e[2] && e[0] === e[3]);
  }

  static grade(g) {
    return [0, 1, 2, 3].map((other) => (other === g ? 1 : 0));
  }

  // ln P(seen of finding j | component), J x C'; 0 where it is missing.
  byFinding(evidence, table = this.table) {
    return evidence.map((e, j) =>
      table.map((component) => {
        if (ProfileModel.isMissing(e)) return 0;
        const p = component[j];
        return Math.log(e[0] * p[0] + e[1] * p[1] + e[2] * p[2] + e[3] * p[3]);
      }),
    );
  }

  componentLogs(evidence, table = this.table) {
    const total = new Array(table.length).fill(0);
    for (const row of this.byFinding(evidence, table)) row.forEach((value, c) => (total[c] += value));
    return total;
  }

  // ln P(seen | class) from that of its stages.
  overStages(byComponent) {
    return this._gather(
      byComponent.map((value, c) => value + this.logStage[c]),
      this.owner,
      this.nClasses,
    ).map(Numbers.logSumExp);
  }

  logLikelihoods(evidence) {
    return this.overStages(this.componentLogs(evidence));
  }

  posterior(evidence, prior) {
    return Numbers.normalised(this.logLikelihoods(evidence).map((value, k) => value + Math.log(prior[k])));
  }

  overGroups(posterior) {
    const groups = new Array(this.nGroups).fill(0);
    posterior.forEach((p, k) => (groups[this.groupOf[k]] += p));
    return groups;
  }

  // P(class) under each drawn set of profiles, D x K. Only the graded findings are looked at.
  posteriorDraws(evidence, prior) {
    const seen = evidence.map((e, j) => (ProfileModel.isMissing(e) ? -1 : j)).filter((j) => j >= 0);
    const own = seen.map((j) => evidence[j]);
    const logPrior = prior.map(Math.log),
      answers = [];
    for (let d = 0; d < this.spec.draws; d++) {
      const logs = new Array(this.table.length).fill(0);
      seen.forEach((j, i) => {
        const likelihoods = this._drawn(d, j, own[i]);
        likelihoods.forEach((value, c) => (logs[c] += Math.log(value)));
      });
      answers.push(Numbers.normalised(this.overStages(logs).map((value, k) => value + logPrior[k])));
    }
    return answers;
  }

  // The likelihoods of one finding's evidence under every component of one drawn set of profiles.
  _drawn(d, j, e) {
    const masses = this._drawnMasses(j),
      C = this.spec.means.length,
      start = d * C * 4;
    const likelihoods = [];
    let other = 0;
    for (let c = 0; c < C; c++) {
      const at = start + c * 4;
      const value = e[0] * masses[at] + e[1] * masses[at + 1] + e[2] * masses[at + 2] + e[3] * masses[at + 3];
      likelihoods.push(value);
      if (this.spec.with_other) other += this.sharesOfOther[c] * value;
    }
    if (this.spec.with_other) likelihoods.push(other);
    return likelihoods;
  }

  // D x C x 4 grade probabilities of one finding under the drawn profiles, made when first asked for.
  _drawnMasses(j) {
    this._draws = this._draws || new Map();
    if (this._draws.has(j)) return this._draws.get(j);
    const { means, taus, sigma, lapse, draws } = this.spec,
      J = sigma.length,
      C = means.length;
    const noise = this._noise(),
      masses = new Float64Array(draws * C * 4);
    for (let d = 0; d < draws; d++) {
      for (let c = 0; c < C; c++) {
        const mean = means[c][j] + noise[(d * C + c) * J + j] * taus[c][j];
        const p = Numbers.gradeMasses(mean, sigma[j] * sigma[j]);
        for (let g = 0; g < 4; g++) masses[(d * C + c) * 4 + g] = (1 - lapse) * p[g] + lapse / 4;
      }
    }
    this._draws.set(j, masses);
    return masses;
  }

  _noise() {
    if (!this._numbers) {
      const bytes = Uint8Array.from(atob(this.spec.noise), (letter) => letter.charCodeAt(0));
      this._numbers = new Float32Array(bytes.buffer);
    }
    return this._numbers;
  }

  // Weight of each named component in `other`: equal groups, then diagnoses, then stages.
  get sharesOfOther() {
    if (!this._shares) {
      const named = this.nClasses - 1,
        C = this.spec.means.length;
      const count = (of, key) => of.filter((value) => value === key).length;
      const groups = this.groupOf.slice(0, named),
        nGroups = new Set(groups).size;
      this._shares = this.owner
        .slice(0, C)
        .map((k) => 1 / (nGroups * count(groups, this.groupOf[k]) * count(this.owner, k)));
    }
    return this._shares;
  }

  // How often a true case of the best-fitting component would fit it no better; 1 where nothing is graded.
  fit(evidence) {
    const named = this.spec.steps.length,
      logs = this.componentLogs(evidence).slice(0, named);
    const best = logs.indexOf(Math.max(...logs)),
      table = this.table[best],
      steps = this.spec.steps[best];
    let total = 0,
      mass = [1];
    evidence.forEach((e, j) => {
      if (ProfileModel.isMissing(e)) return;
      const weighed = e.map((value, g) => value * table[j][g]);
      const sum = weighed.reduce((a, b) => a + b, 0);
      total += weighed.reduce((a, value, g) => a + (value / sum) * steps[j][g], 0);
      mass = this._convolved(mass, table[j], steps[j]);
    });
    const at = Math.min(Math.ceil(total - 1e-9), mass.length - 1);
    let tail = 0;
    for (let t = mass.length - 1; t >= at; t--) tail += mass[t];
    return Math.min(tail, 1);
  }

  _convolved(mass, p, shifts) {
    const longer = new Array(mass.length + Math.max(...shifts)).fill(0);
    shifts.forEach((shift, g) => mass.forEach((m, t) => (longer[t + shift] += p[g] * m)));
    return longer;
  }

  // The weight of every graded finding in the odds of `target` against `rival` (sets of classes), strongest first.
  weights(evidence, prior, target, rival) {
    const byFinding = this.byFinding(evidence),
      total = this.componentLogs(evidence);
    const odds = (logs) => {
      const joint = this.overStages(logs).map((value, k) => value + Math.log(prior[k]));
      const of = (classes) => Numbers.logSumExp(joint.filter((_, k) => classes.has(k)));
      return of(target) - of(rival);
    };
    const all = odds(total),
      found = [];
    evidence.forEach((e, j) => {
      if (ProfileModel.isMissing(e)) return;
      const left = total.map((value, c) => value - byFinding[j][c]);
      found.push({
        finding: j,
        grade: Numbers.expected(e),
        decibans: (10 / Math.LN10) * (all - odds(left)),
        target: this.expects(j, left, prior, target),
        rival: this.expects(j, left, prior, rival),
      });
    });
    return found.sort((a, b) => Math.abs(b.decibans) - Math.abs(a.decibans));
  }

  // The mean grade that some classes expect of a finding, given the log likelihoods of all else.
  expects(j, logs, prior, classes) {
    const joint = this._joint(logs, prior).map((value, c) =>
      classes.has(this.owner[c]) ? value : -Infinity,
    );
    return Numbers.normalised(joint).reduce((sum, p, c) => sum + p * Numbers.expected(this.table[c][j]), 0);
  }

  // How many bits each ungraded finding is expected to tell about the group, most first.
  information(evidence, prior) {
    const byComponent = Numbers.normalised(this._joint(this.componentLogs(evidence), prior));
    const found = [];
    evidence.forEach((e, j) => {
      if (!ProfileModel.isMissing(e)) return;
      const both = Array.from({ length: this.nGroups }, () => [0, 0, 0, 0]);
      byComponent.forEach((p, c) => {
        const row = both[this.groupOf[this.owner[c]]];
        for (let g = 0; g < 4; g++) row[g] += p * this.table[c][j][g];
      });
      const grades = [0, 1, 2, 3].map((g) => both.reduce((sum, row) => sum + row[g], 0));
      const groups = both.map((row) => row[0] + row[1] + row[2] + row[3]);
      const nats = entropy(groups) + entropy(grades) - entropy(both.flat());
      found.push({ finding: j, bits: Math.max(nats / Math.LN2, 0) });
    });
    return found.sort((a, b) => b.bits - a.bits);

    function entropy(p) {
      return -p.reduce((sum, value) => sum + (value > 0 ? value * Math.log(value) : 0), 0);
    }
  }

  _joint(logs, prior) {
    return logs.map((value, c) => value + this.logStage[c] + Math.log(prior[this.owner[c]]));
  }

  _gather(values, keys, n) {
    const gathered = Array.from({ length: n }, () => []);
    values.forEach((value, i) => gathered[keys[i]].push(value));
    return gathered;
  }
}
