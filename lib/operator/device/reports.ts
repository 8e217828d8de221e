// SPDX-License-Identifier: Apache-2.0
/** What a device may ask of the operator: bytes of a session become calls. */
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
  Method,
  type PodStatusList,
  PodStatusListSchema,
} from "../../shared/wire/mod.ts";

/** Takes what a device says. */
export interface DeviceInbox {
  onFacts(facts: Facts): void;
  onPods(list: PodStatusList): Promise<void>;
  onEvents(list: EventList): void;
  fetchBlobs(request: FetchBlobs): Promise<Blobs>;
}

const EMPTY = new Uint8Array();

/** Handlers for the device's session. */
export function toInboxHandlers(
  device: string,
  inbox: DeviceInbox,
): SessionHandlers {
  const refuse = (method: Method) =>
    new AranyaError(
      "unsupported",
      `Cannot serve request ${method} of device "${device}": this operator does not know it`,
    );
  return {
    async request(method, payload) {
      switch (method) {
        case Method.REPORT_FACTS:
          inbox.onFacts(decodeMessage(FactsSchema, payload));
          return EMPTY;
        case Method.REPORT_PODS:
          await inbox.onPods(decodeMessage(PodStatusListSchema, payload));
          return EMPTY;
        case Method.REPORT_EVENTS:
          inbox.onEvents(decodeMessage(EventListSchema, payload));
          return EMPTY;
        case Method.FETCH_BLOBS:
          return encodeMessage(
            BlobsSchema,
            await inbox.fetchBlobs(decodeMessage(FetchBlobsSchema, payload)),
          );
        default:
          throw refuse(method);
      }
    },
    stream: (method) => Promise.reject(refuse(method)),
  };
}
