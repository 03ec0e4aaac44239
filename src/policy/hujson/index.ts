/** HuJSON (JSON with commas and comments, policy.md §1): what the rest of the policy layer uses of it. */

export type { HuArray, HuLiteral, HuMember, HuNode, HuObject, HuValue } from './ast.ts'
export { copyOf, withoutBareCommas } from './copy.ts'
export { HuJsonError, HuJsonPatchError } from './errors.ts'
export { format } from './format.ts'
export { isStandard, minimize, pack, standardize } from './pack.ts'
export { parse } from './parse.ts'
export { patch } from './patch.ts'
export { find } from './pointer.ts'
export { positionIn, positionsIn } from './position.ts'
export type { Position } from './position.ts'
export { bytesFrom, textFrom } from './text.ts'
