// SPDX-License-Identifier: Apache-2.0
/** agent.yaml on the disk. */
import { dirname } from "node:path";
import { Sequencer, utf8 } from "../shared/base/mod.ts";
import { fromDiskError, replaceFile, syncDir } from "./state/mod.ts";

/** Mode of a file whose own mode is unknown. */
const DEFAULT_MODE = 0o600;
const MODE_BITS = 0o777;

/** A change of agent.yaml. */
export interface ConfigChange {
  /** `Cannot <verb> <object>`, for errors. */
  action: string;
  /** Returns the new text. What it throws is passed on. */
  toText: (text: string) => string;
}

/** agent.yaml, which the agent changes when the operator asks for it. */
export class ConfigFile {
  /** Path of agent.yaml. */
  readonly path: string;
  readonly #sequencer = new Sequencer();

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Changes the file; resolves when the new one is on the disk. A power cut leaves either the old
   * or the new file. Changes are made one after the other.
   * @throws {AranyaError} when the file can't be read or written
   */
  async change(change: ConfigChange): Promise<void> {
    await this.#sequencer.run(this.path, () => this.#change(change));
  }

  async #change({ action, toText }: ConfigChange): Promise<void> {
    const { path } = this;
    const before = await Deno.readTextFile(path).catch((error) => {
      throw fromDiskError(error, `${action}: cannot read "${path}"`);
    });
    const after = toText(before);
    if (after === before) return;
    try {
      const { mode } = await Deno.stat(path);
      await replaceFile({ path, content: utf8(after) }, {
        mode: (mode ?? DEFAULT_MODE) & MODE_BITS,
      });
      await syncDir(dirname(path));
    } catch (error) {
      throw fromDiskError(error, `${action}: cannot write "${path}"`);
    }
  }
}
