// SPDX-License-Identifier: Apache-2.0
/** kubectl port-forward, and one HTTP request through it. */
import { tryRun } from "../../../dev/base/run.ts";
import { until } from "../../../dev/base/wait.ts";
import { NAMESPACE, type World } from "../../../dev/world/mod.ts";

/** What came through a forwarded port. */
export interface ForwardedResponse {
  /** Body of the response; empty without one. */
  body: string;
  /** What kubectl wrote to stderr. */
  errors: string;
}

/** Forwards a port of a pod, sends one HTTP request through it, and ends kubectl. */
export async function requestThrough(
  world: World,
  pod: string,
  { port, localPort }: { port: number; localPort: number },
): Promise<ForwardedResponse> {
  await using forward = world.kubectl.start(
    ["-n", NAMESPACE, "port-forward", `pod/${pod}`, `${localPort}:${port}`],
  );
  const output = new TextCollector(forward.child.stdout);
  const errors = new TextCollector(forward.child.stderr);
  await until(() => output.text.includes("Forwarding from"), {
    what: "a forwarded port",
    timeoutMs: 30_000,
    detail: () => errors.text,
  });
  const [program = "", ...args] = world.kubectl.machine.wrap([
    Deno.execPath(),
    "eval",
    `console.log(await fetch("http://127.0.0.1:${localPort}/").then((one) => one.text(), () => ""))`,
  ]);
  const { stdout } = await tryRun(program, { args });
  const body = stdout.trim();
  // kubectl writes why a connection failed when it has ended.
  if (body === "") {
    await until(() => errors.text !== "", {
      what: "an error of kubectl port-forward",
      timeoutMs: 30_000,
    });
  }
  await forward[Symbol.asyncDispose]();
  await Promise.all([output.done, errors.done]);
  return { body, errors: errors.text };
}

/** Collects a stream as text. */
class TextCollector {
  text = "";
  /** Resolves at the end of the stream. */
  readonly done: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.done = this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
    }
  }
}
