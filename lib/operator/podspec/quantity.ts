// SPDX-License-Identifier: Apache-2.0
/** Kubernetes' resource quantities: "100m", "1.5", "64Mi", "1e3". */
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

/** Value of a quantity. @throws {AranyaError} code "invalid" when it is none */
export function parseQuantity(text: string): number {
  const match = text.match(
    /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/,
  );
  const factor = SUFFIXES[match?.[3] ?? ""];
  if (!match || factor === undefined) {
    throw new AranyaError(
      "invalid",
      `Cannot read quantity ${JSON.stringify(text)}: it has another form`,
    );
  }
  return Number(`${match[1]}${match[2] ?? ""}`) * factor;
}

/** Thousandths, rounded up, as CPU shares are counted. */
export function toMillis(text: string): number {
  return ceil(parseQuantity(text) * 1000);
}

/** Whole units, rounded up, e.g. bytes. */
export function toUnits(text: string): number {
  return ceil(parseQuantity(text));
}

/** How many times `divisor` fits, rounded up: the text that a resourceFieldRef gives. */
export function divideQuantity(value: number, divisor: string): string {
  const by = divisor === "" || divisor === "0" ? 1 : parseQuantity(divisor);
  return String(ceil(value / by));
}

/** Rounds up, but forgives what binary fractions add (0.1 * 1000 * 3). */
function ceil(value: number): number {
  return Math.ceil(Number(value.toPrecision(15)));
}
