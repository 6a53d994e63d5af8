// A trained model's grades read by the profiles, and both routes pooled: knowledge.route and knowledge.fusion.
class Routes {
  constructor(spec, tables, model) {
    Object.assign(this, { spec, tables, model });
    this.place = new Map(tables.findings.map((finding, j) => [finding.key, j]));
  }

  // Evidence of one row. given: finding -> true grade of a person, which counts without error.
  evidence(row, given = {}) {
    const evidence = this.tables.findings.map(() => null);
    this.spec.findings.forEach((key, i) => {
      const j = this.place.get(key),
        mean = row.finding[i];
      if (j === undefined || mean === null) return;
      if (this.tables.findings[j].needs.some((need) => this.absent(row, need))) return;
      const sd = Math.max(row.spread[i], 1e-6),
        seen = Numbers.gradeMasses(mean, sd * sd);
      evidence[j] = this.spec.confusion[i].map((errors) =>
        errors.reduce((sum, m, o) => sum + m * seen[o], 0),
      );
    });
    for (const [key, grade] of Object.entries(given))
      evidence[this.place.get(key)] = ProfileModel.grade(grade);
    return evidence;
  }

  absent(row, need) {
    const i = this.spec.fields.indexOf(need);
    return i >= 0 && row.field[i] < 0.5;
  }

  // What both routes and their pool say of one row.
  answer(row, evidence) {
    const knowledge = this.overTaxonomy(this.model.logLikelihoods(evidence));
    const groups = this.model.overGroups(this.model.posterior(evidence, this.tables.even_prior));
    return { p: this.together(row.learned, knowledge), learned: row.learned, knowledge, groups };
  }

  // Posterior over the taxonomy's diagnoses, even over those that have a profile.
  overTaxonomy(logs) {
    const of = this.spec.of_class,
      top = Math.max(...logs);
    const sums = this.spec.diagnoses.map(() => 0),
      counts = this.spec.diagnoses.map(() => 0);
    of.forEach((d) => d >= 0 && counts[d]++);
    of.forEach((d, k) => d >= 0 && (sums[d] += Math.exp(logs[k] - top) / counts[d]));
    const total = sums.reduce((a, b) => a + b, 0);
    return total > 0 ? sums.map((value) => value / total) : sums;
  }

  // p proportional to learned^a knowledge^b where there are training images; the profiles' own share elsewhere.
  together(learned, knowledge) {
    const { has_images: has, fusion } = this.spec,
      LEAST = 1e-6;
    if (!has.some(Boolean)) return knowledge;
    const described = new Set(this.spec.of_class);
    const logs = learned.map(
      (p, d) =>
        fusion.learned * Math.log(Math.max(p, LEAST)) +
        (described.has(d) ? fusion.knowledge : 0) * Math.log(Math.max(knowledge[d], LEAST)),
    );
    const top = Math.max(...logs.filter((_, d) => has[d]));
    const pooled = logs.map((value, d) => (has[d] ? Math.exp(value - top) : 0));
    const total = pooled.reduce((a, b) => a + b, 0);
    const share = knowledge.reduce((sum, p, d) => sum + (has[d] ? 0 : p), 0);
    return pooled.map((value, d) => (has[d] ? 0 : knowledge[d]) + ((1 - share) * value) / total);
  }
}
