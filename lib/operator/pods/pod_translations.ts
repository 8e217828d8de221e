// SPDX-License-Identifier: Apache-2.0
/** Translations of one device's pods, kept while their inputs are unchanged. */
import { isDeepStrictEqual } from "node:util";
import type { HostNeed } from "../../shared/admission/mod.ts";
import { listTokenFiles, type PodSpec } from "../../shared/wire/mod.ts";
import { keyOf, type Pod } from "../kube/mod.ts";
import {
  type FileContent,
  findHostNeeds,
  findUnsupportedFields,
  type PodLookups,
  type PodWarning,
  toPodSpec,
} from "../podspec/mod.ts";
import type { HeldSpec } from "./device_pods.ts";
import type { PodNode, PodSettings } from "./device_state.ts";
import { LookupRecorder } from "./lookup_recorder.ts";
import type { PodSources } from "./sources.ts";
import type { PodTokens } from "./tokens.ts";

/** Translation of one pod. */
export interface PodTranslation {
  /** Hash of the command for the device. */
  readonly specHash: string;
  /** The command; present only when the device has another one, or not these tokens. */
  readonly spec?: PodSpec;
  /** Objects that the translation depends on, by `refKey`. */
  readonly refs: ReadonlySet<string>;
  /** Problems for the pod's users. */
  readonly warnings: readonly PodWarning[];
}

/** Options of {@linkcode PodTranslations}. */
export interface PodTranslationsOptions {
  node: Pick<PodNode, "allocatable">;
  settings: Pick<PodSettings, "dns">;
  sources: Pick<PodSources, "findConfigMap" | "findSecret" | "listServices">;
  tokens: Pick<PodTokens, "find">;
  /** @default toPodSpec */
  translate?: typeof toPodSpec;
}

interface KeptPod {
  /** The pod that the rest was derived from, or a later version with the same inputs. */
  pod: Pod;
  unsupported?: { capabilities: readonly string[]; fields: readonly string[] };
  hostNeeds?: readonly HostNeed[];
  translation?: KeptTranslation;
}

/** A translation without its command, which is large and needed only when the pod is sent. */
interface KeptTranslation extends PodTranslation {
  /** Hexadecimal SHA-256 of the tokens in its files. */
  readonly tokenHashes: readonly string[];
  readonly blobs: ReadonlyMap<string, FileContent>;
  readonly lookups: LookupRecorder;
}

/**
 * Translates pods, and keeps each translation until the pod's spec, labels or annotations, or
 * something that the translation has read (ConfigMaps, Secrets, Services, tokens, settings),
 * changes. So a new status of a pod causes no new translation. One entry per pod key.
 */
export class PodTranslations {
  readonly #options: PodTranslationsOptions;
  readonly #kept = new Map<string, KeptPod>();

  constructor(options: PodTranslationsOptions) {
    this.#options = options;
  }

  /** Returns the pod's fields that an agent with these capabilities can't serve. */
  findUnsupportedFields(
    pod: Pod,
    capabilities: readonly string[],
  ): readonly string[] {
    const kept = this.#open(pod);
    if (!isDeepStrictEqual(kept.unsupported?.capabilities, capabilities)) {
      const fields = findUnsupportedFields(pod, capabilities);
      kept.unsupported = { capabilities, fields };
    }
    return kept.unsupported?.fields ?? [];
  }

  /** Returns what a pod without unsupported fields needs of the device's host. */
  findHostNeeds(pod: Pod): readonly HostNeed[] {
    return this.#open(pod).hostNeeds ??= findHostNeeds(pod);
  }

  /**
   * Returns the translation of a pod without unsupported fields.
   * @param held what the device has of the pod's command; undefined: nothing
   */
  translate(
    pod: Pod,
    { held }: { held: HeldSpec | undefined },
  ): PodTranslation {
    const kept = this.#findCurrent(pod);
    if (kept && isHeld(kept, held)) return kept;
    const { translation, spec } = this.#translateAnew(pod);
    return isHeld(translation, held) ? translation : { ...translation, spec };
  }

  /** Returns the contents of the pod's volume files, by hexadecimal SHA-256. */
  findContents(pod: Pod): ReadonlyMap<string, FileContent> {
    return (this.#findCurrent(pod) ?? this.#translateAnew(pod).translation)
      .blobs;
  }

  /** Drops what is kept of a pod that no longer exists. May be called for any key. */
  delete(podKey: string): void {
    this.#kept.delete(podKey);
  }

  /** Returns the entry of a pod; a new one when the pod differs from the kept one. */
  #open(pod: Pod): KeptPod {
    const key = keyOf(pod);
    const kept = this.#kept.get(key);
    if (kept && hasSameInputs(kept.pod, pod)) {
      // Shares the informer's newest object instead of holding on to an old one.
      kept.pod = pod;
      return kept;
    }
    const opened: KeptPod = { pod };
    this.#kept.set(key, opened);
    return opened;
  }

  #findCurrent(pod: Pod): KeptTranslation | undefined {
    const { translation } = this.#open(pod);
    return translation?.lookups.isCurrent() ? translation : undefined;
  }

  #translateAnew(pod: Pod): { translation: KeptTranslation; spec: PodSpec } {
    const { translate = toPodSpec } = this.#options;
    const lookups = new LookupRecorder(this.#createLookups(pod));
    const { spec, blobs, refs, warnings } = translate(pod, lookups);
    const { specHash } = spec;
    const tokenHashes = listTokenFiles(spec).map(({ sha256 }) => sha256);
    const translation = {
      specHash,
      tokenHashes,
      blobs,
      refs,
      warnings,
      lookups,
    };
    this.#open(pod).translation = translation;
    return { translation, spec };
  }

  #createLookups(pod: Pod): PodLookups {
    const { node, settings, sources, tokens } = this.#options;
    const { uid = "" } = pod.metadata;
    return {
      findConfigMap: (namespace, name) =>
        sources.findConfigMap(namespace, name),
      findSecret: (namespace, name) => sources.findSecret(namespace, name),
      listServices: (namespace) => sources.listServices(namespace),
      findToken: (request) => tokens.find(uid, request),
      get allocatable() {
        return node.allocatable;
      },
      get dns() {
        return settings.dns;
      },
    };
  }
}

/** Returns whether the device has this command with these tokens. */
function isHeld(
  { specHash, tokenHashes }: KeptTranslation,
  held: HeldSpec | undefined,
): boolean {
  const heldHashes = new Set(held?.tokenFiles.map(({ sha256 }) => sha256));
  return specHash === held?.specHash &&
    tokenHashes.every((hash) => heldHashes.has(hash));
}

/** Returns whether two versions of a pod are translated to the same command. */
function hasSameInputs(pod: Pod, other: Pod): boolean {
  return pod === other || isDeepStrictEqual(toInputs(pod), toInputs(other));
}

/** Returns the parts of a pod that a translation may read: all but the status. */
function toInputs({ metadata, spec }: Pod): unknown {
  const { namespace, name, uid, labels, annotations } = metadata;
  return { namespace, name, uid, labels, annotations, spec };
}
