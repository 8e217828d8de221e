// SPDX-License-Identifier: Apache-2.0
/** Pure checks of one import or one runtime function against the room table. */
import { dirname, join, relative, ROOT } from "../base/paths.ts";
import {
  ENTRIES,
  FREE_DENO_MEMBERS,
  FREE_MODULES,
  type RoomRule,
  ROOMS,
} from "./rooms.ts";

/** A source file that the rules cover. */
export interface Place {
  /** Name of the room, or of the entry file. */
  room: string;
  /** Path from the repository's root, with forward slashes. */
  path: string;
  rule: RoomRule | undefined;
}

/**
 * Returns the place of a file, or undefined for files that the rules don't cover (tests, dev,
 * bench).
 * @param filename absolute, or relative to the root
 * @param root absolute path of the repository
 */
export function placeOf(filename: string, root = ROOT): Place | undefined {
  const path = filename.startsWith("/") ? relative(root, filename) : filename;
  if (ENTRIES.has(path)) return { room: path, path, rule: ENTRIES.get(path) };
  if (!path.startsWith("lib/")) return undefined;
  const room = dirname(path).slice("lib/".length);
  return { room, path, rule: ROOMS.get(room) };
}

/** Returns the npm package or `node:` module that an import specifier names. */
export function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Returns why this import is not allowed, or undefined when it is. */
export function checkImport(
  place: Place,
  specifier: string,
): string | undefined {
  const { room, rule, path } = place;
  if (!rule) return `lib/${room} is not in the room table`;
  if (specifier.startsWith(".")) {
    return checkLocalImport(place, join(dirname(path), specifier));
  }
  if (/^(?:https?|file|data|blob|jsr|npm):|^[/#]/.test(specifier)) {
    return "packages are imported by the names in deno.json";
  }
  return checkPackage(place, packageOf(specifier));
}

/**
 * Returns why this file may not import that package or `node:` module, or undefined when it may.
 */
export function checkPackage(place: Place, name: string): string | undefined {
  const { room, rule } = place;
  return FREE_MODULES.includes(name) || rule?.packages?.includes(name)
    ? undefined
    : `${name} is not among the packages of ${room}`;
}

/**
 * Returns why this file may not import that one, or undefined when it may.
 * @param target path from the repository's root
 */
export function checkLocalImport(
  place: Place,
  target: string,
): string | undefined {
  const { room, rule } = place;
  const to = placeOf(target);
  if (!to) return `${room} may not import ${target}`;
  if (to.room === room) {
    return to.path.endsWith("/mod.ts")
      ? "a file does not import its own room's mod.ts"
      : undefined;
  }
  if (to.room === "agent.ts" && room === "main.ts") return undefined;
  if (!rule?.imports.includes(to.room)) {
    return `${room} may not import ${to.room}`;
  }
  return to.path === `lib/${to.room}/mod.ts`
    ? undefined
    : `lib/${to.room} is entered only through its mod.ts`;
}

/** Returns why this member of the `Deno` namespace is not allowed here, or undefined when it is. */
export function checkDenoMember(
  place: Place,
  member: string,
): string | undefined {
  if (FREE_DENO_MEMBERS.includes(member)) return undefined;
  if (place.rule?.deno?.includes(member)) return undefined;
  return member === "env"
    ? "Deno.env is read only in main.ts and agent.ts"
    : `Deno.${member} is not among the runtime functions of ${place.room}`;
}
