// SPDX-License-Identifier: Apache-2.0
/** Translates volumes. */
import { createHash } from "node:crypto";
import { AranyaError, defined } from "../../shared/base/mod.ts";
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
import { type FileContent, toFileBytes } from "./file_content.ts";
import {
  type Findings,
  MissingReferenceError,
  type ProjectedToken,
  refKey,
  type TranslationContext,
} from "./lookups.ts";
import { toUnits } from "./quantity.ts";

const DEFAULT_MODE = 0o644;
/** The API server's default lifetime of a projected token. */
const DEFAULT_TOKEN_SECONDS = 3600;

/**
 * Translates one volume. ConfigMaps, Secrets, fields of the pod and tokens become files, named by
 * the hash of their content. When something that it refers to is missing, the result is marked as
 * blocked with a warning, and the pod's other volumes are not affected.
 */
export function resolveVolume(
  volume: KubeVolume,
  context: TranslationContext,
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
    return toFilesVolume(sources, { ...context, volume });
  } catch (error) {
    if (
      !(error instanceof MissingReferenceError) &&
      !(error instanceof AranyaError)
    ) throw error;
    return toBlockedVolume(name, {
      reason: error.message,
      findings: context.findings,
    });
  }
}

/** Translates a volume of files; a later source replaces files of an earlier one. */
function toFilesVolume(
  sources: readonly ProjectedSource[],
  context: VolumeContext,
): Volume {
  const files = new Map<string, File>();
  for (const source of sources) {
    for (const file of resolveSource(source, context)) {
      files.set(file.path, file);
    }
  }
  const secret = sources.some((source) =>
    source.secret !== undefined || source.serviceAccountToken !== undefined
  );
  return create(VolumeSchema, {
    name: context.volume.name,
    source: { case: "files", value: { files: [...files.values()], secret } },
  });
}

