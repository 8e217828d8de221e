// SPDX-License-Identifier: Apache-2.0
/** Volumes: what stands in ConfigMaps, Secrets, the pod itself and tokens becomes files named by the hash of their content. */
import { createHash } from "node:crypto";
import { AranyaError, utf8 } from "../../shared/base/mod.ts";
import type {
  DownwardSource,
  FilesSource,
  KubeVolume,
  Pod,
  ProjectedSource,
} from "../kube/mod.ts";
import {
  BlockedSchema,
  create,
  type File,
  FileSchema,
  type Volume,
  VolumeSchema,
} from "../../shared/wire/mod.ts";
import { readField, readResource } from "./fields.ts";
import { type Findings, type PodLookups, refKey } from "./lookups.ts";
import { toUnits } from "./quantity.ts";

/** Options of {@linkcode resolveVolume}. */
export interface ResolveVolumeOptions {
  pod: Pod;
  lookups: PodLookups;
  findings: Findings;
}

/** Why a volume can't be filled; the text is what the kubelet would say. */
class Missing extends Error {}

const DEFAULT_MODE = 0o644;
/** What the API server fills in when a projected token says nothing. */
const DEFAULT_TOKEN_SECONDS = 3600;

/** Translates one volume. What it refers to and isn't there blocks the volume alone. */
export function resolveVolume(
  volume: KubeVolume,
  options: ResolveVolumeOptions,
): Volume {
  const { name, emptyDir, hostPath } = volume;
  if (hostPath) {
    const { path, type = "" } = hostPath;
    return create(VolumeSchema, {
      name,
      source: { case: "hostPath", value: { path, type } },
    });
  }
  const sources = toSources(volume);
  if (!sources) {
    return create(VolumeSchema, {
      name,
      source: {
        case: "emptyDir",
        value: {
          memory: emptyDir?.medium === "Memory",
          sizeLimitBytes: BigInt(toUnits(emptyDir?.sizeLimit ?? "0")),
        },
      },
    });
  }
  try {
    const files = new Map<string, File>();
    for (const source of sources) {
      for (const file of resolveSource(source, { ...options, volume })) {
        files.set(file.path, file);
      }
    }
    const secret = sources.some((source) =>
      source.secret !== undefined || source.serviceAccountToken !== undefined
    );
    return create(VolumeSchema, {
      name,
      source: { case: "files", value: { files: [...files.values()], secret } },
    });
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof AranyaError)) {
      throw error;
    }
    return block(name, { reason: error.message, findings: options.findings });
  }
}

function block(
  name: string,
  { reason, findings }: { reason: string; findings: Findings },
): Volume {
  const message = `MountVolume.SetUp failed for volume "${name}" : ${reason}`;
  findings.warnings.push({ reason: "FailedMount", message });
  return create(VolumeSchema, {
    name,
    blocked: create(BlockedSchema, { reason: "FailedMount", message }),
  });
}

/** All kinds of file volumes in the form of a projected one; undefined for other volumes. */
function toSources(volume: KubeVolume): ProjectedSource[] | undefined {
  if (volume.projected) return volume.projected.sources ?? [];
  if (volume.configMap) return [{ configMap: volume.configMap }];
  if (volume.secret) {
    const { secretName, ...rest } = volume.secret;
    return [{
      secret: {
        ...rest,
        ...(secretName === undefined ? {} : { name: secretName }),
      },
    }];
  }
  return volume.downwardAPI ? [{ downwardAPI: volume.downwardAPI }] : undefined;
}

interface SourceOptions extends ResolveVolumeOptions {
  volume: KubeVolume;
}

function resolveSource(
  source: ProjectedSource,
  options: SourceOptions,
): File[] {
  if (source.configMap) return fromConfigMap(source.configMap, options);
  if (source.secret) return fromSecret(source.secret, options);
  if (source.downwardAPI) return fromPod(source.downwardAPI, options);
  if (source.serviceAccountToken) {
    return fromToken(source.serviceAccountToken, options);
  }
  return [];
}

function fromConfigMap(source: FilesSource, options: SourceOptions): File[] {
  const { namespace = "" } = options.pod.metadata;
  const name = source.name ?? "";
  options.findings.refs.add(refKey("ConfigMap", { namespace, name }));
  const found = options.lookups.configMap(namespace, name);
  if (!found && !source.optional) {
    throw new Missing(`configmap "${name}" not found`);
  }
  const contents = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(found?.data ?? {})) {
    contents.set(key, utf8(text));
  }
  for (const [key, base64] of Object.entries(found?.binaryData ?? {})) {
    contents.set(key, fromBase64(base64));
  }
  return pick(contents, { source, what: `configmap "${name}"`, options });
}

