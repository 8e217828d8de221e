// SPDX-License-Identifier: Apache-2.0
/** One HTTP exchange: what it is given, and how it is answered. */
import type { createServer } from "node:https";
import { type AranyaError, ERROR_MAPPINGS } from "../../shared/base/mod.ts";
import { toErrorStatus } from "../streaming/mod.ts";

type Listener = NonNullable<Parameters<typeof createServer>[1]>;

/** A request as the server hands it over. */
export type Request = Parameters<Listener>[0];

/** Its answer. */
export type Response = Parameters<Listener>[1];

/** An answer that is ready: small, and sent at once. */
export interface Answer {
  status: number;
  contentType?: string;
  body: string;
  headers?: Record<string, string>;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";

/** A sentence, as a kubelet answers most errors. */
export function textAnswer(status: number, body: string): Answer {
  return { status, contentType: TEXT, body };
}

/** An object. */
export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(value) };
}

/** An error's sentence under its HTTP status. */
export function errorAnswer(error: AranyaError): Answer {
  return textAnswer(ERROR_MAPPINGS[error.code].httpStatus, error.message);
}

/** An error as a Status: API server and kubectl show its message and reason as they are when an upgrade is refused with it. */
export function statusAnswer(error: AranyaError): Answer {
  return jsonAnswer(
    toErrorStatus(error),
    ERROR_MAPPINGS[error.code].httpStatus,
  );
}

/** Sends an answer; what a client that has left doesn't take is dropped. */
export function send(response: Response, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer));
  response.end(answer.body);
}

/** The bytes of an answer that also ends its connection, for sockets that no server looks after any more. */
export function encodeAnswer(answer: Answer): string {
  const lines = Object.entries({ ...headersOf(answer), Connection: "close" })
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${answer.status} ${phraseOf(answer.status)}\r\n${
    lines.join("")
  }\r\n${answer.body}`;
}

function headersOf(answer: Answer): Record<string, string> {
  return {
    "Content-Type": answer.contentType ?? TEXT,
    "Content-Length": String(new TextEncoder().encode(answer.body).length),
    "X-Content-Type-Options": "nosniff",
    ...answer.headers,
  };
}

function phraseOf(status: number): string {
  return PHRASES[status] ?? "Error";
}

const PHRASES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
