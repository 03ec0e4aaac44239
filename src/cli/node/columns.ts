/**
 * Lines up cells that end in a tab, as Go's tabwriter does: a column is as wide as its widest cell in lines that follow
 * one another, and what comes after a line's last tab belongs to no column.
 */

export interface ColumnStyle {
  readonly minWidth: number
  readonly padding: number
}

/** @param text lines that each end in a line break */
export function alignColumns(text: string, { minWidth, padding }: ColumnStyle): string {
  const rows = text.split('\n').map((line) => line.split('\t'))
  const widths = rows.map(() => [] as number[])
  const columns = Math.max(...rows.map((cells) => cells.length)) - 1
  for (let column = 0; column < columns; column++) {
    for (let from = 0; from < rows.length; from++) {
      let to = from
      let width = minWidth
      while (to < rows.length && (rows[to] as string[]).length - 1 > column)
        width = Math.max(width, lengthOf((rows[to++] as string[])[column] as string) + padding)
      for (let row = from; row < to; row++) (widths[row] as number[])[column] = width
      from = to
    }
  }
  return rows
    .map((cells, row) =>
      cells
        .map((cell, column) => {
          const width = widths[row]?.[column]
          return width === undefined || column === cells.length - 1
            ? cell
            : cell + ' '.repeat(Math.max(0, width - lengthOf(cell)))
        })
        .join(''),
    )
    .join('\n')
}

/** In code points, which is how the official program counts. */
function lengthOf(cell: string): number {
  return Array.from(cell).length
}
