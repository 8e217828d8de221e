// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  AranyaError,
  createLogger,
  type CreateLoggerOptions,
  parseLogLevel,
} from "../../../lib/shared/base/mod.ts";

function collect(options: CreateLoggerOptions = {}) {
  const lines: string[] = [];
  return {
    lines,
    log: createLogger({ ...options, write: (line) => void lines.push(line) }),
  };
}

Deno.test("createLogger() writes one JSON object per line", () => {
  const { lines, log } = collect();
  log.with({ device: "edge-1" }).info("link is up", { ms: 3 });
  const { time, ...rest } = JSON.parse(lines[0] ?? "");
  assert.deepEqual(rest, {
    level: "info",
    device: "edge-1",
    ms: 3,
    msg: "link is up",
  });
  assert.match(time, /^\d{4}-.*Z$/);
});

Deno.test("createLogger() writes an error's code and message without its stack at level info", () => {
  const { lines, log } = collect();
  log.warn("pod is retried", {
    error: new AranyaError("unavailable", "Cannot reach API server: refused", {
      cause: new Error("x"),
    }),
  });
  const line = JSON.parse(lines[0] ?? "");
  assert.equal(line.code, "unavailable");
  assert.equal(line.error, "Cannot reach API server: refused");
  assert.equal("stack" in line || "cause" in line, false);
});

Deno.test("createLogger() adds stack and cause at level debug", () => {
  const { lines, log } = collect({ level: "debug" });
  log.debug("session ended", {
    error: new AranyaError("internal", "Cannot x", {
      cause: new Error("root cause"),
    }),
  });
  assert.match(lines[0] ?? "", /root cause/);
});

Deno.test("createLogger() drops lines below its level", () => {
  const { lines, log } = collect({ level: "warn" });
  log.info("hidden");
  assert.deepEqual(lines, []);
});

Deno.test("createLogger() writes readable lines when asked", () => {
  const { lines, log } = collect({ readable: true });
  log.info("link is up", { device: "edge-1", reason: "two words" });
  assert.match(
    lines[0] ?? "",
    /^\d\d:\d\d:\d\d\.\d{3} info {2}link is up {2}device=edge-1 reason="two words"\n$/,
  );
});

Deno.test("Logger.with() keeps level and format", () => {
  const { lines, log } = collect({ readable: true, level: "debug" });
  log.with({ device: "edge-1" }).with({ node: "n" }).debug("stream ended");
  assert.match(
    lines[0] ?? "",
    /^\d\d:\d\d:\d\d\.\d{3} debug stream ended {2}device=edge-1 node=n\n$/,
  );
});

Deno.test("parseLogLevel() returns the level of a name, and undefined for other text", () => {
  assert.equal(parseLogLevel("warn"), "warn");
  for (const text of ["", "WARN", "trace"]) {
    assert.equal(parseLogLevel(text), undefined, text);
  }
});

Deno.test("createLogger() writes no control or formatting character of a field to a terminal", () => {
  const { lines, log } = collect({ readable: true });
  const hostile = "\u001b]0;title\u0007\u001b[2J\u009b31m\u007f\u202eabc";
  log.warn("agent was refused", { device: hostile });
  log.warn("agent was refused", { device: "e\u009bd" });
  log.warn("agent was refused", { error: new Error("edge \u001b[1m") });
  assert.deepEqual(
    lines.map((line) => line.slice(line.indexOf("refused") + 7)),
    [
      '  device="\\u001b]0;title\\u0007\\u001b[2J\\u009b31m\\u007f\\u202eabc"\n',
      '  device="e\\u009bd"\n',
      '  error="edge \\u001b[1m"\n',
    ],
  );
});

Deno.test("createLogger() escapes the same characters in JSON lines, and keeps letters of any script", () => {
  const { lines, log } = collect();
  log.warn("agent was refused", {
    device: "\u001b[2J\u009b1m \u202e größe 设备",
  });
  const [line = ""] = lines;
  assert.match(line, /"device":"\\u001b\[2J\\u009b1m \\u202e größe 设备"/);
  assert.equal(
    JSON.parse(line).device,
    "\u001b[2J\u009b1m \u202e größe 设备",
  );
});
