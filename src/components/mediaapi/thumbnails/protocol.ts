import type { ThumbnailKind } from './choose.js'

/** What the server asks the process that decodes; one question at a time. */
export type DecoderRequest =
  | { readonly ask: 'measure'; readonly file: string }
  | { readonly ask: 'make'; readonly file: string; readonly kind: ThumbnailKind }

export interface Measured {
  readonly width: number
  readonly height: number
  readonly frames: number
}

export interface Made {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/** `too-large`: more pixels, or more memory for them, than there may be. `not-decodable`: it says that it is a picture and is none. */
export type Refusal = 'too-large' | 'not-decodable'

export type DecoderAnswer = { readonly measured: Measured } | { readonly made: Made } | { readonly refused: Refusal }

/** The exit code of a decoder that has found itself using more memory than it may. */
export const OVER_MEMORY = 90
