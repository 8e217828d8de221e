// SPDX-License-Identifier: Apache-2.0
/**
 * Certificates of the test control plane, made by openssl as files in a folder. The room
 * `operator/pki` is not used here: what it makes and checks is tested against another program.
 */
import { join } from "../base/paths.ts";
import { run } from "../base/run.ts";

/** Paths of a certificate and its private key, both PEM. */
export interface KeyFiles {
  cert: string;
  key: string;
}

/** Options of {@linkcode makeCertificate}. */
export interface CertificateRequest {
  /** File name without extension. */
  name: string;
  /** Common name; of a client certificate, the user name. */
  commonName: string;
  /** Organizations; of a client certificate, the user's groups. */
  organizations?: string[];
  /** `DNS:…` and `IP:…`; absent for a client certificate. */
  names?: string[];
}

const DAYS = "30";
const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/** Makes a self-signed CA: `<name>.crt` and `<name>.key`. */
export async function makeAuthority(
  folder: string,
  name: string,
): Promise<KeyFiles> {
  const pair = pairOf(folder, name);
  await run("openssl", {
    args: [
      "req",
      "-x509",
      ...EC,
      "-nodes",
      "-days",
      DAYS,
      "-subj",
      `/CN=${name}`,
      "-keyout",
      pair.key,
      "-out",
      pair.cert,
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
    ],
  });
  return pair;
}

/** Makes a key and a certificate that `authority` signs. */
export async function makeCertificate(
  folder: string,
  authority: KeyFiles,
  request: CertificateRequest,
): Promise<KeyFiles> {
  const { name, commonName, organizations = [], names } = request;
  const pair = pairOf(folder, name);
  const subject = [
    ...organizations.map((one) => `/O=${one}`),
    `/CN=${commonName}`,
  ]
    .join("");
  const csr = await run("openssl", {
    args: [
      "req",
      "-new",
      ...EC,
      "-nodes",
      "-subj",
      subject,
      "-keyout",
      pair.key,
    ],
  });
  const extensions = join(folder, `${name}.ext`);
  await Deno.writeTextFile(
    extensions,
    names
      ? `subjectAltName=${
        names.join(",")
      }\nextendedKeyUsage=serverAuth,clientAuth\n`
      : "extendedKeyUsage=clientAuth\n",
  );
  await run("openssl", {
    args: [
      ..."x509 -req -days".split(" "),
      DAYS,
      "-CA",
      authority.cert,
      "-CAkey",
      authority.key,
      "-set_serial",
      `0x${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`,
      "-extfile",
      extensions,
      "-out",
      pair.cert,
    ],
    stdin: csr,
  });
  return pair;
}

/** Makes an RSA key for service account tokens, and returns its path. */
export async function makeKey(folder: string, name: string): Promise<string> {
  const path = join(folder, `${name}.key`);
  await run("openssl", {
    args: ["genrsa", "-traditional", "-out", path, "2048"],
  });
  return path;
}

function pairOf(folder: string, name: string): KeyFiles {
  return {
    cert: join(folder, `${name}.crt`),
    key: join(folder, `${name}.key`),
  };
}
