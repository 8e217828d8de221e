// SPDX-License-Identifier: Apache-2.0
/** Requests that a device sends to the operator. */
import { AranyaError } from "../../shared/base/mod.ts";
import type { SessionHandlers } from "../../shared/session/mod.ts";
import {
  type Blobs,
  BlobsSchema,
  decodeMessage,
  encodeMessage,
  type EventList,
  EventListSchema,
  type Facts,
  FactsSchema,
  type FetchBlobs,
  FetchBlobsSchema,
  MAX_EVENT_LIST_BYTES,
  MAX_REPORTED_PODS,
  MAX_VALUE_BYTES,
  Method,
  type PodStatusList,
  PodStatusListSchema,
  toMethodName,
} from "../../shared/wire/mod.ts";

/** Receives the reports of one device. */
export interface ReportReceiver {
  /** METHOD_REPORT_FACTS. */
  onFactsReported(facts: Facts): void;
  /** METHOD_REPORT_PODS; the device is answered when it resolves. */
  onPodsReported(list: PodStatusList): Promise<void>;
  /** METHOD_REPORT_EVENTS. */
  onEventsReported(list: EventList): void;
  /**
   * METHOD_FETCH_BLOBS.
   * @throws {AranyaError} "not_found" for a file that no pod of the device has
   */
  fetchBlobs(request: FetchBlobs, signal: AbortSignal): Promise<Blobs>;
  /** A report of so many fields arrived, which is going to be decoded unless they are too many. */
  onFieldsReceived(count: number): void;
}

const EMPTY = new Uint8Array();

/** Upper bound of the fields of METHOD_REPORT_FACTS, which are kept. */
const MAX_FACT_FIELD_COUNT = 4096;

/** Upper bounds of requests in bytes. An agent keeps to them. */
const MAX_REQUEST_BYTES: Readonly<Partial<Record<Method, number>>> = {
  [Method.REPORT_FACTS]: 64 * 1024,
  [Method.REPORT_EVENTS]: MAX_EVENT_LIST_BYTES,
  [Method.FETCH_BLOBS]: 16 * 1024,
};

/**
 * Returns handlers for the device's session that decode requests and pass them to the receiver.
 * Other methods, and all streams, are refused as "unsupported".
 */
export function toReportHandlers(
  device: string,
  receiver: ReportReceiver,
): SessionHandlers {
  const unknownMethod = (method: Method) =>
    new AranyaError(
      "unsupported",
      `Cannot handle ${
        toMethodName(method)
      } of device "${device}": the operator doesn't serve this method`,
    );
  return {
    async request(method, payload, signal) {
      const maxBytes = MAX_REQUEST_BYTES[method] ?? MAX_VALUE_BYTES.operator;
      if (payload.length > maxBytes) {
        throw new AranyaError(
          "too_large",
          `Cannot handle ${
            toMethodName(method)
          } of device "${device}": it has ${payload.length} bytes, expected at most ${maxBytes}`,
        );
      }
      const onCounted = (count: number) => receiver.onFieldsReceived(count);
      switch (method) {
        case Method.REPORT_FACTS:
          receiver.onFactsReported(
            decodeMessage(FactsSchema, payload, {
              maxFieldCount: MAX_FACT_FIELD_COUNT,
              onCounted,
            }),
          );
          return EMPTY;
        case Method.REPORT_PODS:
          await receiver.onPodsReported(
            decodeMessage(PodStatusListSchema, payload, {
              maxElementCount: MAX_REPORTED_PODS,
              onCounted,
            }),
          );
          return EMPTY;
        case Method.REPORT_EVENTS:
          receiver.onEventsReported(
            decodeMessage(EventListSchema, payload, { onCounted }),
          );
          return EMPTY;
        case Method.FETCH_BLOBS:
          return encodeMessage(
            BlobsSchema,
            await receiver.fetchBlobs(
              decodeMessage(FetchBlobsSchema, payload, { onCounted }),
              signal,
            ),
          );
        default:
          throw unknownMethod(method);
      }
    },
    stream: (method) => Promise.reject(unknownMethod(method)),
  };
}
