/** The policy of a tailnet that nobody has written one for yet. (policy.md §17) */

/** Formatted, so that fetching and saving it unchanged changes nothing. */
export const DEFAULT_POLICY = `// Who may reach what in this tailnet. The text is JSON with comments and trailing commas.
{
	// Groups name people once, for all the rules below.
	// "groups": {
	// 	"group:example": ["user1@example.com", "user2@example.com"],
	// },

	// Tags name what a device is for. Each lists who may give it to a device.
	// "tagOwners": {
	// 	"tag:example": ["autogroup:admin"],
	// },

	// What may be reached over the network. Whatever no grant allows is refused.
	"grants": [
		// Every device may reach every other, on all ports. Take this out to allow less.
		{"src": ["*"], "dst": ["*"], "ip": ["*"]},
	],

	// What a device has to be like before a grant holds for it.
	// "postures": {
	// 	"posture:recentMac": [
	// 		"node:os == 'macos'",
	// 		"node:tsVersion >= '1.80'",
	// 	],
	// },

	// The postures of grants that name none.
	// "defaultSrcPosture": ["posture:recentMac"],

	// Who may log in over SSH, and as whom.
	"ssh": [
		// People may log in to their own devices, after they have shown again who they are.
		{
			"action": "check",
			"src":    ["autogroup:member"],
			"dst":    ["autogroup:self"],
			"users":  ["autogroup:nonroot", "root"],
		},
	],

	// What has to be so in any version of this policy: a version that breaks one can't be saved.
	// "tests": [
	// 	{
	// 		"src":    "user1@example.com",
	// 		"accept": ["tag:example:22"],
	// 		"deny":   ["100.101.102.103:443"],
	// 	},
	// ],
}
`

/** Is this the default, letter for letter? */
export function isDefaultPolicy(text: string): boolean {
  return text === DEFAULT_POLICY
}
