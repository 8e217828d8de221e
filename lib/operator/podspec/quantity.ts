// SPDX-License-Identifier: Apache-2.0
/** Resource quantities of Kubernetes: "100m", "1.5", "64Mi", "1e3". */
import { AranyaError } from "../../shared/base/mod.ts";

const SUFFIXES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * Parses a quantity, e.g. 0.1 for "100m".
 * @throws {AranyaError} "invalid" when the text is not a quantity
 */
export function parseQuantity(text: string): number {
  const match = text.match(
    /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/,
  );
  const factor = SUFFIXES[match?.[3] ?? ""];
  if (!match || factor === undefined) {
    throw new AranyaError(
      "invalid",
      `Cannot parse quantity ${JSON.stringify(text)}: not a number with suffix`,
    );
  }
  return Number(`${match[1]}${match[2] ?? ""}`) * factor;
}

/** Returns a quantity in thousandths, rounded up, as CPU is counted. */
export function toMillis(text: string): number {
  return roundUp(parseQuantity(text) * 1000);
}

/** Returns a quantity in whole units, rounded up, as bytes are counted. */
export function toUnits(text: string): number {
  return roundUp(parseQuantity(text));
}

/**
 * Returns how many times the divisor fits into the value, rounded up: the text of a
 * `resourceFieldRef`. An empty or zero divisor counts as 1.
 */
export function divideQuantity(value: number, divisor: string): string {
  const by = divisor === "" || divisor === "0" ? 1 : parseQuantity(divisor);
  return String(roundUp(value / by));
}

/** Rounds up after removing the error of binary fractions: 0.1 * 1000 * 3 is 300, not 301. */
function roundUp(value: number): number {
  return Math.ceil(Number(value.toPrecision(15)));
}