function fromSecret(source: FilesSource, options: SourceOptions): File[] {
  const { namespace = "" } = options.pod.metadata;
  const name = source.name ?? "";
  options.findings.refs.add(refKey("Secret", { namespace, name }));
  const found = options.lookups.secret(namespace, name);
  if (!found && !source.optional) {
    throw new Missing(`secret "${name}" not found`);
  }
  const contents = new Map(
    Object.entries(found?.data ?? {}).map((
      [key, base64],
    ) => [key, fromBase64(base64)]),
  );
  return pick(contents, { source, what: `secret "${name}"`, options });
}

/** All keys, or those that `items` names under the paths it gives. */
function pick(
  contents: Map<string, Uint8Array>,
  { source, what, options }: {
    source: FilesSource;
    what: string;
    options: SourceOptions;
  },
): File[] {
  const mode = source.defaultMode ?? modeOf(options.volume);
  if (!source.items) {
    return [...contents].sort(([a], [b]) => a < b ? -1 : 1).map((
      [path, content],
    ) => toFile(content, { path, mode, findings: options.findings }));
  }
  return source.items.flatMap((item) => {
    const content = contents.get(item.key);
    if (content) {
      const { path } = item;
      return [toFile(content, {
        path,
        mode: item.mode ?? mode,
        findings: options.findings,
      })];
    }
    if (source.optional) return [];
    throw new Missing(`${what} references non-existent key: ${item.key}`);
  });
}

function fromPod(source: DownwardSource, options: SourceOptions): File[] {
  const mode = source.defaultMode ?? modeOf(options.volume);
  const { pod, lookups, findings } = options;
  return (source.items ?? []).map((item) => {
    const text = item.fieldRef
      ? readField(pod, item.fieldRef) ?? ""
      : readResource(item.resourceFieldRef ?? { resource: "" }, {
        pod,
        lookups,
      });
    const { path } = item;
    return toFile(utf8(text), { path, mode: item.mode ?? mode, findings });
  });
}

function fromToken(
  source: NonNullable<ProjectedSource["serviceAccountToken"]>,
  options: SourceOptions,
): File[] {
  const { audience = "", expirationSeconds = DEFAULT_TOKEN_SECONDS, path } =
    source;
  const { findings, pod } = options;
  const answer = options.lookups.token({ audience, expirationSeconds });
  if ("missing" in answer) throw new Missing(answer.missing);
  // A token is for the one user of all containers, or for the pod's group; else all may read it.
  const uid = commonUser(pod);
  const fsGroup = pod.spec.securityContext?.fsGroup;
  const mode = uid === undefined && fsGroup === undefined
    ? modeOf(options.volume)
    : fsGroup === undefined
    ? 0o600
    : 0o640;
  const file = toFile(utf8(answer.token), { path, mode, findings });
  if (uid !== undefined) file.uid = BigInt(uid);
  return [file];
}

/** The user that all containers run as, when each says so. */
function commonUser(pod: Pod): number | undefined {
  const all = [...pod.spec.containers, ...pod.spec.initContainers ?? []];
  const users = new Set(
    all.map(({ securityContext }) =>
      securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser
    ),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

function modeOf(
  { projected, configMap, secret, downwardAPI }: KubeVolume,
): number {
  return (projected ?? configMap ?? secret ?? downwardAPI)?.defaultMode ??
    DEFAULT_MODE;
}

function toFile(
  content: Uint8Array,
  { path, mode, findings }: { path: string; mode: number; findings: Findings },
): File {
  const sha256 = createHash("sha256").update(content).digest("hex");
  findings.blobs.set(sha256, content);
  const sizeBytes = BigInt(content.length);
  return create(FileSchema, { path, sha256, sizeBytes, mode });
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** Tokens that a pod's volumes ask for. */
export function tokensWanted(
  pod: Pod,
): { audience: string; expirationSeconds: number }[] {
  return (pod.spec.volumes ?? []).flatMap(({ projected }) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }) =>
      serviceAccountToken
        ? [{
          audience: serviceAccountToken.audience ?? "",
          expirationSeconds: serviceAccountToken.expirationSeconds ??
            DEFAULT_TOKEN_SECONDS,
        }]
        : []
    )
  );
}
