import { choice, flag, integer, list, path, section } from '../fields.js'
import { componentDatabase } from './common.js'

const thumbnailSize = section('A size made in advance.', {
  width: integer(32, 'Pixels.', { min: 1, max: 10_000 }),
  height: integer(32, 'Pixels.', { min: 1, max: 10_000 }),
  method: choice(['crop', 'scale'], 'scale', 'crop fills the frame, scale fits into it.'),
})

/** Section `media_api`. */
export const mediaApiSection = section('Files and pictures.', {
  base_path: path('', 'Where they are kept. Empty: media in the data directory.', { sample: './media_store' }),
  max_file_size_bytes: integer(10_485_760, 'The biggest file that can be uploaded; 0: any.'),
  dynamic_thumbnails: flag(false, 'Make the size that is asked for, not only those below.'),
  max_thumbnail_generators: integer(10, 'Thumbnails made at the same time.', { min: 1, max: 1_000 }),
  thumbnail_sizes: list(thumbnailSize, [], 'Sizes made in advance. Empty: the five of the specification.', {
    sample: [
      { width: 32, height: 32, method: 'crop' },
      { width: 96, height: 96, method: 'crop' },
      { width: 640, height: 480, method: 'scale' },
    ],
  }),
  database: componentDatabase(),
})
