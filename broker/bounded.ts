/**
 * Starts a program with less than what the broker may use. Node has no way to bound a process that it starts; every shell has, and
 * whatever the program starts inherits it.
 */

export interface Bounds {
  /** RLIMIT_DATA: private memory that can be written. Where there is no more, an allocation fails. */
  readonly dataMebibytes: number;
  /** RLIMIT_NOFILE. The broker's own, without it. */
  readonly files?: number;
}

/** Never RLIMIT_CPU, which adds up over the life of a process. No dump of memory is left behind. */
const SCRIPT =
  'ulimit -c 0 && ulimit -d "$1" && if [ -n "$2" ]; then ulimit -n "$2"; fi && shift 2 && exec "$@"';

/** The command that runs `command` within `bounds`. */
export function bounded({ dataMebibytes, files }: Bounds, command: readonly string[]): string[] {
  const kibibytes = String(dataMebibytes * 1024);
  return [
    '/bin/sh',
    '-c',
    SCRIPT,
    'bounded',
    kibibytes,
    files === undefined ? '' : String(files),
    ...command,
  ];
}
