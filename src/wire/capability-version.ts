/** The version of what our node can do. In a file of its own, since a command line that says it needs nothing else. */

/** What our node tells a server that it can do (control.md §5.8): everything up to here that concerns a server. */
export const CAPABILITY_VERSION = 137
