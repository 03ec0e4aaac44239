/** What a try prints once it is up: the state of its network, and what to type next. */

export function table(name: string, status: string): string {
  const lines = status.trimEnd().split('\n')
  return `\nsett status, on ${name}:\n\n${lines.map((line) => `  ${line}`.trimEnd() + '\n').join('')}`
}

export interface Facts {
  /** How `sett` is called in the user's other terminals. */
  readonly command: string
  /** Of the nodes. */
  readonly names: readonly string[]
  /** Of the second node, in the tailnet. */
  readonly second: string
}

/** How wide the commands are, before what they are for. */
const COMMAND_CHARS = 34

export function tour({ command, names: [first = '', second = ''], second: address }: Facts): string {
  const line = (typed: string, what: string): string => `    ${typed.padEnd(COMMAND_CHARS)} ${what}\n`
  return [
    '\nIt is up. In another terminal:\n\n',
    `  ${command} try enter ${first}\n\n`,
    line('sett status', 'who is there, and by which way'),
    line(`sett ping ${second}`, 'the way there, and how long it takes'),
    line(`ping ${address}`, 'what any program does, through the tunnel'),
    line('sett set --shields-up', 'nobody gets in (--shields-up=false: they do again)'),
    line('sett down', 'off the network; "sett up" brings it back'),
    `\n  ${command} try enter server\n\n`,
    line('sett admin nodes list', 'the devices of the tailnet'),
    line('sett admin policy get', 'who may reach what'),
    line('sett admin keys create', 'a key with which one more device joins'),
    line('sett admin --help', 'all that an administrator can do'),
    `\n  ${command} try enter ${first} sett status    one command, without a shell\n`,
    '\nCtrl-C ends it; nothing stays.\n',
  ].join('')
}
