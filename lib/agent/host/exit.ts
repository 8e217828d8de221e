// SPDX-License-Identifier: Apache-2.0
/** Exit codes, and shell text, that commands on the host share. */

/** Linux's numbers, as far as a process is commonly ended by them (signal(7), x86 and ARM). */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGIO: 29,
  SIGPOLL: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

/** The exit code that shells give for a process that a signal ended. */
export function codeOfSignal(name: string): number {
  return 128 + (SIGNALS[name] ?? 0);
}

/**
 * Shell text that ends with 127 or 126 and a sentence on stderr when "$1" can't be run, as shells do
 * (POSIX.1-2017, XCU 2.8.2); it must be followed by `exec "$@"`.
 */
export const CHECK_COMMAND = `
no() { printf 'Cannot run "%s" on the device: %s\\n' "$2" "$3" >&2; exit "$1"; }
case $1 in
*/*) [ -e "$1" ] || no 127 "$1" 'there is no such file'
  [ -d "$1" ] && no 126 "$1" 'it is a directory'
  [ -x "$1" ] || no 126 "$1" 'it is not executable' ;;
*) command -v "$1" >/dev/null 2>&1 || no 127 "$1" 'command not found' ;;
esac
`;

/** Sends a signal to a whole process group; one that has ended is left alone. */
export function signalGroup(leader: number, name: Deno.Signal): void {
  try {
    Deno.kill(-leader, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
