// SPDX-License-Identifier: Apache-2.0
/** HTTP requests and responses of the kubelet API. */
import type { createServer } from "node:https";
import { type AranyaError, ERROR_MAPPINGS } from "../../shared/base/mod.ts";
import { toErrorStatus } from "../streaming/mod.ts";

type Listener = NonNullable<Parameters<typeof createServer>[1]>;

/** A request of Node's HTTPS server. */
export type Request = Parameters<Listener>[0];

/** The response to a request. */
export type Response = Parameters<Listener>[1];

/** A complete response that is small enough to be sent at once. */
export interface Answer {
  status: number;
  contentType?: string;
  body: string;
  headers?: Record<string, string>;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";

/** Returns a plain-text answer, the kubelet's form for most errors. */
export function textAnswer(status: number, body: string): Answer {
  return { status, contentType: TEXT, body };
}

/** Returns a JSON answer. */
export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, contentType: JSON_TYPE, body: JSON.stringify(value) };
}

/** Returns an error's message as plain text, with the HTTP status of its code. */
export function errorAnswer(error: AranyaError): Answer {
  return textAnswer(ERROR_MAPPINGS[error.code].httpStatus, error.message);
}

/**
 * Returns an error as a metav1.Status. When an upgrade is refused with it, kubectl shows its
 * message unchanged.
 */
export function statusAnswer(error: AranyaError): Answer {
  return jsonAnswer(
    toErrorStatus(error),
    ERROR_MAPPINGS[error.code].httpStatus,
  );
}

/** Sends an answer, unless the response has begun or the client has left. */
export function send(response: Response, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(answer.status, headersOf(answer));
  response.end(answer.body);
}

/**
 * Encodes an answer as an HTTP/1.1 response that closes the connection, for sockets that were
 * detached for an upgrade.
 */
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
