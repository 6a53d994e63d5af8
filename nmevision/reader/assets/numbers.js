// Arithmetic that the reasoning needs, and how numbers are written. No page, no state.
const Numbers = (() => {
  const ROOT2 = Math.SQRT2;

  // erf for |x| < 3: its series, all terms positive (Abramowitz & Stegun 7.1.6).
  function erfSeries(x) {
    let term = x,
      sum = x;
    for (let n = 1; n < 200 && term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }

  // erfc for x >= 3: its continued fraction, from the inside out (Abramowitz & Stegun 7.1.14).
  function erfcFraction(x) {
    let inner = x;
    for (let k = 60; k > 0; k--) inner = x + k / 2 / inner;
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * inner);
  }

  // Phi(z), the standard normal distribution.
  function phi(z) {
    const x = Math.abs(z) / ROOT2;
    if (x > 38) return z < 0 ? 0 : 1;
    const upper = x < 3 ? (1 - erfSeries(x)) / 2 : erfcFraction(x) / 2;
    return z < 0 ? upper : 1 - upper;
  }

  function logSumExp(values) {
    let top = -Infinity,
      sum = 0;
    for (const value of values) if (value > top) top = value;
    if (top === -Infinity) return top;
    for (const value of values) sum += Math.exp(value - top);
    return top + Math.log(sum);
  }

  // exp(logs) scaled so that they sum to 1.
  function normalised(logs) {
    const total = logSumExp(logs);
    return logs.map((value) => Math.exp(value - total));
  }

  // The q-th percentile (0 to 1) by linear interpolation; `sorted` ascends.
  function quantile(sorted, q) {
    const place = (sorted.length - 1) * q,
      below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  }

  // P(grade 0..3) of a normal latent grade cut at 0.5, 1.5 and 2.5.
  function gradeMasses(mean, variance) {
    const sd = Math.sqrt(variance);
    const below = [0.5, 1.5, 2.5].map((cut) => phi((cut - mean) / sd));
    return [below[0], below[1] - below[0], below[2] - below[1], 1 - below[2]];
  }

  const expected = (p) => (p[1] + 2 * p[2] + 3 * p[3]) / (p[0] + p[1] + p[2] + p[3]);

  // Two decimals, never rounded to certainty.
  function share(value) {
    if (value > 0.99) return ">0.99";
    return value < 0.01 ? "<0.01" : value.toFixed(2);
  }
  const span = (low, high) => `${share(low)} to ${share(high)}`;
  const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
  const signed = (value) => {
    const text = Math.abs(value).toFixed(1);
    return text === "0.0" ? "0.0" : (value < 0 ? "−" : "+") + text;
  };

  return { phi, logSumExp, normalised, quantile, gradeMasses, expected, share, span, percent, signed };
})();
