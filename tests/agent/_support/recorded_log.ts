// SPDX-License-Identifier: Apache-2.0
/** A logger that keeps its lines. */
import type { LogFields, Logger } from "../../../lib/shared/base/mod.ts";

/** Lines of levels info and above, each "<message>" or "<message>: <error>". */
export class RecordedLog {
  readonly lines: string[] = [];
  readonly logger: Logger;

  constructor() {
    const record = (message: string, { error }: LogFields = {}) =>
      void this.lines.push(
        error instanceof Error ? `${message}: ${error.message}` : message,
      );
    this.logger = {
      debug() {},
      info: record,
      warn: record,
      error: record,
      with: () => this.logger,
    };
  }
}