/** Returns a volume that can't be mounted, with the kubelet's message. */
function toBlockedVolume(
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

/** Returns the sources of any volume of files, as a projected volume has; undefined for others. */
function toSources(volume: KubeVolume): ProjectedSource[] | undefined {
  if (volume.projected) return volume.projected.sources ?? [];
  if (volume.configMap) return [{ configMap: volume.configMap }];
  if (volume.secret) {
    const { secretName, ...rest } = volume.secret;
    return [{ secret: { ...rest, ...defined({ name: secretName }) } }];
  }
  return volume.downwardAPI ? [{ downwardAPI: volume.downwardAPI }] : undefined;
}

/** Inputs for the translation of one volume of files. */
interface VolumeContext extends TranslationContext {
  volume: KubeVolume;
}

/** Returns the files of one source of a projected volume. */
function resolveSource(
  source: ProjectedSource,
  context: VolumeContext,
): File[] {
  if (source.configMap) return fromConfigMap(source.configMap, context);
  if (source.secret) return fromSecret(source.secret, context);
  if (source.downwardAPI) return fromDownwardApi(source.downwardAPI, context);
  if (source.serviceAccountToken) {
    return [fromToken(source.serviceAccountToken, context)];
  }
  return [];
}

/** Returns the files of a ConfigMap; none when it is missing and optional. */
function fromConfigMap(source: FilesSource, context: VolumeContext): File[] {
  const { namespace = "" } = context.pod.metadata;
  const name = source.name ?? "";
  context.findings.refs.add(refKey("ConfigMap", { namespace, name }));
  const configMap = context.lookups.findConfigMap(namespace, name);
  if (!configMap && !source.optional) {
    throw new MissingReferenceError(`configmap "${name}" not found`);
  }
  const contents = new Map<string, FileContent>();
  for (const [key, text] of Object.entries(configMap?.data ?? {})) {
    contents.set(key, { encoding: "utf8", text });
  }
  for (const [key, text] of Object.entries(configMap?.binaryData ?? {})) {
    contents.set(key, { encoding: "base64", text });
  }
  return selectFiles(contents, {
    source,
    object: `configmap "${name}"`,
    context,
  });
}

/** Returns the files of a Secret; none when it is missing and optional. */
function fromSecret(source: FilesSource, context: VolumeContext): File[] {
  const { namespace = "" } = context.pod.metadata;
  const name = source.name ?? "";
  context.findings.refs.add(refKey("Secret", { namespace, name }));
  const secret = context.lookups.findSecret(namespace, name);
  if (!secret && !source.optional) {
    throw new MissingReferenceError(`secret "${name}" not found`);
  }
  const contents = new Map<string, FileContent>();
  for (const [key, text] of Object.entries(secret?.data ?? {})) {
    contents.set(key, { encoding: "base64", text });
  }
  return selectFiles(contents, {
    source,
    object: `secret "${name}"`,
    context,
  });
}

/** Returns files for the keys that `items` names, or for all keys under their own names, sorted. */
function selectFiles(
  contents: ReadonlyMap<string, FileContent>,
  { source, object, context }: {
    source: FilesSource;
    /** Kind and name, for the error's text. */
    object: string;
    context: VolumeContext;
  },
): File[] {
  const { volume, findings } = context;
  const mode = source.defaultMode ?? defaultModeOf(volume);
  if (!source.items) {
    return [...contents].sort(([a], [b]) => a < b ? -1 : 1).map((
      [path, content],
    ) => toFile(content, { path, mode, findings }));
  }
  return source.items.flatMap((item) => {
    const content = contents.get(item.key);
    if (content) {
      const { path } = item;
      return [toFile(content, { path, mode: item.mode ?? mode, findings })];
    }
    if (source.optional) return [];
    throw new MissingReferenceError(
      `${object} references non-existent key: ${item.key}`,
    );
  });
}

/** Returns files with fields of the pod and resources of its containers. */
function fromDownwardApi(
  source: DownwardSource,
  context: VolumeContext,
): File[] {
  const { pod, lookups, findings, volume } = context;
  const mode = source.defaultMode ?? defaultModeOf(volume);
  return (source.items ?? []).map((item) => {
    const { path, fieldRef, resourceFieldRef = { resource: "" } } = item;
    const text = fieldRef
      ? readField(pod, fieldRef) ?? ""
      : readResource(resourceFieldRef, { pod, lookups });
    return toFile({ encoding: "utf8", text }, {
      path,
      mode: item.mode ?? mode,
      findings,
    });
  });
}

/** Returns the file of a service account token. */
function fromToken(
  source: NonNullable<ProjectedSource["serviceAccountToken"]>,
  context: VolumeContext,
): File {
  const { findings, pod, lookups, volume } = context;
  const request = toProjectedToken(source);
  const found = lookups.findToken(request);
  if ("missing" in found) throw new MissingReferenceError(found.missing);
  // As the kubelet does: only the one user of all containers, or the pod's group, may read a token;
  // without either everyone may.
  const uid = findCommonUser(pod);
  const fsGroup = pod.spec.securityContext?.fsGroup;
  const privateMode = fsGroup === undefined ? 0o600 : 0o640;
  const isPublic = uid === undefined && fsGroup === undefined;
  const mode = isPublic ? defaultModeOf(volume) : privateMode;
  const { sha256, text } = found;
  if (text !== undefined) {
    findings.blobs.set(sha256, { encoding: "utf8", text });
  }
  return create(FileSchema, {
    path: source.path,
    sha256,
    sizeBytes: BigInt(found.sizeBytes),
    mode,
    ...defined({ uid: uid === undefined ? undefined : BigInt(uid) }),
    token: {
      audience: request.audience,
      expirationSeconds: BigInt(request.expirationSeconds),
      expiresUnixMs: BigInt(found.expiresUnixMs),
      renewUnixMs: BigInt(found.renewUnixMs),
    },
  });
}

/** Returns the user that all containers run as; undefined when they differ or one names none. */
function findCommonUser(pod: Pod): number | undefined {
  const all = [...pod.spec.containers, ...pod.spec.initContainers ?? []];
  const users = new Set(
    all.map(({ securityContext }) =>
      securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser
    ),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

/** Returns the volume's mode for files that set none. */
function defaultModeOf(
  { projected, configMap, secret, downwardAPI }: KubeVolume,
): number {
  return (projected ?? configMap ?? secret ?? downwardAPI)?.defaultMode ??
    DEFAULT_MODE;
}

/** Returns a file, and adds its content to the findings. */
function toFile(
  content: FileContent,
  { path, mode, findings }: { path: string; mode: number; findings: Findings },
): File {
  const bytes = toFileBytes(content);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  findings.blobs.set(sha256, content);
  const sizeBytes = BigInt(bytes.length);
  return create(FileSchema, { path, sha256, sizeBytes, mode });
}

/** Returns the tokens that a pod's volumes ask for, in order. */
export function listProjectedTokens(pod: Pod): ProjectedToken[] {
  return (pod.spec.volumes ?? []).flatMap(({ projected }) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }) =>
      serviceAccountToken ? [toProjectedToken(serviceAccountToken)] : []
    )
  );
}

function toProjectedToken(
  { audience = "", expirationSeconds = DEFAULT_TOKEN_SECONDS }: NonNullable<
    ProjectedSource["serviceAccountToken"]
  >,
): ProjectedToken {
  return { audience, expirationSeconds };
}
