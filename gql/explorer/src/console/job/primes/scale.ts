// Maps a list of any height to an element that browsers can scroll.
//
// Browsers limit an element's height to 17 to 33 million pixels, less when the page is zoomed: a million rows. A higher
// list has an element of MAX_HEIGHT. Near both ends a pixel of the element is a pixel of the list, so that the first and
// the last row are reached exactly; the rest is compressed between them.
export const MAX_HEIGHT = 4_000_000;
const EDGE = 1_000_000;

export interface Scale {
  // Height of the element.
  height: number;
  // The largest offset in the list.
  end: number;
  toElement: (offset: number) => number;
  toList: (offset: number) => number;
}

export function createScale(listHeight: number, viewHeight: number): Scale {
  const height = Math.min(listHeight, MAX_HEIGHT);
  const end = Math.max(0, listHeight - viewHeight);
  const elementEnd = Math.max(0, height - viewHeight);
  const ratio = (end - 2 * EDGE) / (elementEnd - 2 * EDGE);
  const map = (offset: number, from: number, to: number, factor: number): number => {
    if (listHeight <= MAX_HEIGHT || offset <= EDGE) return offset;
    if (offset >= from - EDGE) return to - (from - offset);
    return EDGE + (offset - EDGE) * factor;
  };
  return {
    height,
    end,
    toElement: (offset) => map(offset, end, elementEnd, 1 / ratio),
    toList: (offset) => map(offset, elementEnd, end, ratio),
  };
}
