// SPDX-License-Identifier: Apache-2.0
/** The table of `bench deploy`. */
import type { WriteCounts } from "./audit.ts";
import type { DeployCensus } from "./census.ts";

/** Figures of one run. */
export interface DeployFigures {
  deviceCount: number;
  createSeconds: number;
  deleteSeconds: number;
  operatorMib: number;
  /** While the devices' certificates are being signed. */
  certifyWritesPerSecond: number;
  certifySeconds: number;
  certifiedMib: number;
  idleWritesPerSecond: number;
  creates: WriteCounts;
  deletes: WriteCounts;
  floorCreateSeconds: number;
  floorDeleteSeconds: number;
  leftOut: string[];
  leftBehind: DeployCensus;
}

/** The table that bench/RESULTS.md shows. */
export function renderTable(figures: DeployFigures): string {
  const { deviceCount: count } = figures;
  const rate = (seconds: number) => (count / seconds).toFixed(1);
  const writes = (counts: WriteCounts) =>
    [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([kind, number]) =>
      `    ${String(number).padStart(6)}  ${kind}`
    ).join("\n");
  const lines = [
    `devices                       ${count}`,
    `created, devices/s            ${rate(figures.createSeconds)}`,
    `floor, devices/s              ${rate(figures.floorCreateSeconds)}`,
    `share of the floor            ${
      (100 * figures.floorCreateSeconds / figures.createSeconds).toFixed(0)
    } %`,
    `deleted, devices/s            ${rate(figures.deleteSeconds)}`,
    `floor of deletion, devices/s  ${rate(figures.floorDeleteSeconds)}`,
    `operator's memory             ${
      figures.operatorMib.toFixed(0)
    } MiB resident, right after creation`,
    `own certificates              ${
      figures.certifySeconds.toFixed(0)
    } s later, ${figures.certifyWritesPerSecond.toFixed(1)} writes/s, then ${
      figures.certifiedMib.toFixed(0)
    } MiB resident`,
    `writes when idle              ${
      figures.idleWritesPerSecond.toFixed(1)
    } /s`,
    `left after deletion           ${
      JSON.stringify(figures.leftBehind.counts)
    }`,
    `operator's writes to create:\n${writes(figures.creates)}`,
    `operator's writes to delete:\n${writes(figures.deletes)}`,
  ];
  if (figures.leftOut.length > 0) {
    lines.push(`not in the floor: ${figures.leftOut.join(", ")}`);
  }
  return lines.join("\n");
}
