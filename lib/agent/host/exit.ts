// SPDX-License-Identifier: Apache-2.0
/** Exit codes and signals of commands on the host, with or without a terminal. */

/** Numbers of the signals that commonly end a process (signal(7), x86 and ARM). */
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

/**
 * Returns 128+n for signal n by its name, as shells do; 128 for a name that is not in the table.
 */
export function toExitCode(signalName: string): number {
  return 128 + (SIGNALS[signalName] ?? 0);
}

/**
 * Shell text that exits with 127 or 126 and a sentence on stderr when "$1" can't be run, with the
 * codes of POSIX.1-2017, XCU 2.8.2. It must be followed by `exec "$@"`.
 */
export const CHECK_COMMAND = `
fail() { printf 'Cannot run "%s" on the device: %s\\n' "$2" "$3" >&2; exit "$1"; }
case $1 in
*/*) [ -e "$1" ] || fail 127 "$1" 'no such file'
  [ -d "$1" ] && fail 126 "$1" 'it is a directory'
  [ -x "$1" ] || fail 126 "$1" 'it is not executable' ;;
*) command -v "$1" >/dev/null 2>&1 || fail 127 "$1" 'command not found' ;;
esac
`;

/**
 * Sends a signal to a process group; does nothing when the group doesn't exist any more.
 * @param leaderPid process id of the group's leader
 */
export function signalProcessGroup(
  leaderPid: number,
  signalName: Deno.Signal,
): void {
  try {
    Deno.kill(-leaderPid, signalName);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
